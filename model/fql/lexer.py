"""FQL text to tokens.

Strings have no escapes, because the backslash belongs to globs (``'50\\*'``); the quote itself is written twice
(``'it''s'``). In paths a backslash escapes any character: ``properties.first\\ name``.
"""

import re
from typing import NamedTuple

from model.config.problems import quoted
from model.fql.syntax import KEYWORDS, FqlInvalid, TextPosition

TEXT_LIMIT_BYTES = 5 * 1024
NUMBER_LIMIT_CHARS = 64

# Possessive quantifiers: a string is never shortened to match the rest.
_TOKEN = re.compile(
    r"""
    (?P<SPACE>  [ \t\r\n]+ )
  | (?P<PATH>   (?: [A-Za-z_] | \\. ) (?: [A-Za-z0-9_-] | \\. )*+ (?: \. (?: [A-Za-z0-9_-] | \\. )++ )*+ )
  | (?P<NUMBER> [+-]? [0-9]++ (?: \. [0-9]++ )?+ (?: [eE] [+-]? [0-9]++ )?+ )
  | (?P<STRING> " (?: [^"] | "" )*+ " | ' (?: [^'] | '' )*+ ' )
  | (?P<SYMBOL> == | != | <= | >= | [=<>!(),\[\]] )
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME_CHARACTER = re.compile(r"[A-Za-z0-9_.\\-]")


class Token(NamedTuple):
    """A piece of the text as written: quotes and backslashes included, so that no path or string reads as a symbol."""

    kind: str  # PATH, NUMBER, STRING, SYMBOL, KEYWORD or END
    text: str
    at: TextPosition


def tokens(text: str) -> list[Token]:
    """Split a text of at most TEXT_LIMIT_BYTES; the last token is END. Raises FqlInvalid."""
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_LIMIT_BYTES:
        message = f"the statement is longer than {TEXT_LIMIT_BYTES} bytes"
        raise FqlInvalid(message, "Split it into several filters or mappings", 1, 1)
    found: list[Token] = []
    offset = 0
    while offset < len(text):
        at = _position(text, offset)
        match = _TOKEN.match(text, offset)
        if match is None:
            raise _unreadable(text[offset], at)
        offset, kind = match.end(), str(match.lastgroup)
        if kind == "NUMBER" and _NAME_CHARACTER.match(text, offset):
            message = f"{quoted(text[offset])} stands right behind a number"
            remedy = "End the number there; put a backslash before a name that begins with a digit"
            raise FqlInvalid(message, remedy, *at)
        if kind == "PATH" and text.startswith((".", "\\"), offset):
            raise FqlInvalid("a path ends in the middle", "Write a field name after the dot or backslash", *at)
        if kind != "SPACE":
            found.append(Token("KEYWORD" if match[0] in KEYWORDS else kind, match[0], at))
    return [*found, Token("END", "", _position(text, offset))]


def _position(text: str, offset: int) -> TextPosition:
    return TextPosition(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _unreadable(char: str, at: TextPosition) -> FqlInvalid:
    if char in "'\"":
        return FqlInvalid("this string has no end", f"Close it with {char}; write {char * 2} for a quote inside", *at)
    if char in "&|":
        return FqlInvalid(f"{quoted(char)} joins nothing here", "Write and, or", *at)
    remedy = "In a field name put a backslash before it; put texts between quotes"
    return FqlInvalid(f"{quoted(char)} has no meaning here", remedy, *at)
