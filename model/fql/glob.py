"""Globs: ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[^…]`` and ``\\x`` for x itself. No character of the text is special.

Matched by keeping the set of all places in the pattern where the text so far may have led, as the bits of one
integer: there is no going back, so the time grows with the length of the text alone.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import accumulate
from operator import xor
from typing import TypeAlias

LIMIT_CHARS = 1024  # of a pattern: bounds the masks
STAR = None
_END = 0x110000  # one past the last character

Ranges: TypeAlias = tuple[tuple[int, int], ...]  # the characters one element takes: [low, high), in order and apart


class _Malformed(ValueError):
    pass


def compile_glob(pattern: str) -> Callable[[str], bool] | None:
    """Return the test for whole texts; None, for nothing matches, when the pattern is malformed or over LIMIT_CHARS."""
    if len(pattern) > LIMIT_CHARS:
        return None
    try:
        elements = list(_elements(pattern))
    except _Malformed:
        return None
    loops = length = 0  # bit n of loops: a star stands behind the first n single characters
    toggles: defaultdict[int, int] = defaultdict(int, {0: 0})
    for element in elements:
        if element is STAR:
            loops |= 1 << length
        else:
            for low, high in element:
                toggles[low] ^= 1 << length
                toggles[high] ^= 1 << length
            length += 1
    starts = sorted(toggles)
    masks = list(accumulate((toggles[start] for start in starts), xor))  # bit n: the element n takes this character
    end = 1 << length
    anything_else = end & loops

    def matches(text: str) -> bool:
        reached = 1
        for char in text:
            if reached & anything_else:
                return True
            taking = masks[bisect_right(starts, ord(char)) - 1]
            reached = (reached & taking) << 1 | reached & loops
            if not reached:
                return False
        return reached & end != 0

    return matches


def _elements(pattern: str) -> Iterator[Ranges | None]:
    """Yield what each element of a pattern takes; STAR for any text."""
    at = 0
    while at < len(pattern):
        match pattern[at]:
            case "*":
                yield STAR
                at += 1
            case "?":
                yield ((0, _END),)
                at += 1
            case "[":
                ranges, at = _read_class(pattern, at + 1)
                yield ranges
            case _:
                code, at = _read_character(pattern, at)
                yield ((code, code + 1),)


def _read_class(pattern: str, at: int) -> tuple[Ranges, int]:
    """Read on behind the ``[``; return also the place behind the ``]``."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[int, int]] = []
    while not (ranges and pattern.startswith("]", at)):
        if pattern.startswith(("-", "]"), at):
            raise _Malformed
        low, at = _read_character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            if pattern.startswith(("-", "]"), at + 1):
                raise _Malformed
            high, at = _read_character(pattern, at + 1)
        ranges.append((low, high + 1))
    merged = _merge(ranges)
    return (_others(merged) if negated else merged), at + 1


def _read_character(pattern: str, at: int) -> tuple[int, int]:
    at += pattern.startswith("\\", at)
    if at >= len(pattern):
        raise _Malformed
    return ord(pattern[at]), at + 1


def _merge(ranges: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        elif low < high:
            merged.append((low, high))
    return tuple(merged)


def _others(ranges: Ranges) -> Ranges:
    lows = [0, *(high for _, high in ranges)]
    highs = [*(low for low, _ in ranges), _END]
    return tuple((low, high) for low, high in zip(lows, highs, strict=True) if low < high)
