"""Redaction of payloads for samples, messages and logs. Deterministic.

Four layers: the workspace's secrets anywhere in the text; fields with a secret name; values that match the workspace's
patterns; and values that look like an e-mail address, a card number or a token. Everything else stays.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import orjson

from model.config.patterns import compile_pattern
from model.redaction.detectors import (
    LONGEST_MATCH_CHARS,
    LONGEST_NAME_CHARS,
    MASK,
    is_secret_name,
    mask_named,
    mask_values,
    plain_name,
)

LIMIT_BYTES = 8 * 1024
_HEADER_LIMIT_CHARS = 1024
_SHORTEST_SECRET_CHARS = 4  # shorter ones would match everywhere
_SHORTEST_BASE64_CHARS = 8
_PERCENT_ENCODED = 3  # times as long
_DECODINGS = 2  # percent-encoding of what was percent-encoded already
_ESCAPED = frozenset('"\\/')
_ESCAPES = 15  # backslashes before one character: JSON in a text of JSON, four deep
_STRING_LIMIT_CHARS = 4 * 1024
_UTF8_BYTES = 4  # of one character at most
_MAX_DEPTH = 32
_EFFORT_CHARS = 32 * 1024  # of one body; each value counts as some
_EFFORT_PER_VALUE_CHARS = 8
_CACHED_TEXT_CHARS = 512
_CACHED_NAMES = 4_096


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What a workspace masks in addition to the built-in rules.

    ``headers``: names, case does not matter. ``keys``: names of fields and parameters of which only letters and digits
    count, case aside, with ``*`` for any number of them. ``values``: RE2 patterns; a match is masked. Patterns that
    cannot be compiled make `Redactor` raise ValueError; `model.workspace.settings` refuses them with a place.
    """

    headers: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    values: tuple[str, ...] = ()


