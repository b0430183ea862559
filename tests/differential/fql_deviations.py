"""Where triggers, filters and filter actions mean something else than in Segment's packages, each with an example.

docs/delivering.md says why; `said` is how its line begins.
"""

from dataclasses import dataclass
from typing import Any

from model.fql.actions import FilterAction
from model.fql.field_edits import FieldChange
from model.fql.syntax import And, Comparison, Constant, Elements, Expression, FunctionCall, Operator, Path, String
from tests.kit.filter_actions import allow_properties, drop_properties, field_change, map_properties, sample_events

REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TriggerDeviation:
    """A trigger on one event: true, false, or REFUSED."""

    said: str
    trigger: str
    event: dict[str, Any]
    here: bool | str
    segment: bool | str


@dataclass(frozen=True, slots=True)
class FilterDeviation:
    """A filter on one event; `condition` because tsub takes trees, not texts."""

    said: str
    condition: Expression
    event: dict[str, Any]
    here: bool
    segment: bool | str


@dataclass(frozen=True, slots=True)
class ActionDeviation:
    """Actions on some events: what is made of each."""

    said: str
    actions: tuple[FilterAction, ...]
    events: tuple[dict[str, Any], ...]
    here: tuple[Any, ...]
    segment: tuple[Any, ...]


_TRACK = {"type": "track", "event": "x"}
_GROUPS = "Parentheses stand inside one another"
_NAMES = "A name may begin with a digit"
_SPACES = "Spaces are free"
_UNKNOWN = "What a trigger cannot ask is refused"
_GLOBS = "In `match` the characters"

TRIGGERS = (
    TriggerDeviation("`OR` joins as `or`", 'type = "page" OR event = "x"', _TRACK, True, False),
    TriggerDeviation("`==` is `=`", 'type == "track"', _TRACK, True, False),
    TriggerDeviation("A mix of `and` and `or`", 'type = "x" and event = "x" or type = "track"', _TRACK, REFUSED, True),
    TriggerDeviation(
        _GROUPS, '(type = "page" and (event = "x" or name = null)) and userId = null', _TRACK, False, REFUSED
    ),
    TriggerDeviation(_GROUPS, 'type = "page" and (contains(event, "x") or event = "y")', _TRACK, False, True),
    TriggerDeviation("A quote inside a text", 'event = "say ""x"""', {"event": 'say "x"'}, True, False),
    TriggerDeviation("A dot behind a backslash", r"properties.a\.b = 1", {"properties": {"a.b": 1}}, True, False),
    TriggerDeviation(_NAMES, "properties.items.0.id = 1", {"properties": {"items": [{"id": 1}]}}, True, False),
    TriggerDeviation(_NAMES, "properties.or = 1", {"properties": {"or": 1}}, True, False),
    TriggerDeviation(_SPACES, "properties.n>5", {"properties": {"n": 6}}, True, REFUSED),
    TriggerDeviation(_SPACES, 'type = "track"\r\n', _TRACK, True, REFUSED),
    TriggerDeviation(_SPACES, "properties.n = 1e1", {"properties": {"n": 10}}, True, False),
    TriggerDeviation("`contains` and `match` look at `type` too", 'contains(type, "page")', _TRACK, False, REFUSED),
    TriggerDeviation(_GLOBS, r'match(event, "a\?*")', {"event": "a?b"}, True, False),
    TriggerDeviation(_GLOBS, 'match(event, "a?*")', {"event": "a?b"}, REFUSED, True),
    TriggerDeviation(_UNKNOWN, 'type = "track" and evnt = "y"', _TRACK, REFUSED, True),
    TriggerDeviation(_UNKNOWN, 'type in ["track"]', _TRACK, REFUSED, False),
    TriggerDeviation(_UNKNOWN, "properties.on != true", {"properties": {"on": True}}, REFUSED, True),
    TriggerDeviation(_UNKNOWN, 'properties.n >= "5"', {"properties": {"n": 5}}, REFUSED, True),
    TriggerDeviation(_UNKNOWN, "contains(event, 5)", {"event": "5"}, REFUSED, True),
    TriggerDeviation(
        "Whole numbers are exact",
        "properties.n = 9007199254740993",
        {"properties": {"n": 9007199254740992}},
        False,
        True,
    ),
)


def _equal(left: Expression, right: Expression) -> Comparison:
    return Comparison(Operator.EQUAL, left, right)


def _text(value: str) -> String:
    return String(value, "'")


_LIST = {"properties": {"list": ["a", "b"], "text": "abc"}}
_MISSING = Path(("missing",))
_INSIDE_LIST = Path(("properties", "list"))
_JAVASCRIPT = "What only JavaScript has"

