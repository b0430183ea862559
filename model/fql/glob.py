"""Globs: ``*``, ``?``, ``[abc]``, ``[a-z]``, ``[^…]`` and ``\\x`` for x itself. No character of the text is special.

A glob is translated to an RE2 expression, so the time of a match grows with the length of the text alone.
"""

from collections.abc import Callable, Iterator

import re2  # type: ignore[import-untyped]

LIMIT_CHARS = 1024  # of a pattern: bounds the compiled expression
_NOTHING = r"[^\x{0}-\x{10FFFF}]"


class _Malformed(ValueError):
    pass


def compile_glob(pattern: str) -> Callable[[str], bool] | None:
    """Return the test for whole texts; None, for nothing matches, when the pattern is malformed or over LIMIT_CHARS."""
    if len(pattern) > LIMIT_CHARS:
        return None
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile("(?s:" + "".join(_expressions(pattern)) + ")", options)
    except _Malformed:
        return None

    def matches(text: str) -> bool:
        # A text may hold a lone surrogate, which RE2 takes as the three bytes it would have in UTF-8.
        return compiled.fullmatch(text.encode("utf-8", "surrogatepass")) is not None

    return matches


def _expressions(pattern: str) -> Iterator[str]:
    """Yield the RE2 expression of each element of a glob."""
    at = 0
    while at < len(pattern):
        match pattern[at]:
            case "*":
                yield ".*"
                at += 1
            case "?":
                yield "."
                at += 1
            case "[":
                expression, at = _read_class(pattern, at + 1)
                yield expression
            case _:
                code, at = _read_character(pattern, at)
                yield rf"\x{{{code:x}}}"


def _read_class(pattern: str, at: int) -> tuple[str, int]:
    """Translate a class from behind its ``[``; return also the place behind its ``]``."""
    negated = pattern.startswith("^", at)
    start = at = at + negated
    ranges = ""  # a range that runs backwards, such as c-a, holds no character
    while at == start or not pattern.startswith("]", at):
        if pattern.startswith(("-", "]"), at):
            raise _Malformed
        low, at = _read_character(pattern, at)
        high = low
        if pattern.startswith("-", at):
            if pattern.startswith(("-", "]"), at + 1):
                raise _Malformed
            high, at = _read_character(pattern, at + 1)
        if low <= high:
            ranges += rf"\x{{{low:x}}}-\x{{{high:x}}}"
    if not ranges:
        return ("." if negated else _NOTHING), at + 1
    return f"[{'^' if negated else ''}{ranges}]", at + 1


def _read_character(pattern: str, at: int) -> tuple[int, int]:
    at += pattern.startswith("\\", at)
    if at >= len(pattern):
        raise _Malformed
    return ord(pattern[at]), at + 1
