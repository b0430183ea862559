"""Liquid's filters that make texts safe for web pages and addresses, and those that encode and hash."""

import hashlib
import hmac
import re
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any
from unicodedata import category
from urllib.parse import quote

from model.mapping import javascript as js
from model.mapping.liquid.values import LiquidFailed, Scope, liquid_text, of_texts
from model.mapping.values import MISSING

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"})
_ENTITY = re.compile("&(?:amp|lt|gt|#34|#39);")
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&#34;": '"', "&#39;": "'"}
_PERCENT = re.compile("(?:%[0-9A-Fa-f]{2})+")
_BAD_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile("[^A-Za-z0-9+/]")
_IN_COMPONENT = "-_.!~*'()"
_IN_ADDRESS = _IN_COMPONENT + ";/?:@&=+$,#"
_SPACES = re.compile(f"{js.SPACE}+")
_NOT_ASCII_WORD = re.compile("[^A-Za-z0-9]+")
_KEPT_IN_PRETTY = frozenset("._~!$&'()+,;=@")
_WITHOUT_ACCENTS = str.maketrans(
    {
        **dict.fromkeys("àáâãäå", "a"),
        "æ": "ae",
        "ç": "c",
        **dict.fromkeys("èéêë", "e"),
        **dict.fromkeys("ìíîï", "i"),
        "ð": "d",
        "ñ": "n",
        **dict.fromkeys("òóôõöø", "o"),
        **dict.fromkeys("ùúûü", "u"),
        **dict.fromkeys("ýÿ", "y"),
        "ß": "ss",
        "œ": "oe",
        "þ": "th",
        "ẞ": "SS",
        "Œ": "OE",
        "Þ": "TH",
    }
)


def _encoded(words: str, safe: str) -> str:
    return quote(_utf8(words, strict=True), safe=safe)


def _url_decode(words: str) -> str:
    try:
        if _BAD_PERCENT.search(words):
            raise ValueError
        decoded = _PERCENT.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), words)
    except ValueError:
        raise LiquidFailed("is given a text with a % that begins no encoded character") from None
    return decoded.replace("+", " ")


def _slugify(scope: Scope, value: Any, mode: Any = MISSING, cased: Any = MISSING) -> str:
    words, mode = liquid_text(value), "default" if mode is MISSING else js.to_string(mode)
    separate = _SEPARATORS.get(mode)
    if separate:
        words = separate(words)
        words = words[words[:1] == "-" :]
        words = words[: len(words) - (words[-1:] == "-")]
    return words if js.is_truthy(cased) else words.lower()


def _by_category(kept: frozenset[str]) -> Callable[[str], str]:
    def separate(words: str) -> str:
        parts: list[str] = []
        for char in words:
            if char in kept or category(char)[0] in "ML" or category(char) == "Nd":
                parts.append(char)
            elif not parts or parts[-1] != "":
                parts += ("-", "")  # '' marks that this run of other characters already has its dash
        return "".join(parts)

    return separate


_letters_and_digits = _by_category(frozenset())
_SEPARATORS: Mapping[str, Callable[[str], str]] = {
    "raw": lambda words: _SPACES.sub("-", words),
    "default": _letters_and_digits,
    "pretty": _by_category(_KEPT_IN_PRETTY),
    "ascii": lambda words: _NOT_ASCII_WORD.sub("-", words),
    "latin": lambda words: _letters_and_digits(words.translate(_WITHOUT_ACCENTS)),
}


def _base64_decode(words: str) -> str:
    words = words.partition("=")[0].replace("-", "+").replace("_", "/")
    words = _NOT_BASE64.sub("", words)
    words = words[: len(words) - (len(words) % 4 == 1)]
    return b64decode(words + "=" * (-len(words) % 4)).decode("utf-8", "replace")


def _utf8(words: str, *, strict: bool = False) -> bytes:
    try:
        return (words if strict else js.sendable(words)).encode()
    except UnicodeEncodeError:
        raise LiquidFailed("is given half of a character") from None


_escape = of_texts(lambda words: words.translate(_ESCAPED))
LIQUIDJS: Mapping[str, Callable[..., Any]] = {
    "base64_decode": of_texts(_base64_decode),
    "base64_encode": of_texts(lambda words: b64encode(_utf8(words)).decode()),
    "cgi_escape": of_texts(lambda words: _encoded(words, "-_.~").replace("%20", "+")),
    "escape": _escape,
    "escape_once": of_texts(lambda words: _ENTITY.sub(lambda found: _ENTITIES[found[0]], words).translate(_ESCAPED)),
    "hmac_sha256": of_texts(lambda words, key="": hmac.new(_utf8(key), _utf8(words), hashlib.sha256).hexdigest()),
    "sha256": of_texts(lambda words: hashlib.sha256(_utf8(words)).hexdigest()),
    "slugify": _slugify,
    "uri_escape": of_texts(lambda words: _encoded(words, _IN_ADDRESS + "[]")),
    "url_decode": of_texts(_url_decode),
    "url_encode": of_texts(lambda words: _encoded(words, _IN_COMPONENT).replace("%20", "+")),
    "xml_escape": _escape,
}
OWN: Mapping[str, Callable[..., Any]] = {
    "base64_url_safe_decode": of_texts(_base64_decode),
    "base64_url_safe_encode": of_texts(lambda words: urlsafe_b64encode(_utf8(words)).decode()),
}
