"""Finds write keys and messageIds in a request that cannot be parsed, so that its events can be traced."""

import re
from dataclasses import dataclass, field

from model.events.validation import CALL_TYPES

_OVERLAP_BYTES = 600  # longer than any member searched for, so that one cut by the end of a chunk is found
_TEXT = rb'\s*:\s*"([^"\\\x00-\x1f]{1,400})"'
_MESSAGE_ID = re.compile(rb'"messageId"' + _TEXT)
_WRITE_KEY = re.compile(rb'"writeKey"' + _TEXT)
_TYPE = re.compile(rb'"type"' + _TEXT)
_WRITE_KEYS = 10


@dataclass(slots=True)
class Salvage:
    """Distinct messageIds (at most ``max_ids``) and write keys, in order, of bytes that arrive in pieces."""

    max_ids: int
    _ids: dict[str, None] = field(default_factory=dict)
    _keys: dict[str, None] = field(default_factory=dict)
    _tail: bytes = b""

    def feed(self, piece: bytes) -> None:
        """Search the next bytes."""
        text = self._tail + piece
        for match in _MESSAGE_ID.finditer(text):
            if len(self._ids) >= self.max_ids:
                break
            self._ids[_decoded(match)] = None
        for match in _WRITE_KEY.finditer(text):
            if len(self._keys) >= _WRITE_KEYS:
                break
            self._keys[_decoded(match)] = None
        self._tail = text[-_OVERLAP_BYTES:]

    @property
    def message_ids(self) -> list[str]:
        """The messageIds of the events."""
        return list(self._ids)

    @property
    def write_keys(self) -> list[str]:
        """Candidates for the write key."""
        return list(self._keys)


def salvaged_fields(item: bytes) -> dict[str, str]:
    """Return messageId, writeKey and type of an item that is not JSON, as far as they are found."""
    found = {"messageId": _MESSAGE_ID.search(item), "writeKey": _WRITE_KEY.search(item)}
    fields = {name: _decoded(match) for name, match in found.items() if match}
    types = [text for text in map(_decoded, _TYPE.finditer(item)) if text in CALL_TYPES]
    return fields | ({"type": types[0]} if types else {})


def _decoded(match: re.Match[bytes]) -> str:
    return match[1].decode("utf-8", "replace")
