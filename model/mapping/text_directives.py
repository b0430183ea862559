"""The directives that make and read texts. What each means to somebody writing a mapping is in its docstring."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

import orjson

from model import exact_json
from model.mapping.compiler import Compiler, constant
from model.mapping.errors import MappingFailed
from model.mapping.paths import Resolver
from model.mapping.templates import TemplateInvalid, compile_template
from model.mapping.values import MISSING, fresh, limited, text
from model.workspace_errors import FieldPath

DECODED_DEPTH_LIMIT = 100  # as deep as an event itself
_LIQUID_LIMIT_CHARS = 1_000
_PATTERN_LIMIT_CHARS = 10
_SPECIAL = re.compile(r"\$[$&`']")

_Replacer: TypeAlias = Callable[[str], str]


def template(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@template": "{{properties.first}} {{properties.last}}"``: the text with values in the places of their paths.

    What is missing or null is empty. A path in braces has no ``$.``.
    """
    if not isinstance(raw, str):
        compiler.problem(path, "must be a text", "Write a text such as 'Order {{properties.id}}'")
        return constant(None)
    try:
        return compile_template(raw, path)
    except TemplateInvalid as error:
        compiler.problem(path, str(error), "Write a path between them, such as {{properties.id}}")
        return constant(None)


def case(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@case": {"operator": "lower", "value": …}``: a text in lower or upper case; what is no text stays as it is."""
    options = compiler.options(raw, path, required={"operator"}, optional={"value"})
    operator = compiler.choice(options, "operator", path, ("lower", "upper"))
    value = compiler.resolver(options["value"], (*path, "value")) if "value" in options else constant(MISSING)
    change = str.lower if operator == "lower" else str.upper

    def resolve(payload: Any) -> Any:
        found = value(payload)
        return change(found) if isinstance(found, str) else found

    return resolve


def replace(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@replace": {"pattern": "-", "replacement": "", "value": …}``: a text with another for every pattern in it.

    A pattern is no expression: it means its own characters. A second pair is ``pattern2`` and ``replacement2``. With
    ``global: false`` only the first is replaced, with ``ignorecase: true`` in any case. In a replacement ``$&`` is
    what was found and ``$$`` a dollar. Numbers and booleans are texts here; any other value gives ''.
    """
    options = compiler.options(
        raw,
        path,
        required={"pattern", "value"},
        optional={"replacement", "pattern2", "replacement2", "global", "ignorecase"},
    )
    everywhere = compiler.flag(options, "global", path, default=True)
    ignore_case = compiler.flag(options, "ignorecase", path, default=False)
    replacers = []
    for number in ("", "2"):
        if f"pattern{number}" in options:
            place = (*path, f"pattern{number}")
            pattern = compiler.text(options[f"pattern{number}"], place, shortest=1, longest=_PATTERN_LIMIT_CHARS)
            replacement = _replacement(compiler, options.get(f"replacement{number}", ""), path, number)
            replacers.append(_replacer(pattern, replacement, everywhere, ignore_case))
    value = compiler.resolver(options.get("value"), (*path, "value"))

    def resolve(payload: Any) -> str:
        found = value(payload)
        result = text(found) if isinstance(found, str | int | float) else ""
        for replacer in replacers:
            result = limited(replacer(result), path)
        return result

    return resolve


def json(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@json": {"mode": "encode", "value": …}``: a value as JSON text, or with decode the value of such a text.

    What cannot be decoded stays as it is.
    """
    options = compiler.options(raw, path, required={"mode", "value"})
    mode = compiler.choice(options, "mode", path, ("encode", "decode"))
    value = compiler.resolver(options.get("value"), (*path, "value"))

    def encode(payload: Any) -> Any:
        found = fresh(value(payload), path)
        if found is MISSING:
            return MISSING
        try:
            return limited(exact_json.dumps(found).decode(), path)
        except orjson.JSONEncodeError:
            raise MappingFailed(path, "the value holds a text or number that JSON cannot") from None

    def decode(payload: Any) -> Any:
        found = value(payload)
        if not isinstance(found, str):
            return found
        try:
            decoded = orjson.loads(found)
        except orjson.JSONDecodeError:
            return found
        if _is_deeper(decoded, DECODED_DEPTH_LIMIT):
            raise MappingFailed(path, f"the text holds more than {DECODED_DEPTH_LIMIT} levels")
        return decoded

    return encode if mode == "encode" else decode


def liquid(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@liquid": "{{ properties.total | round: 2 }}"``: a text by a Liquid template; see `model.mapping.liquids`."""
    # The library takes a tenth of a second to import: only who uses it should wait for it.
    from model.mapping.liquids import LiquidInvalid, compile_liquid

    template_text = compiler.text(raw, path, shortest=0, longest=_LIQUID_LIMIT_CHARS)
    try:
        return compile_liquid(template_text, path)
    except LiquidInvalid as error:
        compiler.problem(path, str(error), error.remedy)
        return constant(None)


def _replacement(compiler: Compiler, raw: Any, path: FieldPath, number: str) -> str:
    place = (*path, f"replacement{number}")
    replacement = compiler.text(raw, place, shortest=0, longest=_PATTERN_LIMIT_CHARS)
    for special in _SPECIAL.findall(replacement):
        if special in ("$`", "$'"):
            compiler.problem(place, f"{special} is not supported", "For a dollar write $$")
    return replacement


def _replacer(pattern: str, replacement: str, everywhere: bool, ignore_case: bool) -> _Replacer:
    if ignore_case:
        found = re.compile(re.escape(pattern), re.IGNORECASE)
        return lambda value: found.sub(lambda match: _filled(replacement, match[0]), value, 0 if everywhere else 1)
    new = _filled(replacement, pattern)
    return lambda value: value.replace(pattern, new, -1 if everywhere else 1)


def _filled(replacement: str, found: str) -> str:
    return _SPECIAL.sub(lambda special: "$" if special[0] == "$$" else found, replacement)


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list)]
        level = [item for items in inner for item in items]
    return any(isinstance(item, dict | list) for item in level)
