"""Random filter actions of the forms tsub carries out as Segment documents them, and events to carry them out on.

What it does differently is in `test_actions`: lists on the way, lists in lists, moves of 0, '' and false.
"""

from random import Random
from typing import Any

from model.fql.actions import AllowProperties, Drop, DropProperties, FilterAction, MapProperties, SampleEvents
from model.fql.field_edits import FieldChange
from model.mapping.values import MISSING
from tests.differential.fql_cases import SCALARS
from tests.kit.filter_actions import (
    allow_properties,
    drop,
    drop_properties,
    field_change,
    map_properties,
    sample_events,
)

NAMES = ["a", "b", "c", "first name"]
OBJECTS = ["", "properties", "traits", "properties.a", "properties.a.b", "traits.b", "missing", "userId"]
LISTS = ["properties.list", "traits.list", "properties.a.list", "properties.list.0", "properties.list.1"]
FIELDS = ["userId", "new", *(f"{path}.{name}" for path in OBJECTS if path for name in NAMES), "properties.list.0.a"]


def event(draw: Random) -> dict[str, Any]:
    """An event in which lists stand under the name `list` alone, and hold no lists."""
    return {
        "userId": draw.choice(SCALARS),
        "properties": _object(draw, 3),
        "traits": _object(draw, 2) if draw.random() < 0.8 else draw.choice(["", 1, "x"]),
    }


def actions(draw: Random) -> list[FilterAction]:
    """One action of each kind at most, in the order they are carried out."""
    kinds: list[FilterAction] = [
        sample_events(draw.choice([0, 1, 1, 1, 1, 1])),
        drop_properties(_names(draw)),
        allow_properties(_names(draw)),
        map_properties(_changes(draw)),
    ]
    chosen = [action for action in kinds if draw.random() < 0.5]
    return [drop()] if draw.random() < 0.02 else chosen


def transformer(action: FilterAction) -> dict[str, Any]:
    """An action as tsub takes it."""
    match action:
        case Drop():
            return {"type": "drop"}
        case SampleEvents(percent=percent, path=path):
            return {"type": "sample_event", "config": {"sample": {"percent": percent, "path": path or ""}}}
        case DropProperties(fields=fields):
            return {"type": "drop_properties", "config": {"drop": fields}}
        case AllowProperties(fields=fields):
            return {"type": "allow_properties", "config": {"allow": fields}}
        case MapProperties(map=changes):
            return {"type": "map_properties", "config": {"map": {path: _change(changes[path]) for path in changes}}}


def _change(change: FieldChange) -> dict[str, Any]:
    given = {"set": change.value, "copy": change.copy_from or MISSING, "move": change.move_from or MISSING}
    named: dict[str, Any] = {name: value for name, value in given.items() if value is not MISSING}
    return {**named, "to_string": True} if change.to_string else named


def _object(draw: Random, levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in draw.sample(NAMES, draw.randrange(5)):
        made[name] = _object(draw, levels - 1) if levels and draw.random() < 0.5 else draw.choice(SCALARS)
    if draw.random() < 0.5:
        made["list"] = [
            _object(draw, 0) if draw.random() < 0.6 else draw.choice(SCALARS) for _ in range(draw.randrange(4))
        ]
    return made


def _names(draw: Random) -> dict[str, tuple[str, ...]]:
    paths = draw.sample([*OBJECTS, *LISTS], draw.randint(1, 3))
    known = [*NAMES, "list", "properties", "userId"]
    return {path: tuple(draw.sample(known, draw.randint(1, 4))) for path in paths}


def _changes(draw: Random) -> dict[str, FieldChange]:
    """Changes of which none touches what another writes or moves: what tsub makes of those depends on their order."""
    changes: dict[str, FieldChange] = {}
    taken: list[str] = []
    for path in draw.sample(FIELDS, draw.randint(1, 4)):
        source, to_string = draw.choice(FIELDS), draw.random() < 0.4
        change = draw.choice(
            [
                field_change(draw.choice([*SCALARS, {"x": 1}, [1]]), to_string=to_string),
                field_change(copy=source, to_string=to_string),
                field_change(move=source, to_string=to_string),
                field_change(to_string=True),
            ]
        )
        touched = [path] if change.move_from is None else [path, change.move_from]
        if len(touched) == 2 and _overlap(*touched) or any(_overlap(one, other) for one in touched for other in taken):
            continue
        changes[path] = change
        taken += touched
    return changes or {"new": field_change(1)}


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
