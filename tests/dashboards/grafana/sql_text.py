"""Where comments, literals and brackets of SQL begin and end, in the eyes of the plugin's backend.

It takes a doubled quote as part of a literal, but not, as ClickHouse does, a quote after a backslash.
"""

import re

_QUOTES = "'\""
_DOLLAR_TAG = re.compile(r"\$\w*\$", re.ASCII)


def without_comments(sql: str) -> str:
    """Blank ``--`` and ``/* */`` comments."""
    out: list[str] = []
    at = 0
    while at < len(sql):
        end = at + 1
        if sql[at] in "'\"`":
            end = after_literal(sql, at)
        elif sql[at] == "$" and (tag := _DOLLAR_TAG.match(sql, at)):
            close = sql.find(tag[0], tag.end())
            end = close + len(tag[0]) if close >= 0 else at + 1
        elif sql.startswith("--", at):
            lines = [found for sign in "\r\n" if (found := sql.find(sign, at)) >= 0]
            end = min(lines, default=len(sql))
            out.append(" " * (end - at))
            at = end
            continue
        elif sql.startswith("/*", at):
            close = sql.find("*/", at + 2)
            end = close + 2 if close >= 0 else len(sql)
            out.append(" " * (end - at))
            at = end
            continue
        out.append(sql[at:end])
        at = end
    return "".join(out)


def after_literal(text: str, at: int) -> int:
    """Where the literal that opens here is over; a doubled quote is part of it, an open one takes the rest."""
    quote = text[at]
    at += 1
    while (at := text.find(quote, at)) >= 0:
        if not text.startswith(quote, at + 1):
            return at + 1
        at += 2
    return len(text)


def closing_bracket(text: str, at: int) -> int | None:
    """Where the bracket that opens here closes, outside literals; None if it stays open."""
    depth = 0
    while at < len(text):
        if text[at] in _QUOTES:
            at = after_literal(text, at)
            continue
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at
        at += 1
    return None


def split_arguments(inside: str) -> list[str]:
    """Split at the commas outside brackets and literals."""
    if not inside:
        return []
    arguments, depth, start, at = [], 0, 0, 0
    while at < len(inside):
        if inside[at] in _QUOTES:
            at = after_literal(inside, at)
            continue
        depth += {"(": 1, ")": -1}.get(inside[at], 0)
        if inside[at] == "," and depth == 0:
            arguments.append(inside[start:at].strip())
            start = at + 1
        at += 1
    return [*arguments, inside[start:].strip()]