class Redactor:
    """Masks texts, headers and bodies. ``secrets``: values to find in any encoding."""

    def __init__(self, secrets: frozenset[str] = frozenset(), rules: RedactionRules = RedactionRules()) -> None:
        forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET_CHARS for form in _forms(secret)}
        self._secrets = _any_of(forms)
        # More of a long text is masked than kept, so that the cut cannot leave half a secret.
        self._margin_chars = max([LONGEST_MATCH_CHARS, *(_PERCENT_ENCODED * _longest_chars(form) for form in forms)])
        self._headers = frozenset(name.lower() for name in rules.headers)
        # Letters and digits of a plain name mean themselves.
        self._keys = [compile_pattern(".*".join(map(plain_name, key.split("*")))) for key in rules.keys]
        self._values = [compile_pattern(pattern) for pattern in rules.values]
        self._is_secret_name = lru_cache(maxsize=_CACHED_NAMES)(self._decide_name)
        # In a storm of failures the same few messages repeat thousands of times.
        self._short_text = lru_cache(maxsize=2_048)(self._text)

    def text(self, text: str, limit_chars: int = LIMIT_BYTES) -> str:
        """Return a text (a message, a URL) with everything secret or personal in it masked.

        At most ``limit_chars``, then a note of how long it was.
        """
        shown, complete = self._beginning(text, limit_chars)
        return shown if complete else f"{shown}… [cut, {len(text)} characters in all]"

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers: values of secret names masked whole, the others redacted as text.

        At most 1 KB of each and 8 KB in all, then a note of how many there were.
        """
        shown: dict[str, str] = {}
        left_chars = LIMIT_BYTES
        for name, value in headers.items():
            if left_chars <= 0:
                shown["…"] = f"[cut, {len(headers)} headers in all]"
                break
            hidden = name.lower() in self._headers or self._is_secret_name(name)
            text = MASK if hidden else self.text(value, _HEADER_LIMIT_CHARS)
            shown[self.text(name, LONGEST_NAME_CHARS)] = text
            left_chars -= min(len(name), LONGEST_NAME_CHARS) + len(text)
        return shown

    def json_bytes(self, body: bytes, limit_bytes: int = LIMIT_BYTES) -> str:
        """Return a body as text of at most ``limit_bytes`` and a note of its size: JSON when it is JSON and fits."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            read_bytes = _UTF8_BYTES * (self._window_chars(limit_bytes) + 1)
            text, complete = self._beginning(body[:read_bytes].decode("utf-8", "replace"), limit_bytes)
        else:
            text, complete = orjson.dumps(self._value(value, _MAX_DEPTH, _Effort())).decode(), True
        encoded = text.encode()
        if complete and len(encoded) <= limit_bytes:
            return text
        return f"{encoded[:limit_bytes].decode('utf-8', 'ignore')}… [cut, {len(body)} bytes in all]"

    def _text(self, text: str) -> str:
        if not text.isascii():
            text = text.encode("utf-8", "replace").decode()  # lone surrogates could be neither searched nor written
        masked = decoded = self._masked(text)
        # Percent-encoded text is shown decoded if something in it was masked, else unchanged.
        for _ in range(_DECODINGS):
            before, decoded = decoded, unquote(decoded)
            if decoded == before:
                break
            again = self._masked(decoded)
            if again != decoded:
                masked = decoded = again
        return masked

    def _masked(self, text: str) -> str:
        if self._secrets:
            text = self._secrets.sub("[redacted secret]", text)
        text = mask_named(text, self._is_secret_name)
        for pattern in self._values:
            text = pattern.sub(lambda found: MASK if found[0] else "", text)
        return mask_values(text)

    def _beginning(self, text: str, limit_chars: int) -> tuple[str, bool]:
        """Return at most the first ``limit_chars``, masked, and whether that is all of the text."""
        if len(text) <= limit_chars:
            return self._short_text(text) if len(text) <= _CACHED_TEXT_CHARS else self._text(text), True
        window_chars = self._window_chars(limit_chars)
        masked = self._text(text[:window_chars])
        sound_chars = len(masked) - (self._margin_chars if len(text) > window_chars else 0)
        return masked[: max(0, min(limit_chars, sound_chars))], False

    def _window_chars(self, limit_chars: int) -> int:
        """How much of a long text is masked: twice the limit, because masking usually shortens it."""
        return 2 * limit_chars + self._margin_chars

    def _value(self, value: Any, depth: int, effort: "_Effort") -> Any:
        if effort.spent():
            return "[cut]"
        if isinstance(value, str):
            text, complete = self._beginning(value, _STRING_LIMIT_CHARS)
            effort.left_chars -= min(len(value), self._window_chars(_STRING_LIMIT_CHARS))
            return text if complete else f"{text}… [cut]"
        if isinstance(value, dict):
            if depth == 0:
                return "[cut, too deep]"
            return {
                self._beginning(name, LONGEST_NAME_CHARS)[0]: self._field(name, inner, depth - 1, effort)
                for name, inner in value.items()
            }
        if isinstance(value, list):
            return [self._value(inner, depth - 1, effort) for inner in value] if depth else "[cut, too deep]"
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
            masked = self._short_text(text)
            return value if masked == text else masked
        return value

    def _field(self, name: str, value: Any, depth: int, effort: "_Effort") -> Any:
        if value is not None and not isinstance(value, bool) and self._is_secret_name(name):
            return MASK
        return self._value(value, depth, effort)

    def _decide_name(self, name: str) -> bool:
        return is_secret_name(name) or any(key.fullmatch(plain_name(name)) for key in self._keys)


@dataclass(slots=True)
class _Effort:
    """The remaining effort for one body: limits the time that a hostile one takes."""

    left_chars: int = _EFFORT_CHARS

    def spent(self) -> bool:
        self.left_chars -= _EFFORT_PER_VALUE_CHARS
        return self.left_chars < 0


def _forms(secret: str) -> set[str]:
    """The encodings of a secret: plain, in JSON within text, and in Base64 at any alignment.

    Percent-encoding is decoded before. `_any_of` accepts additional backslashes.
    """
    secret = secret.encode("utf-8", "replace").decode()
    forms = {secret, orjson.dumps(secret).decode()[1:-1], json.dumps(secret)[1:-1]}  # the last one in ASCII
    for offset, dirty_chars in enumerate((0, 2, 3)):  # first and last characters also contain bits of the neighbours
        raw = bytes(offset) + secret.encode()
        encoded = b64encode(raw).decode()[dirty_chars : len(raw) * 8 // 6]
        if len(encoded) >= _SHORTEST_BASE64_CHARS:
            forms |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return forms


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    # Longest first: where one secret is a prefix of another, the longer one is masked.
    ordered = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile("|".join(map(_escaped_or_not, ordered))) if ordered else None


def _escaped_or_not(form: str) -> str:
    """A pattern for a text in which JSON may have been put into JSON any number of times."""
    return "".join(rf"\\{{0,{_ESCAPES}}}{re.escape(char)}" if char in _ESCAPED else re.escape(char) for char in form)


def _longest_chars(form: str) -> int:
    return len(form) + _ESCAPES * sum(char in _ESCAPED for char in form)
