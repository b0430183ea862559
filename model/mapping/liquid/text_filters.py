"""Liquid's filters of texts. Any value is a text to them: as a template would show it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from model.mapping import javascript as js
from model.mapping.liquid.values import LIMIT_CHARS, LiquidFailed, Scope, liquid_text, plain
from model.mapping.values import MISSING

_TAGS = (("<script", "</script>"), ("<style", "</style>"), ("<!--", "-->"), ("<", ">"))
_CJK = "\u4e00-\u9fff\uf900-\ufaff\u3400-\u4dbf\u3040-\u309f\u30a0-\u30ff\uac00-\ud7af"
_CJK_CHARACTER = re.compile(f"[{_CJK}]")
_OTHER_WORD = re.compile(f"[^{_CJK}{js.SPACES}]+")
_SPACES = re.compile(f"{js.SPACE}+")
_NEWLINE = re.compile(r"\r?\n")


def check_growth(length: float) -> None:
    """Raise LiquidFailed before a text is made that is too long."""
    if length > LIMIT_CHARS:
        raise LiquidFailed(f"makes more than {LIMIT_CHARS} characters")


def or_default(value: Any, default: Any) -> Any:
    """Return the default for an argument that is not given."""
    return default if value is MISSING else value


def _append(scope: Scope, value: Any, *given: Any) -> str:
    return liquid_text(value) + liquid_text(_only(given))


def _prepend(scope: Scope, value: Any, *given: Any) -> str:
    return liquid_text(_only(given)) + liquid_text(value)


def _only(given: tuple[Any, ...]) -> Any:
    if len(given) != 1:
        raise LiquidFailed("takes one argument")
    return given[0]


def _downcase(scope: Scope, value: Any) -> str:
    return liquid_text(value).lower()


def _upcase(scope: Scope, value: Any) -> str:
    return liquid_text(value).upper()


def _capitalize(scope: Scope, value: Any) -> str:
    words = liquid_text(value)
    first = words[:1] if words[:1] > "\uffff" else words[:1].upper()  # half a character has no upper case
    return first + words[1:].lower()


def _stripper(*, left: bool, right: bool) -> Callable[..., str]:
    def strip(scope: Scope, value: Any, chars: Any = MISSING) -> str:
        words = liquid_text(value)
        stripped = js.SPACES
        if js.is_truthy(chars):
            # A character beyond U+FFFF is never found: texts are looked through by its halves.
            stripped = "".join(char for char in liquid_text(chars) if char <= "\uffff")
        if left and right:
            return words.strip(stripped)
        return words.lstrip(stripped) if left else words.rstrip(stripped)

    return strip


def _strip_newlines(scope: Scope, value: Any) -> str:
    return _NEWLINE.sub("", liquid_text(value))


def _normalize_whitespace(scope: Scope, value: Any) -> str:
    return _SPACES.sub(" ", liquid_text(value))


def _squish(scope: Scope, value: Any) -> str:
    return _SPACES.sub(" ", liquid_text(value).strip(js.SPACES))


def _strip_html(scope: Scope, value: Any) -> str:
    words = liquid_text(value)
    kinds = dict(_TAGS)
    kept: list[str] = []
    position = 0
    while (tag := words.find("<", position)) >= 0:
        kept.append(words[position:tag])
        position = -1
        for opening, closing in list(kinds.items()):
            if not words.startswith(opening, tag):
                continue
            end = words.find(closing, tag + len(opening))
            if end >= 0:
                position = end + len(closing)
                break
            del kinds[opening]  # what is not closed here is closed nowhere behind: do not look again
        if position < 0:
            return "".join(kept) + words[tag:]
    return "".join(kept) + words[position:]


def _remove(scope: Scope, value: Any, removed: Any = MISSING) -> str:
    return liquid_text(value).replace(liquid_text(removed), "") if liquid_text(removed) else liquid_text(value)


def _remove_first(scope: Scope, value: Any, removed: Any = MISSING) -> str:
    return liquid_text(value).replace(liquid_text(removed), "", 1)


def _remove_last(scope: Scope, value: Any, removed: Any = MISSING) -> str:
    return _replace_last(scope, value, removed)


def _replace(scope: Scope, value: Any, old: Any = MISSING, new: Any = MISSING) -> str:
    words, pattern, replacement = liquid_text(value), liquid_text(old), liquid_text(new)
    if not pattern:
        check_growth(len(words) * (1 + len(replacement)))
        return js.joined(replacement.join(js.units(words)))
    check_growth(len(words) + words.count(pattern) * len(replacement))
    return words.replace(pattern, replacement)


def _replace_first(scope: Scope, value: Any, old: Any = MISSING, new: Any = MISSING) -> str:
    return liquid_text(value).replace(liquid_text(old), liquid_text(new), 1)


def _replace_last(scope: Scope, value: Any, old: Any = MISSING, new: Any = MISSING) -> str:
    words, pattern = liquid_text(value), liquid_text(old)
    before, found, after = words.rpartition(pattern) if pattern else (words, "", "")
    return f"{before}{liquid_text(new)}{after}" if found or not pattern else words


def _split(scope: Scope, value: Any, separator: Any = MISSING) -> list[str]:
    words, between = liquid_text(value), liquid_text(separator)
    check_growth(len(words) if not between else words.count(between))
    parts = words.split(between) if between else list(js.units(words))
    while parts and not parts[-1]:
        parts.pop()
    return parts


def _truncate(scope: Scope, value: Any, length: Any = MISSING, ellipsis: Any = MISSING) -> Any:
    words = js.units(liquid_text(value))
    longest = js.to_number(plain(or_default(length, 50)))
    end = liquid_text(or_default(ellipsis, "..."))
    if len(words) <= longest:
        return value
    kept = max(0.0, js.to_integer(longest - js.length(end)))
    return js.joined(words[: int(min(kept, len(words)))]) + end


def _truncatewords(scope: Scope, value: Any, count: Any = MISSING, ellipsis: Any = MISSING) -> str:
    words = _SPACES.split(liquid_text(value))
    most = js.to_number(plain(or_default(count, 15)))
    most = 1 if most <= 0 else most
    shown = " ".join(words[: js.index(most, len(words))])
    return shown + liquid_text(or_default(ellipsis, "...")) if len(words) >= most else shown


def _number_of_words(scope: Scope, value: Any, mode: Any = MISSING) -> int:
    words = liquid_text(value).strip(js.SPACES)
    if not words:
        return 0
    by_character = len(_CJK_CHARACTER.findall(words))
    if mode == "cjk" or (mode == "auto" and by_character):
        return by_character + len(_OTHER_WORD.findall(words))
    return len(_SPACES.split(words))


LIQUIDJS: Mapping[str, Callable[..., Any]] = {
    "append": _append,
    "capitalize": _capitalize,
    "downcase": _downcase,
    "lstrip": _stripper(left=True, right=False),
    "normalize_whitespace": _normalize_whitespace,
    "number_of_words": _number_of_words,
    "prepend": _prepend,
    "remove": _remove,
    "remove_first": _remove_first,
    "remove_last": _remove_last,
    "replace": _replace,
    "replace_first": _replace_first,
    "replace_last": _replace_last,
    "rstrip": _stripper(left=False, right=True),
    "split": _split,
    "strip": _stripper(left=True, right=True),
    "strip_html": _strip_html,
    "strip_newlines": _strip_newlines,
    "truncate": _truncate,
    "truncatewords": _truncatewords,
    "upcase": _upcase,
}
OWN: Mapping[str, Callable[..., Any]] = {"squish": _squish}
