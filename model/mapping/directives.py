"""The directives that choose and shape values. The docstring of each explains it to authors of mappings."""

from typing import Any

from model.config.problems import FieldPath
from model.mapping.compiler import Compiler, constant, is_directive
from model.mapping.errors import MappingFailed
from model.mapping.javascript import names_in_order
from model.mapping.paths import Resolver, from_root
from model.mapping.values import MISSING, fresh, is_empty, is_given, kind, text

_SEPARATOR_LIMIT_CHARS = 10
_NAMES_LIMIT_CHARS = 4 << 20


def path_(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@path": "$.properties.total"``: the value at that path. A directive may give the path."""
    if isinstance(raw, str):
        return from_root(raw)
    if not is_directive(raw):
        compiler.problem(path, f"must be a path, not {kind(raw)}", "Write a path such as $.properties.total")
        return constant(None)
    inner = compiler.resolver(raw, path)

    def read(payload: Any) -> Any:
        found = inner(payload)
        if not isinstance(found, str):
            raise MappingFailed(path, f"the path is {kind(found)}, not a text")
        return from_root(found)(payload)

    return read


def literal(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@literal": …``: the value itself; directives in it are resolved."""
    return compiler.resolver(raw, path)


def if_(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@if": {"exists": …, "then": …, "else": …}``: one of two values.

    ``exists`` holds unless the value is missing or null; ``blank``, against its name, unless it is also empty, 0 or
    false. An ``else`` that is itself empty, 0, false or null counts as none.
    """
    options = compiler.options(raw, path, optional={"exists", "blank", "then", "else"})
    conditions = [name for name in ("exists", "blank") if options.get(name) not in (None, False, 0, "")]
    if len(conditions) != 1:
        if options is raw:  # otherwise it is no object, which was noted
            message = "has both exists and blank" if conditions else "has neither exists nor blank"
            compiler.problem(path, message, "Give one of them, such as exists: {'@path': '$.userId'}")
        return constant(None)
    name = "exists" if "exists" in options else "blank"
    holds = is_given if name == "exists" else _is_filled
    value = compiler.resolver(options[name], (*path, name))
    then = compiler.resolver(options["then"], (*path, "then")) if "then" in options else constant(MISSING)
    otherwise = compiler.resolver(options.get("else"), (*path, "else"))
    if options.get("else") in (None, False, 0, ""):
        otherwise = constant(MISSING)
    return lambda payload: then(payload) if holds(value(payload)) else otherwise(payload)


def first(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@first": [{"@path": "$.userId"}, …]``: the first non-empty value; missing when all are empty. Not Segment's.

    Empty is what official SDKs send for a missing value: null, a blank text, an empty object or list.
    """
    if not isinstance(raw, list) or not raw:
        compiler.problem(path, f"must be a list of values, not {kind(raw)}", "Write the values, the best one first")
        return constant(None)
    resolvers = [compiler.resolver(inner, (*path, index)) for index, inner in enumerate(raw)]
    return lambda payload: next((v for v in (r(payload) for r in resolvers) if not is_empty(v)), MISSING)


def array_path(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@arrayPath": ["$.properties.products", {…}]``: the list there, each item mapped by the shape, if there is one.

    The list is at a path, or is what a directive gives. In the shape ``$`` is the item. An object counts as a list of
    one; any other value is returned unchanged. So is everything when the shape is not an object or has no fields.
    """
    if not isinstance(raw, list) or len(raw) not in (1, 2):
        message = "must be a list of a path and, if wanted, the shape of an item"
        compiler.problem(path, message, "Write [path] or [path, shape]")
        return constant(None)
    first = raw[0]
    read = compiler.resolver(first, (*path, 0)) if is_directive(first) else path_(compiler, first, (*path, 0))
    shape = compiler.resolver(raw[1], (*path, 1)) if len(raw) == 2 else constant(None)
    if len(raw) == 1 or not isinstance(raw[1], dict) or not raw[1]:
        return read

    def resolve(payload: Any) -> Any:
        root = read(payload)
        if not isinstance(root, list | dict):
            return root
        return [shape(item) for item in (root if isinstance(root, list) else [root])]

    return resolve


def merge(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@merge": {"objects": […], "direction": "right"}``: one object of several; the last to have a field wins.

    With ``left`` the first wins. Only the first level is merged; values that are not objects are skipped. A field whose
    value is missing hides one of the same name.
    """
    options = compiler.options(raw, path, required={"objects", "direction"})
    direction = compiler.choice(options, "direction", path, ("left", "right"))
    parts = options.get("objects", [])
    if not isinstance(parts, list):
        compiler.problem((*path, "objects"), f"must be a list, not {kind(parts)}", "Write a list of objects")
        return constant(None)
    resolvers = [compiler.resolver(part, (*path, "objects", index)) for index, part in enumerate(parts)]
    if direction == "left":
        resolvers.reverse()

    def resolve(payload: Any) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for resolver in resolvers:
            value = resolver(payload)
            if isinstance(value, dict):
                result |= value
        return result

    return resolve


def transform(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@transform": {"apply": …, "mapping": …}``: the mapping, applied to the result of apply."""
    options = compiler.options(raw, path, required={"apply", "mapping"})
    apply = compiler.resolver(options.get("apply"), (*path, "apply"))
    return chain(apply, compiler.resolver(options.get("mapping"), (*path, "mapping")), path)


def chain(apply: Resolver, mapping: Resolver, path: FieldPath) -> Resolver:
    """Map the result of another resolver."""
    # A mapping can name a value twice, so each step could double it: the copy counts the real size.
    return lambda payload: mapping(fresh(apply(payload), path))


def flatten(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@flatten": {"separator": ".", "value": …}``: one level, with the names of all levels joined.

    Items of lists are numbered; with ``omitArrays`` lists are kept whole. Empty objects are dropped; a missing value
    gives an empty object.
    """
    options = compiler.options(raw, path, required={"separator", "value"}, optional={"omitArrays"})
    given, place = options.get("separator", "."), (*path, "separator")
    separator = compiler.text(given, place, shortest=0, longest=_SEPARATOR_LIMIT_CHARS)
    omit_arrays = compiler.flag(options, "omitArrays", path, default=False)
    value = compiler.resolver(options.get("value"), (*path, "value"))
    into = (dict,) if omit_arrays else (dict, list)

    def descend(branch: Any, prefix: str, result: dict[str, Any], names_chars: int) -> int:
        for name in names_in_order(branch) if isinstance(branch, dict) else range(len(branch)):
            inner = branch[name]
            joined = f"{prefix}{separator}{name}" if prefix else str(name)
            # Counted on the way: a name of 100,000 characters may have a thousand names below it.
            names_chars += len(joined)
            if names_chars > _NAMES_LIMIT_CHARS:
                raise MappingFailed(path, f"makes names of more than {_NAMES_LIMIT_CHARS >> 20} MB of one event")
            if isinstance(inner, into):
                names_chars = descend(inner, joined, result, names_chars)
            else:
                result[joined] = inner
        return names_chars

    def resolve(payload: Any) -> Any:
        found = value(payload)
        if not isinstance(found, into):
            return {} if found is MISSING else found
        result: dict[str, Any] = {}
        descend(found, "", result, 0)
        return result

    return resolve


def exclude_when_null(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@excludeWhenNull": …``: the value, without null fields in its objects; left out when it is null itself."""
    value = compiler.resolver(raw, path)

    def clean(found: Any) -> Any:
        if not isinstance(found, dict):
            return found
        return {name: MISSING if inner is None else clean(inner) for name, inner in found.items()}

    def resolve(payload: Any) -> Any:
        found = value(payload)
        return MISSING if found is None else clean(found)

    return resolve


def _is_filled(value: Any) -> bool:
    """Whether JavaScript's ``value != ''`` holds, for which 0, false and a list of nothing are equal to ''."""
    if isinstance(value, list):
        return text(value) != ""
    return isinstance(value, dict) or (value is not MISSING and bool(value))
