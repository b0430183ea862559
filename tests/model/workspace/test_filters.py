"""Filters and triggers in the workspace file: what is refused, and what `waybill check` warns about, with its place."""

import pytest

from model.config.problems import DiagnosticSeverity
from tests.kit.workspace_sample import SHOP, changed, read


def with_trigger(trigger: str) -> str:
    mappings = f"\n    mappings: [{{name: orders, trigger: '{trigger}'}}]"
    return changed("  - {source: web, destination: crm}", f"  - source: web\n    destination: crm{mappings}")


@pytest.mark.parametrize(
    ("trigger", "column", "remedy"),
    [
        ("userId = 123", 10, 'Write userId = "123"'),
        ('type = "track" AND event = "x"', 16, "Write and instead"),
        ('event == "x"', 7, "Write a single ="),
        ("type=identify", 6, "Put it between double quotes"),
    ],
)
def test_a_trigger_read_leniently_is_a_warning_with_its_place(trigger: str, column: int, remedy: str) -> None:
    reading = read(with_trigger(trigger))
    assert reading.workspace is not None
    (problem,) = reading.problems
    assert (problem.severity, problem.path) == (DiagnosticSeverity.WARNING, "connections[0].mappings[0].trigger")
    assert problem.message.startswith(f"line 1, column {column}: ")
    assert problem.remedy == remedy
    assert problem.line == SHOP[: SHOP.index("connections:")].count("\n") + 4


def test_a_clear_trigger_is_no_problem() -> None:
    assert read(with_trigger('type = "track" and userId = "123"')).problems == ()


def with_action(action: str) -> str:
    filters = f"\n    filters: [{{if: all, actions: [{action}]}}]"
    return changed("  - {source: web, destination: crm}", f"  - source: web\n    destination: crm{filters}")


ACTION = "connections[0].filters[0].actions[0]"


@pytest.mark.parametrize(
    ("action", "path", "message", "remedy"),
    [
        ("{type: MAP_PROPERTIES}", "map", "this field is missing", "Add it"),
        ("{type: MAP_PROPERTIES, map: {}}", "map", "too few entries", "at least 1"),
        (
            "{type: MAP_PROPERTIES, map: {a: {}}}",
            "map.a",
            "changes nothing",
            "Write set, copy, move or to_string: true",
        ),
        ("{type: MAP_PROPERTIES, map: {a: {to_string: false}}}", "map.a", "changes nothing", "Write set"),
        ("{type: MAP_PROPERTIES, map: {a: {set: 1, copy: b}}}", "map.a", "more than one", "Keep one"),
        ("{type: MAP_PROPERTIES, map: {a: {copy: null}}}", "map.a", "take a path", "leave the field out"),
        ("{type: MAP_PROPERTIES, map: {a: {copy: 5}}}", "map.a.copy", "text is expected", "needs quotes"),
        ("{type: MAP_PROPERTIES, map: {a: {copy: $.b}}}", "map.a.copy", "begins at the event", "Leave out the $"),
        (
            "{type: MAP_PROPERTIES, map: {a: {to_strin: true}}}",
            "map.a.to_strin",
            "not known",
            "Did you mean 'to_string'?",
        ),
        ("{type: MAP_PROPERTIES, map: {a: {cast: true}}}", "map.a.cast", "not known", "copy, move, set, to_string"),
        ("{type: MAP_PROPERTIES, map: {'': {set: 1}}}", 'map[""]', "text is empty", "Write a value"),
        (
            "{type: MAP_PROPERTIES, map: {a.b: {move: a}}}",
            "map",
            "'a' is moved away, and 'a.b' is inside it",
            "Use copy",
        ),
        ("{type: MAP_PROPERTIES, map: {a: {move: a}}}", "map", "'a' is moved away", "Use copy"),
        ("{type: MAP_PROPERTIES, map: {a.x: {set: 1}, b: {move: a}}}", "map", "'a.x' is inside it", "Use copy"),
        (
            "{type: DROP_PROPERTIES, fields: {'properties.items[0]': [a]}}",
            'fields["properties.items[0]"]',
            "brackets",
            "Write products.0",
        ),
        (
            "{type: DROP_PROPERTIES, fields: {properties: ['items[].a']}}",
            "fields.properties[0]",
            "brackets",
            "Write products.0",
        ),
        ("{type: DROP_PROPERTIES, fields: {properties.*: [a]}}", 'fields["properties.*"]', "brackets", "every item"),
        ("{type: DROP_PROPERTIES, fields: {properties: ['*']}}", "fields.properties[0]", "brackets", "every item"),
        ("{type: DROP_PROPERTIES, fields: {properties: []}}", "fields.properties", "too few", "at least 1"),
        (
            "{type: ALLOW_PROPERTIES, fields: {properties..a: [b]}}",
            'fields["properties..a"]',
            "an empty name",
            "one dot",
        ),
        ("{type: ALLOW_PROPERTIES, fields: {'a\\': [b]}}", 'fields["a\\\\"]', "a backslash stands at the end", "two"),
        ("{type: SAMPLE, percent: 0.5, path: $.userId}", "path", "begins at the event", "Leave out the $"),
        ("{type: SAMPLE, percent: 0.5, path: ''}", "path", "text is empty", "leave the field out"),
    ],
)
def test_an_action_that_could_not_be_carried_out_is_refused(action: str, path: str, message: str, remedy: str) -> None:
    reading = read(with_action(action))
    assert reading.workspace is None
    found = {problem.path.replace("'", '"'): problem for problem in reading.problems}
    problem = found[f"{ACTION}.{path}"]
    assert message in problem.message
    assert remedy in problem.remedy
    assert problem.line > 0