FILTERS = (
    FilterDeviation("What is missing is null", _equal(_MISSING, Constant(None)), {}, True, False),
    FilterDeviation(
        "What is missing is null", _equal(FunctionCall("length", (_MISSING,)), Constant(0)), {}, True, False
    ),
    FilterDeviation(
        "`length` of a text",
        _equal(FunctionCall("length", (Path(("event",)),)), Constant(2)),
        {"event": "é"},
        True,
        False,
    ),
    FilterDeviation(
        "`typeof` says", _equal(FunctionCall("typeof", (_INSIDE_LIST,)), _text("list")), _LIST, True, False
    ),
    FilterDeviation(
        "A function takes what another one gives",
        FunctionCall("contains", (FunctionCall("lowercase", (Path(("event",)),)), _text("ab"))),
        {"event": "AB"},
        True,
        False,
    ),
    FilterDeviation(
        "A text is in a list of the event", Comparison(Operator.IN, _text("a"), _INSIDE_LIST), _LIST, True, False
    ),
    FilterDeviation(
        "A field that is no list",
        Comparison(Operator.IN, _text("a"), Path(("properties", "text"))),
        _LIST,
        False,
        REFUSED,
    ),
    FilterDeviation(
        "Objects are equal in any order",
        _equal(Path(("properties", "one")), Path(("properties", "two"))),
        {"properties": {"one": {"a": 1, "b": 2}, "two": {"b": 2, "a": 1}}},
        True,
        False,
    ),
    FilterDeviation(_JAVASCRIPT, _equal(Path(("properties", "list", "length")), Constant(2)), _LIST, False, True),
    FilterDeviation(_JAVASCRIPT, _equal(Path(("properties", "text", "0")), _text("a")), _LIST, False, True),
    FilterDeviation(
        "A condition that is not true",
        And((FunctionCall("lowercase", (Path(("event",)),)), _equal(Path(("type",)), _text("track")))),
        _TRACK,
        False,
        True,
    ),
    FilterDeviation(
        "`?` takes one character", FunctionCall("match", (Path(("event",)), _text("?"))), {"event": "😀"}, True, False
    ),
    FilterDeviation("A dot behind a backslash", _equal(Path(("a.b",)), Constant(1)), {"a.b": 1}, True, False),
    FilterDeviation(
        "A value that a function gives is looked for",
        Comparison(Operator.IN, FunctionCall("lowercase", (Path(("event",)),)), Elements((_text("x"),))),
        {"event": "X"},
        True,
        False,
    ),
)


def _properties(**fields: Any) -> dict[str, Any]:
    return {"properties": fields}


def _drop(path: str, name: str) -> tuple[FilterAction, ...]:
    return (drop_properties({path: (name,)}),)


def _map(path: str, change: FieldChange) -> tuple[FilterAction, ...]:
    return (map_properties({path: change}),)


_ITEMS = "A drop reaches every item"
_USERS = tuple({"userId": user} for user in ("u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"))
_KEPT = tuple(user if user["userId"] in ("u1", "u3") else None for user in _USERS)

ACTIONS = (
    ActionDeviation(
        _ITEMS,
        _drop("properties.items.by", "ip"),
        (_properties(items=[{"by": {"ip": 1}}]),),
        (_properties(items=[{"by": {}}]),),
        (_properties(items=[{"by": {"ip": 1}}]),),
    ),
    ActionDeviation(
        _ITEMS,
        _drop("properties.items", "ip"),
        (_properties(items=[[{"ip": 1}]]),),
        (_properties(items=[[{}]]),),
        (_properties(items=[[{"ip": 1}]]),),
    ),
    ActionDeviation(
        "A number dropped from a list",
        _drop("properties.mails", "0"),
        (_properties(mails=["a", "b"]),),
        (_properties(mails=[None, "b"]),),
        (_properties(mails=["a", "b"]),),
    ),
    ActionDeviation(
        "A name with a dot is dropped",
        _drop("properties", "a.b"),
        (_properties(a={"b": 1}),),
        (_properties(a={}),),
        (_properties(a={"b": 1}),),
    ),
    ActionDeviation(
        "A backslash",
        _drop(r"properties.a\.b", "c"),
        ({"properties": {"a.b": {"c": 1}}},),
        ({"properties": {"a.b": {}}},),
        ({"properties": {"a.b": {"c": 1}}},),
    ),
    ActionDeviation(
        "A moved field goes whatever it holds",
        _map("properties.b", field_change(move="properties.a")),
        (_properties(a=0),),
        (_properties(b=0),),
        (_properties(a=0, b=0),),
    ),
    ActionDeviation(
        "`to_string` makes nothing of what is missing",
        _map("properties.a", field_change(to_string=True)),
        (_properties(),),
        (_properties(),),
        (_properties(a="undefined"),),
    ),
    ActionDeviation(
        "A change reaches every item",
        _map("properties.items.id", field_change(to_string=True)),
        (_properties(items=[{"id": 1}]),),
        (_properties(items=[{"id": "1"}]),),
        (_properties(items=[{"id": 1}]),),
    ),
    ActionDeviation(
        "Two fields can change places",
        (map_properties({"a": field_change(move="b"), "b": field_change(move="a")}),),
        ({"a": 1, "b": 2},),
        ({"a": 2, "b": 1},),
        ({"b": 1},),
    ),
    ActionDeviation(
        "Nothing is written where null stands",
        _map("properties.a.b", field_change(1)),
        (_properties(a=None),),
        (_properties(a=None),),
        (REFUSED,),
    ),
    ActionDeviation(
        "Actions have an order of their own",
        (map_properties({"properties.kept": field_change(copy="userId")}), allow_properties({"properties": ("a",)})),
        ({"userId": "u1", "properties": {"a": 1, "b": 2}},),
        ({"userId": "u1", "properties": {"a": 1, "kept": "u1"}},),
        ({"userId": "u1", "properties": {"a": 1}},),
    ),
    ActionDeviation("`SAMPLE` with a path", (sample_events(0.5, "userId"),), _USERS, _KEPT, _USERS),
)
