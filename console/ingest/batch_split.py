"""Finds the items of a batch whose body is not valid JSON, so that one bad item does not reject its neighbours.

A scanner, not a parser: it pairs brackets outside strings, without recursion, so nesting is cheap. Where brackets do
not pair, it recovers: a closer without an opener is text, a closer with unclosed openers of the other kind above its
own closes those too, and one that would end the batch inside an unclosed item does so only where the rest of a batch
follows. The end of the body closes everything. The pieces between are then parsed one by one.
"""

import re
from collections import Counter
from dataclasses import dataclass

_OBJECT = re.compile(rb"\s*\{")
_MEMBER = re.compile(rb'[\s,]*"((?:[^"\\]|\\.)*+)"\s*:\s*', re.DOTALL)
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\],]', re.DOTALL)
_REST_OF_BATCH = re.compile(rb'\s*(?:\}?\s*\Z|,\s*"(?:sentAt|writeKey|context|integrations)"\s*:)')
_OPENER = {ord("}"): ord("{"), ord("]"): ord("[")}
_QUOTE, _COMMA = ord('"'), ord(",")
_OPENERS = frozenset(_OPENER.values())


class NotABatch(ValueError):
    """The body is not an object with an array named `batch`."""


@dataclass(frozen=True, slots=True)
class SplitBatch:
    """The raw items in order, and the raw values of the other members."""

    items: list[bytes]
    members: dict[str, bytes]


def split_batch(body: bytes, *, max_items: int) -> SplitBatch:
    """Split ``{"batch": [...], ...}``. Stops at ``max_items`` + 1 items: the caller refuses those anyway.

    Raises `NotABatch`.
    """
    opening = _OBJECT.match(body)
    items: list[bytes] | None = None
    members: dict[str, bytes] = {}
    position = opening.end() if opening else len(body)
    while member := _MEMBER.match(body, position):
        position = member.end()
        if member[1] == b"batch" and body[position : position + 1] == b"[":
            items, position = _array(body, position + 1, max_items)
            if len(items) > max_items:
                break
        else:
            piece, position = _piece(body, position, ord("}"))
            members[member[1].decode("utf-8", "replace")] = piece
    if items is None:
        raise NotABatch("no array `batch`")
    return SplitBatch(items, members)


def _array(body: bytes, start: int, max_items: int) -> tuple[list[bytes], int]:
    """Return the items of the array whose first one starts at ``start``, and where it ends (after its bracket)."""
    items: list[bytes] = []
    position = start
    while len(items) <= max_items:
        piece, end = _piece(body, position, ord("]"))
        ended_by_comma = body[end : end + 1] == b","
        if piece or items or ended_by_comma:
            items.append(piece)
        position = end + 1
        if not ended_by_comma:
            break
    return items, position


def _piece(body: bytes, start: int, closer: int) -> tuple[bytes, int]:
    """Return the value from ``start`` to the comma or ``closer`` that ends it (or the end of the body), and where."""
    unclosed = bytearray()
    count: Counter[int] = Counter()
    end = len(body)
    for token in _TOKEN.finditer(body, start):
        character = body[token.start()]
        if character == _QUOTE:
            continue
        if character in _OPENERS:
            unclosed.append(character)
            count[character] += 1
        elif character == _COMMA:
            if not unclosed:
                end = token.start()
                break
        elif count[_OPENER[character]]:
            _close(unclosed, count, _OPENER[character])
        elif character == closer and (not unclosed or _REST_OF_BATCH.match(body, token.end())):
            end = token.start()
            break
    return body[start:end].strip(), end


def _close(unclosed: bytearray, count: Counter[int], opener: int) -> None:
    while True:
        popped = unclosed.pop()
        count[popped] -= 1
        if popped == opener:
            return
