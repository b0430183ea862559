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
from model.mapping.liquid.values import LiquidFailed, Scope, liquid_text
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


def _escape(scope: Scope, value: Any) -> str:
    return liquid_text(value).translate(_ESCAPED)


def _escape_once(scope: Scope, value: Any) -> str:
    return _ENTITY.sub(lambda entity: _ENTITIES[entity[0]], liquid_text(value)).translate(_ESCAPED)


def _encoded(value: Any, safe: str) -> str:
    return quote(_utf8(liquid_text(value), strict=True), safe=safe)


def _url_encode(scope: Scope, value: Any) -> str:
    return _encoded(value, _IN_COMPONENT).replace("%20", "+")


def _cgi_escape(scope: Scope, value: Any) -> str:
    return _encoded(value, "-_.~").replace("%20", "+")


def _uri_escape(scope: Scope, value: Any) -> str:
    return _encoded(value, _IN_ADDRESS + "[]")


def _url_decode(scope: Scope, value: Any) -> str:
    words = liquid_text(value)
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
                parts += ("-", "")  # the mark that this run of others is told already
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


def _base64_encode(scope: Scope, value: Any) -> str:
    return b64encode(_utf8(liquid_text(value))).decode()


def _base64_decode(scope: Scope, value: Any) -> str:
    words = liquid_text(value).partition("=")[0].replace("-", "+").replace("_", "/")
    words = _NOT_BASE64.sub("", words)
    words = words[: len(words) - (len(words) % 4 == 1)]
    return b64decode(words + "=" * (-len(words) % 4)).decode("utf-8", "replace")


def _base64_url_safe_encode(scope: Scope, value: Any) -> str:
    return urlsafe_b64encode(_utf8(liquid_text(value))).decode()


def _sha256(scope: Scope, value: Any) -> str:
    return hashlib.sha256(_utf8(liquid_text(value))).hexdigest()


def _hmac_sha256(scope: Scope, value: Any, key: Any = MISSING) -> str:
    return hmac.new(_utf8(liquid_text(key)), _utf8(liquid_text(value)), hashlib.sha256).hexdigest()


def _utf8(words: str, *, strict: bool = False) -> bytes:
    try:
        return (words if strict else js.sendable(words)).encode()
    except UnicodeEncodeError:
        raise LiquidFailed("is given half of a character") from None


LIQUIDJS: Mapping[str, Callable[..., Any]] = {
    "base64_decode": _base64_decode,
    "base64_encode": _base64_encode,
    "cgi_escape": _cgi_escape,
    "escape": _escape,
    "escape_once": _escape_once,
    "hmac_sha256": _hmac_sha256,
    "sha256": _sha256,
    "slugify": _slugify,
    "uri_escape": _uri_escape,
    "url_decode": _url_decode,
    "url_encode": _url_encode,
    "xml_escape": _escape,
}
OWN: Mapping[str, Callable[..., Any]] = {
    "base64_url_safe_decode": _base64_decode,
    "base64_url_safe_encode": _base64_url_safe_encode,
}
