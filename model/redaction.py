"""Redaction: what samples, messages and logs may show of a payload. The same input always gives the same output.

Three nets, one behind the other: the workspace's own secrets wherever they stand; fields whose name says secret; and
values that look like an e-mail address, a card number, a token. Ids stay, unless they look like one of these.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson

LIMIT_BYTES = 8 * 1024
MASK = "[redacted]"
_SHORTEST_SECRET = 4  # shorter ones would be found all over the text
_STRING_LIMIT_CHARS = 4 * 1024
_MAX_DEPTH = 32
_EFFORT_CHARS = 32 * 1024  # of one body; each value counts as some
_EFFORT_PER_VALUE_CHARS = 8
_LONGEST_MATCH_CHARS = 1024
_LONGEST_NAME_CHARS = 256
_CACHED_TEXT_CHARS = 512

# Looked for in the letters and digits of a field's name; the second list only as the whole name.
_SECRET_NAME = re.compile(
    "passw|passphrase|secret|token|authorization|apikey|accesskey|privatekey|writekey|credential|cookie|signature"
    "|ssn|socialsecurity|creditcard|cardnumber|securitycode|iban|phone"
)
_SECRET_NAMES = frozenset({"pwd", "auth", "pin", "cvc", "cvv", "card", "pan", "otp", "jwt", "sessionid"})

# One pass over the text; the group that matched names the mask. Every repetition is bounded or starts at a boundary
# only (the lookbehinds), so that no input makes it take more than linear time.
_VALUES = re.compile(
    r"""
      (?P<credentials> (?<=://) [^/\s:@]{0,256} : [^/\s@]{1,256} (?=@) )
    | (?P<email>   [\w.+-]{1,64}+ (?:@|%40) (?:[\w-]{1,63}\.){1,8} [^\W\d_]{2,24} )
    | (?P<named>   (?<![A-Za-z0-9]) (?P<name> (?i: (?:[a-z]{1,16}[_-]){0,2}
                   (?:password|passwd|pwd|secret|token|authorization|api[_-]?key|access[_-]?key|signature|sig|cookie) )
                   ["']? \s{0,3} [=:] \s{0,3} ["']? ) (?:(?i:bearer|basic)\s{1,3})? [^&\s"',;}]{1,512} )
    | (?P<bearer>  (?<![A-Za-z0-9]) (?i:bearer) \s{1,3} [\w.~+/=-]{8,}+ )
    | (?P<basic>   (?<![A-Za-z0-9]) (?i:basic) \s{1,3} (?=[A-Za-z0-9+/]{0,64}(?:[0-9=]|[a-z][A-Z]))
                   [A-Za-z0-9+/=]{12,}+ )
    | (?P<token>   (?<![\w-]) eyJ [\w-]{8,}+ \. [\w.-]{4,}+ )
    | (?P<key>     (?<![A-Za-z0-9]) (?: [sprw]k_(?:live|test)_\w{8,}+ | gh[opsu]_\w{20,}+ | xox[abeoprs]-[\w-]{10,}+
                   | AKIA[A-Z0-9]{16} | AIza[\w-]{20,}+ | [0-9A-Fa-f]{40,}+ (?![A-Za-z0-9]) ) )
    | (?P<card>    (?<![\d.]) [2-6] (?:[ -]?\d){12,18} (?!\d) )
    | (?P<ssn>     (?<![\d-]) \d{3}-\d{2}-\d{4} (?![\d-]) )
    | (?P<phone>   (?<!\d) \+ [1-9] (?:[ ().-]{0,2}\d){7,14} (?!\d) )
    """,
    re.VERBOSE,
)


class Redactor:
    """Masks texts, headers and bodies. ``secrets`` are the workspace's own, found however they are written."""

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        self._secrets = _any_of({form for secret in secrets for form in (secret, quote(secret, safe=""))})
        # Partners repeat themselves: in a storm of failures the same few messages come thousands of times.
        self._short_text = lru_cache(maxsize=2_048)(self._text)

    def text(self, text: str) -> str:
        """Return the text with everything secret or personal in it masked."""
        return self._short_text(text) if len(text) <= _CACHED_TEXT_CHARS else self._text(text)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers with the values of telling names masked whole and the others as texts."""
        return {name: MASK if _is_secret_name(name) else self.text(value) for name, value in headers.items()}

    def json_bytes(self, body: bytes, limit_bytes: int = LIMIT_BYTES) -> str:
        """Return a body as text of at most ``limit_bytes`` and a note of its size: JSON when it is JSON and fits."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            text, complete = self._beginning(body[: 4 * limit_bytes].decode("utf-8", "replace"), limit_bytes)
            complete = complete and len(body) <= 4 * limit_bytes
        else:
            text, complete = orjson.dumps(self._value(value, _MAX_DEPTH, _Effort())).decode(), True
        encoded = text.encode()
        if complete and len(encoded) <= limit_bytes:
            return text
        return f"{encoded[:limit_bytes].decode('utf-8', 'ignore')}… [cut, {len(body)} bytes in all]"

    def _text(self, text: str) -> str:
        if self._secrets:
            text = self._secrets.sub("[redacted secret]", text)
        return _VALUES.sub(_mask, text)

    def _beginning(self, text: str, limit_chars: int) -> tuple[str, bool]:
        """Return at most the first ``limit_chars`` and whether that is all of the text."""
        if len(text) <= limit_chars:
            return self.text(text), True
        # More is redacted than is kept, lest half of a secret stay behind at the cut.
        redacted = self.text(text[: 2 * limit_chars + _LONGEST_MATCH_CHARS])
        return redacted[: min(limit_chars, max(0, len(redacted) - _LONGEST_MATCH_CHARS))], False

    def _value(self, value: Any, depth: int, effort: "_Effort") -> Any:
        if effort.spent():
            return "[cut]"
        if isinstance(value, str):
            text, complete = self._beginning(value, _STRING_LIMIT_CHARS)
            effort.left_chars -= min(len(value), 2 * _STRING_LIMIT_CHARS)
            return text if complete else f"{text}… [cut]"
        if isinstance(value, dict):
            if depth == 0:
                return "[cut, too deep]"
            return {
                self._beginning(name, _LONGEST_NAME_CHARS)[0]: self._field(name, inner, depth - 1, effort)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._value(inner, depth - 1, effort) for inner in value] if depth else "[cut, too deep]"
        if isinstance(value, int) and not isinstance(value, bool):
            text = str(value)
            masked = self.text(text)
            return value if masked == text else masked
        return value

    def _field(self, name: str, value: Any, depth: int, effort: "_Effort") -> Any:
        if _is_secret_name(name) and value is not None and not isinstance(value, bool):
            return MASK
        return self._value(value, depth, effort)


@dataclass(slots=True)
class _Effort:
    """What may still be spent on one body: bounds the time a hostile one takes."""

    left_chars: int = _EFFORT_CHARS

    def spent(self) -> bool:
        self.left_chars -= _EFFORT_PER_VALUE_CHARS
        return self.left_chars < 0


def _is_secret_name(name: str) -> bool:
    plain = "".join(filter(str.isalnum, name[:_LONGEST_NAME_CHARS].lower()))
    return plain in _SECRET_NAMES or _SECRET_NAME.search(plain) is not None


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    # Longest first: where one secret begins with another, the whole of it goes.
    useful = sorted((text for text in texts if len(text) >= _SHORTEST_SECRET), key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, useful))) if useful else None


def _mask(match: re.Match[str]) -> str:
    found = match[0]
    match match.lastgroup:
        case "named":
            return match["name"] + MASK
        case "card":
            return "[redacted card]" if _passes_luhn(found) else found
        case "bearer" | "basic":
            return f"{found.split(maxsplit=1)[0]} [redacted token]"
        case kind:
            return f"[redacted {kind}]"


def _passes_luhn(text: str) -> bool:
    """Check the digit every payment card number ends with."""
    digits = [int(char) for char in reversed(text) if char.isdecimal()]
    doubled = (digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