@pytest.mark.parametrize(
    ("action", "path", "remedy"),
    [
        ("{type: DROP_PROPERTIES, fields: {propertys: [a]}}", "fields.propertys", "Did you mean 'properties'?"),
        ("{type: DROP_PROPERTIES, fields: {'': [userID]}}", 'fields[""][0]', "Did you mean 'userId'?"),
        ("{type: ALLOW_PROPERTIES, fields: {trait.a: [b]}}", 'fields["trait.a"]', "Did you mean 'traits'?"),
        ("{type: SAMPLE, percent: 0.5, path: userid}", "path", "Did you mean 'userId'?"),
        ("{type: MAP_PROPERTIES, map: {propertie.a: {set: 1}}}", 'map["propertie.a"]', "Did you mean 'properties'?"),
        (
            "{type: MAP_PROPERTIES, map: {traits.a: {copy: contxt.ip}}}",
            'map["traits.a"].copy',
            "Did you mean 'context'?",
        ),
        (
            "{type: DROP_PROPERTIES, fields: {properties: [a.b.c]}}",
            "fields.properties[0]",
            "Write 'c' under 'properties.a.b', or a backslash before each dot",
        ),
        ("{type: ALLOW_PROPERTIES, fields: {'': [context.ip]}}", 'fields[""][0]', "Write 'ip' under 'context'"),
    ],
)
def test_a_path_probably_not_meant_is_a_warning(action: str, path: str, remedy: str) -> None:
    reading = read(with_action(action))
    assert reading.workspace is not None
    (problem,) = reading.problems
    assert (problem.severity, problem.path.replace("'", '"')) == (DiagnosticSeverity.WARNING, f"{ACTION}.{path}")
    assert problem.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "action",
    [
        "{type: DROP_PROPERTIES, fields: {'': [userId, ip], context: [$email, ip], properties.products.0: [email]}}",
        "{type: DROP_PROPERTIES, fields: {properties: ['form\\[email\\]', 'a\\.b'], 'custom.\\*': [a]}}",
        "{type: ALLOW_PROPERTIES, fields: {properties: [], traits: [plan]}}",
        "{type: MAP_PROPERTIES, map: {properties.a: {set: null}, traits.b: {copy: userId, to_string: true},"
        " context.c: {move: properties.a}, properties.d: {to_string: true}, e: {set: {deep: [1]}}}}",
    ],
)
def test_clear_actions_are_no_problem(action: str) -> None:
    reading = read(with_action(action))
    assert reading.problems == ()
    assert reading.valid().connections[0].filters[0].actions
