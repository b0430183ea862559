"""Random triggers and events, of the forms Segment's own engine reads without its known limits.

Drawn by plain `random`: hypothesis takes a hundred times longer. The shortest case that differs is shown.
"""

from random import Random
from typing import Any

TEXTS = ["track", "page", "Order Completed", "Order", "u1", "5", "true", "null", "", "ab", "A b", "é", "it's"]
NUMBERS = ["5", "0", "-1", "4.5", "+5", "05", "5.0", "100000"]
PLACES = ["a", "b", "list", "list.length", r"first\ name", "a.b", "a.length", "b.c.d", r"list\[0\]", r"list\[1\].k"]
NAMES = ["a", "b", "c", "d", "list", "first name", "k", "length"]
SCALARS = [*TEXTS, 5, 0, -1, 4.5, 100_000, True, False, None]


def value(draw: Random, levels: int = 3) -> Any:
    """Any JSON value."""
    shape = draw.random() if levels else 0
    if shape < 0.6:
        return draw.choice(SCALARS)
    if shape < 0.75:
        return [value(draw, levels - 1) for _ in range(draw.randrange(4))]
    return {name: value(draw, levels - 1) for name in draw.sample(NAMES, draw.randrange(5))}


def event(draw: Random) -> dict[str, Any]:
    """An event with any of the fields triggers know."""
    fields: dict[str, Any] = {
        "type": draw.choice(["track", "page", draw.choice(SCALARS)]),
        "event": draw.choice(SCALARS),
        "name": draw.choice(SCALARS),
        "userId": draw.choice(SCALARS),
        "properties": value(draw),
        "traits": {name: value(draw, 2) for name in draw.sample(NAMES, 5)},
        "context": value(draw),
    }
    return {name: fields[name] for name in fields if draw.random() < 0.8}


def trigger(draw: Random) -> str:
    """Conditions and groups of conditions; no calls in groups, of which Segment takes the first ``)`` for the end."""
    parts = [
        f"({_joined(draw, [_comparison(draw) for _ in range(draw.randint(1, 3))])})"
        if draw.random() < 0.2
        else draw.choice([_comparison, _comparison, _call])(draw)
        for _ in range(draw.randint(1, 3))
    ]
    return _joined(draw, parts)


def _joined(draw: Random, parts: list[str]) -> str:
    return f" {draw.choice(['and', 'or', 'AND', 'And'])} ".join(parts)


def _comparison(draw: Random) -> str:
    flat = draw.random() < 0.4
    field = draw.choice(["type", "event", "name", "userId"]) if flat else _inside(draw)
    text, number, word = f'"{draw.choice(TEXTS)}"', draw.choice(NUMBERS), draw.choice(["track", "u1", "Order", "TRUE"])
    sign = draw.choice(["=", "=", "!=", "<", "<=", ">", ">="])
    if sign == "=":
        right = draw.choice([text, text, number, word, "null", "true", "false"])
        return draw.choice(["{}={}", "{} = {}", "{} =\n{}"]).format(field, right)
    if sign == "!=":
        right = draw.choice([text, number, word, "null"] + ["true", "false"] * flat)
    else:
        right = number
    return f"{field} {sign} {right}"


def _call(draw: Random) -> str:
    field = draw.choice(["event", "name", "userId", _inside(draw)])
    function, text = draw.choice(
        [("contains", draw.choice(TEXTS)), ("match", draw.choice(["*", "Order*", "*Completed", "tr*", "*5"]))]
    )
    return f'{draw.choice(["", "!"])}{function}({field},{draw.choice(["", " "])}"{text}")'


def _inside(draw: Random) -> str:
    return f"{draw.choice(['properties', 'traits', 'context'])}.{draw.choice(PLACES)}"
