"""The directives that make and read texts. The docstring of each explains it to authors of mappings."""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import orjson

from model.config.problems import FieldPath
from model.events.tracking import deeper_than
from model.mapping.compiler import Compiler, constant
from model.mapping.errors import MappingFailed
from model.mapping.javascript import SPACES, json_text, sendable
from model.mapping.liquid.tags import Output, parse
from model.mapping.liquid.tokens import LiquidInvalid
from model.mapping.liquid.values import LiquidFailed, Scope
from model.mapping.paths import Resolver, reader
from model.mapping.values import MISSING, check_length, fresh, limited, text

DECODED_DEPTH_LIMIT = 100  # as deep as an event itself
_LIQUID_LIMIT_CHARS = 1_000
_PATTERN_LIMIT_CHARS = 10
_SPECIAL = re.compile(r"\$[$&`']")

_Replacer: TypeAlias = Callable[[str], str]


def template(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@template": "{{properties.first}} {{properties.last}}"``: the text with values in the places of their paths.

    What is missing or null is empty. A path in braces has no ``$.``. What an event holds stays data, braces included.
    Double and triple braces mean the same: nothing is escaped, because the result is not HTML.
    """
    if not isinstance(raw, str):
        compiler.problem(path, "must be a text", "Write a text such as 'Order {{properties.id}}'")
        return constant(None)
    parts: list[str | Resolver] = []
    for text_or_braces, name in _parts(raw):
        if name is None:
            parts.append(text_or_braces)
        elif not name.strip(SPACES):
            message = f"there is no path between the braces {text_or_braces}"
            compiler.problem(path, message, "Write a path between them, such as {{properties.id}}")
            return constant(None)
        else:
            parts.append(reader(name.strip(SPACES)))

    def render(payload: Any) -> str:
        made: list[str] = []
        made_chars = 0
        for part in parts:
            value = part if isinstance(part, str) else part(payload)
            made.append(value if type(value) is str else text(value))
            made_chars += len(made[-1])
            # Counted while rendering: a path may occur ten thousand times, and each value may be a megabyte.
            check_length(made_chars, path)
        return "".join(made)

    return render


def case(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@case": {"operator": "lower", "value": …}``: a text in lower or upper case; other values are unchanged."""
    options = compiler.options(raw, path, required={"operator"}, optional={"value"})
    operator = compiler.choice(options, "operator", path, ("lower", "upper"))
    value = compiler.resolver(options.get("value"), (*path, "value"))
    change = str.lower if operator == "lower" else str.upper

    def resolve(payload: Any) -> Any:
        found = value(payload)
        return change(found) if isinstance(found, str) else found

    return resolve if options.get("value", "") != "" else constant(MISSING)


def replace(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@replace": {"pattern": "-", "replacement": "", "value": …}``: a text with another for every pattern in it.

    A pattern is plain text, not a regular expression. A second pair is ``pattern2`` and ``replacement2``. With
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

    return resolve if options.get("value") != "" else constant(MISSING)


def json(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@json": {"mode": "encode", "value": …}``: a value as JSON text, or with decode the value of such a text.

    A text that cannot be decoded is returned unchanged.
    """
    options = compiler.options(raw, path, required={"mode", "value"})
    mode = compiler.choice(options, "mode", path, ("encode", "decode"))
    value = compiler.resolver(options.get("value"), (*path, "value"))

    def encode(payload: Any) -> Any:
        found = fresh(value(payload), path)
        if found is MISSING:
            return MISSING
        return limited(json_text(found) or "", path)

    def decode(payload: Any) -> Any:
        found = value(payload)
        if not isinstance(found, str):
            return found
        try:
            decoded = orjson.loads(found)
        except orjson.JSONDecodeError:
            return found
        if deeper_than([decoded], DECODED_DEPTH_LIMIT + 1):
            raise MappingFailed(path, f"the text holds more than {DECODED_DEPTH_LIMIT} levels")
        return decoded

    return encode if mode == "encode" else decode


def liquid(compiler: Compiler, raw: Any, path: FieldPath) -> Resolver:
    """``"@liquid": "{{ properties.total | round: 2 }}"``: a text by a Liquid template, rendered as LiquidJS does for
    Segment, within limits.

    There are no loops, and the size of every intermediate value is limited, so the length of the template bounds time
    and memory for any event. There is no clock: the same event always gives the same text.
    """
    template_text = compiler.text(raw, path, shortest=0, longest=_LIQUID_LIMIT_CHARS)
    try:
        parsed = parse(template_text)
    except LiquidInvalid as error:
        compiler.problem(path, f"Liquid: {error}", error.remedy)
        return constant(None)

    def render(payload: Any) -> str:
        output = Output()
        try:
            parsed(Scope(payload), output)
        except LiquidFailed as error:
            raise MappingFailed(path, f"Liquid: {error}") from None
        return sendable(output.text())

    return render


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield texts, and braces with the path between them. Triple braces are searched first, as Segment does."""
    for part, name in _braces(template, 3):
        if name is None:
            yield from _braces(part, 2)
        else:
            yield part, name


def _braces(template: str, count: int) -> Iterator[tuple[str, str | None]]:
    """Cut a text at braces that open and close with a count, and have no closing one between them."""
    opening, closing = "{" * count, "}" * count
    end = searched = 0
    while (begin := template.find(opening, searched)) >= 0:
        close = template.find("}", begin + count)
        if close < 0:
            break
        if close == begin + count or not template.startswith(closing, close):
            searched = close  # braces that open between here and there would be closed by the same one
            continue
        if begin > end:
            yield template[end:begin], None
        end = searched = close + count
        yield template[begin:end], template[begin + count : close]
    if end < len(template):
        yield template[end:], None


def _replacement(compiler: Compiler, raw: Any, path: FieldPath, number: str) -> str:
    place = (*path, f"replacement{number}")
    replacement = compiler.text(raw, place, shortest=0, longest=_PATTERN_LIMIT_CHARS)
    for special in _SPECIAL.findall(replacement):
        if special in ("$`", "$'"):
            compiler.problem(place, f"{special} is not supported", "For a dollar write $$")
    return replacement


def _replacer(pattern: str, replacement: str, everywhere: bool, ignore_case: bool) -> _Replacer:
    if ignore_case:
        return lambda value: _replaced_in_any_case(value, pattern, replacement, everywhere)
    new = _filled(replacement, pattern)
    return lambda value: value.replace(pattern, new, -1 if everywhere else 1)


def _replaced_in_any_case(value: str, pattern: str, replacement: str, everywhere: bool) -> str:
    searched, sought = _folded(value), _folded(pattern)
    parts: list[str] = []
    end = 0
    while (begin := searched.find(sought, end)) >= 0:
        parts += (value[end:begin], _filled(replacement, value[begin : begin + len(sought)]))
        end = begin + len(sought)
        if not everywhere:
            break
    return "".join(parts) + value[end:]


def _folded(value: str) -> str:
    """Write a text as JavaScript's expressions compare it in any case: by the upper case of each character."""
    return value.upper() if value.isascii() else "".join(map(_folded_character, value))


def _folded_character(char: str) -> str:
    upper = char.upper()
    # Characters that have no single one in upper case, or leave their block for ASCII (ſ, ı), stay what they are.
    return char if len(upper) != 1 or char > "\uffff" or (char > "\x7f" and upper <= "\x7f") else upper


def _filled(replacement: str, found: str) -> str:
    return _SPECIAL.sub(lambda special: "$" if special[0] == "$$" else found, replacement)
