"""Liquid's filters of texts. Any value is a text to them: as a template would show it."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from model.mapping import javascript as js
from model.mapping.liquid.values import LIMIT_CHARS, LiquidFailed, Scope, liquid_text, of_texts, plain
from model.mapping.values import MISSING

_TAGS = (("<script", "</script>"), ("<style", "</style>"), ("<!--", "-->"), ("<", ">"))
_CJK = "\u4e00-\u9fff\uf900-\ufaff\u3400-\u4dbf\u3040-\u309f\u30a0-\u30ff\uac00-\ud7af"
_CJK_CHARACTER = re.compile(f"[{_CJK}]")
_OTHER_WORD = re.compile(f"[^{_CJK}{js.SPACES}]+")
_SPACES = re.compile(f"{js.SPACE}+")
_NEWLINE = re.compile(r"\r?\n")


def check_growth(length: float) -> None:
    """Raise LiquidFailed for the length of a text that would be too long, before it is built."""
    if length > LIMIT_CHARS:
        raise LiquidFailed(f"makes more than {LIMIT_CHARS} characters")


def or_default(value: Any, default: Any) -> Any:
    """Return the default for an argument that is not given."""
    return default if value is MISSING else value


def _only(given: tuple[str, ...]) -> str:
    if len(given) != 1:
        raise LiquidFailed("takes one argument")
    return given[0]


def _capitalize(words: str) -> str:
    first = words[:1] if words[:1] > "\uffff" else words[:1].upper()  # half a character has no upper case
    return first + words[1:].lower()


def _stripper(strip: Callable[[str, str], str]) -> Callable[..., str]:
    def apply(scope: Scope, value: Any, chars: Any = MISSING) -> str:
        stripped = js.SPACES
        if js.is_truthy(chars):
            # LiquidJS compares UTF-16 units, so a character beyond U+FFFF is never found.
            stripped = "".join(char for char in liquid_text(chars) if char <= "\uffff")
        return strip(liquid_text(value), stripped)

    return apply


def _strip_html(words: str) -> str:
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
            del kinds[opening]  # a tag not closed here is not closed later: do not search again
        if position < 0:
            return "".join(kept) + words[tag:]
    return "".join(kept) + words[position:]


def _replace(words: str, pattern: str = "", replacement: str = "") -> str:
    if not pattern:
        check_growth(len(words) * (1 + len(replacement)))
        return js.joined(replacement.join(js.units(words)))
    check_growth(len(words) + words.count(pattern) * len(replacement))
    return words.replace(pattern, replacement)


def _replace_last(words: str, pattern: str = "", replacement: str = "") -> str:
    before, found, after = words.rpartition(pattern) if pattern else (words, "", "")
    return f"{before}{replacement}{after}" if found or not pattern else words


def _split(words: str, between: str = "") -> list[str]:
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
    "append": of_texts(lambda words, *given: words + _only(given)),
    "capitalize": of_texts(_capitalize),
    "downcase": of_texts(str.lower),
    "lstrip": _stripper(str.lstrip),
    "normalize_whitespace": of_texts(lambda words: _SPACES.sub(" ", words)),
    "number_of_words": _number_of_words,
    "prepend": of_texts(lambda words, *given: _only(given) + words),
    "remove": of_texts(lambda words, removed="": words.replace(removed, "")),
    "remove_first": of_texts(lambda words, removed="": words.replace(removed, "", 1)),
    "remove_last": of_texts(lambda words, removed="": _replace_last(words, removed)),
    "replace": of_texts(_replace),
    "replace_first": of_texts(lambda words, old="", new="": words.replace(old, new, 1)),
    "replace_last": of_texts(_replace_last),
    "rstrip": _stripper(str.rstrip),
    "split": of_texts(_split),
    "strip": _stripper(str.strip),
    "strip_html": of_texts(_strip_html),
    "strip_newlines": of_texts(lambda words: _NEWLINE.sub("", words)),
    "truncate": _truncate,
    "truncatewords": _truncatewords,
    "upcase": of_texts(str.upper),
}
OWN: Mapping[str, Callable[..., Any]] = {"squish": of_texts(lambda words: _SPACES.sub(" ", words.strip(js.SPACES)))}
