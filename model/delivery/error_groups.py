"""Error groups: failures whose messages differ only in ids, numbers and the like share one name.

The name is a template of the message that came first. Pure: the same messages in the same order, with a snapshot in
between or not, get the same names.
"""

import re
from collections import OrderedDict
from functools import lru_cache
from typing import Any, NamedTuple

from model.durations import DAY_MS
from model.http.failure import MESSAGE_LIMIT_CHARS

OTHER = "other"
GROUPS_PER_DAY = 20  # of one connection
MAX_CONNECTIONS = 256  # of one `ErrorGroups`: bounds memory and the snapshot
SIMILAR_FROM = 0.6
_KNOWN_MESSAGES = 2_048

# One pass over the text; the group that matched names the placeholder. That a template is its own template rests on
# three rules: no alternative matches '<' or '>', none begins right after a placeholder, and what made one fail is still
# there after masking. That it is linear rests on possessive or bounded repetitions that begin at word boundaries only.
_VARIABLE = re.compile(
    r"""
    (?<![\w>]) (?:
      (?P<key>    (?:(?<=[{,])|(?<=[{,][ ])) "[^"<>]*+" (?=[ ]?:) )
    | (?P<value>  (?: "[^"<>]*+" | '[^'<>]*+' | `[^`<>]*+` | “[^“”<>]*+” ) (?![\w<]) )
    | (?P<url>    (?i:https?)://
                  (?: [.,:;!?)\]}]*+ (?: \[redacted(?:[ ][a-z]{1,20})?\] | [^\s"'`<>.,:;!?)\]}[]++ | \[ ) )*+ )
    | (?P<email>  [\w.+-]{1,64}+ @ (?:[\w-]{1,63}\.){1,8} [^\W\d_]{2,24} \w*+ )
    | (?P<time>   \d{4}-\d\d-\d\d (?: [T ] \d\d:\d\d (?: :\d\d (?:[.,]\d{1,9})? )? (?: Z | [+-]\d\d:?\d\d )? )?
                | (?: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},?[ ] )?
                  \d{1,2}[ -](?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}[ -]\d{2,4}
                  (?: [ ]\d\d:\d\d (?: :\d\d )? )? (?: [ ](?:GMT|UTC) )? )
    | (?P<id>     [0-9A-Fa-f]{8} (?:-[0-9A-Fa-f]{4}){3} - [0-9A-Fa-f]{12} \w*+
                | (?<!-) (?: [A-Za-z0-9]++ [_-]++ )*?
                  (?: (?=[A-Za-z0-9]{8}) [A-Za-z]*+ \d++ [A-Za-z]++ \d | (?=[A-Za-z0-9]{16}) [A-Za-z]*+ \d )
                  [A-Za-z0-9]*+ (?: [_-]++ [A-Za-z0-9]++ )*+ )
    | (?P<number> 0x[0-9A-Fa-f]++ | \d++ (?:[.,:]\d++)*+ )
    )
    """,
    re.VERBOSE,
)


def template(message: str) -> str:
    """Replace what varies between messages about the same failure by <id>, <number>, <time>, <url>, <email>, <value>.

    A value is anything in quotes, except for the names in JSON. An id is a UUID, or a word in which letters and digits
    alternate (8 characters and more) or which is long and has a digit (16 and more).
    """
    return _VARIABLE.sub(lambda found: found[0] if found.lastgroup == "key" else f"<{found.lastgroup}>", message)


class _Group(NamedTuple):
    code: str
    name: str
    tokens: tuple[str, ...]


class ErrorGroups:
    """The groups of the current UTC day, by connection; earlier times count to the current day.

    A message joins the first similar group of its code: their templates have as many tokens, and at least
    60 % of them are equal, position by position, as in the log parser Drain. The first and not the most similar,
    so that later groups do not move a message. A connection gets at most 20 groups a day, in order of arrival.
    When over 256 connections fail on one day, the least recently failing one is dropped and may start 20 new groups.
    """

    def __init__(self) -> None:
        self._day = -1
        self._connections: OrderedDict[tuple[str, str], list[_Group]] = OrderedDict()
        # A failing destination repeats the same message thousands of times; results stay valid until groups are
        # dropped.
        self._known = lru_cache(maxsize=_KNOWN_MESSAGES)(self._name)

    def group(self, source: str, destination: str, code: str, message: str, at_ms: int) -> str:
        """Return the name of the message's group: its template, `OTHER` past 20 groups, '' when there is no message.

        Names are at most 300 characters long. ``message`` is redacted already; '' is a group of its own for each code
        and counts for none of the 20.
        """
        if not message.strip():
            return ""
        day = at_ms // DAY_MS
        if day > self._day:
            self._day = day
            self._connections.clear()
            self._known.cache_clear()
        connection = source, destination
        if connection in self._connections:
            self._connections.move_to_end(connection)
        else:
            self._connections[connection] = []
            if len(self._connections) > MAX_CONNECTIONS:
                self._connections.popitem(last=False)
                self._known.cache_clear()
        return self._known(connection, code, message)

    def _name(self, connection: tuple[str, str], code: str, message: str) -> str:
        groups = self._connections[connection]
        name = _cut(" ".join(template(message).split()))
        tokens = tuple(name.split())
        for group in groups:
            if group.code == code and _similar(group.tokens, tokens):
                return group.name
        if len(groups) >= GROUPS_PER_DAY:
            return OTHER
        groups.append(_Group(code, name, tokens))
        return name

    def to_state(self) -> dict[str, Any]:
        """Return plain JSON values for a snapshot."""
        return {
            "day": self._day,
            "connections": [
                [source, destination, [[group.code, group.name] for group in groups]]
                for (source, destination), groups in self._connections.items()
            ],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any] | None) -> "ErrorGroups":
        """Restore from `to_state`; None when there is no snapshot yet."""
        groups = cls()
        if state is not None:
            groups._day = state["day"]
            for source, destination, names in state["connections"]:
                restored = [_Group(code, name, tuple(name.split())) for code, name in names]
                groups._connections[source, destination] = restored
        return groups


def _similar(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return len(one) == len(other) and sum(map(str.__eq__, one, other)) >= SIMILAR_FROM * len(one)


def _cut(name: str) -> str:
    return name if len(name) <= MESSAGE_LIMIT_CHARS else name[: MESSAGE_LIMIT_CHARS - 1] + "…"
