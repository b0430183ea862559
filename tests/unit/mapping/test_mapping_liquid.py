from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.mapping.compiling import MappingFailed, MappingInvalid, compile_mapping
from model.mapping.liquid_filters import FROM_LIBRARY, LIMIT_CHARS, OWN

EVENT = {
    "event": "Order <Completed>",
    "timestamp": "2026-01-31T23:05:09.123+02:00",
    "properties": {"total": 12.5, "n": 1e21, "whole": 3.0, "yes": True, "none": None, "list": ["a", 1, None, [True]]},
}
WORST = (
    "a" * 32_000,
    "",
    "<" * 32_000,
    "&#" + "9" * 30_000,
    " \n" * 16_000,
    "%" * 32_000,
    "ß" * 32_000,
    ["a"] * 16_000,
)


def render(template: str, event: dict[str, Any] = EVENT) -> Any:
    return compile_mapping({"x": {"@liquid": template}})(event)["x"]


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{ event }}", "Order <Completed>"),
        ("{{ event | escape }}", "Order &lt;Completed&gt;"),
        ("{{ properties.total | times: 2 }}", "25"),
        ("{{ properties.whole }} {{ properties.n }} {{ properties.yes }}{{ properties.none }}", "3 1e+21 true"),
        ("{{ properties.yes | append: properties.whole | append: nil }}", "true3"),
        ("{{ properties.list }}|{{ properties.list | join: ', ' }}", "a1true|a, 1, , true"),
        ("{{ properties }}{{ missing.b }}", "[object Object]"),
        ("{% echo properties.yes %}{% liquid\n echo properties.none\n echo 'x' %}", "truex"),
        ("{% if properties.total > 10 %}big{% else %}small{% endif %}", "big"),
        ("{% unless properties.none %}n{% endunless %}{% comment %}c{% endcomment %}{% # c %}", "n"),
        ("{% assign a = event | downcase %}{% capture b %}<{{ a }}>{% endcapture %}{{ b }}", "<order <completed>>"),
        ("{% increment i %}{% increment i %}{% decrement i %}{% cycle 'a', 'b' %}", "011a"),
        ("{% raw %}{{ event }}{% endraw %}", "{{ event }}"),
        ("{{ missing | default: 'none' }} {{ event | size }} {{ properties.list.first }}", "none 17 a"),
        ("{{ 'a-b-a' | replace: 'a', '$&' }} {{ 'a-a' | replace_first: 'a', 'x' }}", "$&-b-$& x-a"),
        ("{{ '<b>x</b>' | strip_html }}", "x"),
        ("{{ timestamp | date: '%Y-%m-%d %H:%M:%S.%L %s %-d %%' }}", "2026-01-31 21:05:09.123 1769893509 31 %"),
        ("{{ 0 | date: '%F' }} {{ 'soon' | date: '%F' }}{{ none | date: '%F' }}", "1970-01-01 soon"),
        ("{{ now }}{{ today }}", ""),
    ],
)
def test_a_template_is_rendered_over_the_event(template: str, result: str) -> None:
    assert render(template) == result


def test_names_of_the_event_go_before_the_engine_s_own() -> None:
    assert render("{{ now }} {{ partial.x }}", {"now": "ours"}).startswith("ours")


def test_in_a_shape_the_item_is_the_root() -> None:
    mapping = compile_mapping({"x": {"@arrayPath": ["$.items", {"@liquid": "<{{ n }}>"}]}})
    assert mapping({"items": [{"n": 1}, {"n": 2}, 7], "n": 9}) == {"x": ["<1>", "<2>", "<>"]}


@pytest.mark.parametrize("tag", ["case", "for", "include", "layout", "render", "tablerow", "ifchanged", "extends"])
def test_tags_that_loop_or_load_are_refused(tag: str) -> None:
    with pytest.raises(MappingInvalid, match=f"unexpected tag '{tag}'.*there are the tags assign"):
        render(f"{{% {tag} a %}}{{% end{tag} %}}")


@pytest.mark.parametrize(
    "name", ["map", "sort", "sort_natural", "reverse", "uniq", "concat", "find", "reject", "newline_to_br", "where_exp"]
)
def test_filters_that_segment_forbids_are_refused(name: str) -> None:
    with pytest.raises(MappingInvalid, match=f"no filter '{name}' in mappings"):
        render(f"{{{{ properties.list | {name} }}}}")


def test_a_misspelt_filter_is_told_the_right_one() -> None:
    with pytest.raises(MappingInvalid, match="Did you mean 'upcase'"):
        render("{% if a %}{{ event | upcas }}{% endif %}")


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("{{ (1..5) | join: '-' }}", "1-2-3-4-5"),
        ("{% if (1..9) contains 'x' %}y{% else %}n{% endif %}", "n"),
        ("{{ 1 | plus: (1..9) }}{{ (5..1) }}", "1"),
    ],
)
def test_ranges_are_lists(template: str, result: str) -> None:
    assert render(template) == result


def test_a_range_of_too_many_numbers_is_stopped() -> None:
    for template in ("{{ (1..1000000000) | join: '' }}", "{% assign r = (1..properties.n) %}"):
        with pytest.raises(MappingFailed, match="a range makes more than"):
            render(template)


@pytest.mark.parametrize("template", ["{{ a", "{% if %}{% endif %}", "{% if a %}", "{{ a | }}", "{{" * 500, "{% a"])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(MappingInvalid, match="Liquid: "):
        render(template)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ '%zz' | url_decode }}", "filter url_decode is given a text with a %"),
        ("{{ event | append }}", "filter append takes one argument"),
        ("{{ 'now' | date: '%Y' }}", "filter date has no clock"),
        ("{{ timestamp | date: '%Y', event }}", "filter date knows no time zone"),
        ("{{ timestamp | date: '%9999999999Y' }}", "filter date makes more than"),
    ],
)
def test_a_failure_says_where_and_shows_nothing_of_the_event(template: str, words: str) -> None:
    with pytest.raises(MappingFailed) as failed:
        render(template)
    assert str(failed.value).startswith("x['@liquid']: Liquid: ")
    assert words in str(failed.value)
    assert "Order" not in str(failed.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ a | replace: '', a }}",
        "{{ a | replace: 'a', a }}",
        "{{ a | split: '' | join: a }}",
        "{% assign b = a %}" + "{% assign b = b | append: b %}" * 30,
        "{% capture b %}{{ a }}{{ a }}{% endcapture %}" + "{% capture b %}{{ b }}{{ b }}{% endcapture %}" * 15,
        "{{ a }}" * 100,
    ],
)
def test_templates_that_blow_values_up_are_stopped(template: str) -> None:
    started = perf_counter()
    with pytest.raises(MappingFailed, match="makes"):
        render(template, {"a": "a" * 10_000})
    assert perf_counter() - started < 2


def test_a_template_that_reads_much_again_and_again_is_stopped() -> None:
    started = perf_counter()
    with pytest.raises(MappingFailed, match="on its way"):
        render("{{ a | where: 'k' }}" * 45, {"a": [1] * LIMIT_CHARS})
    assert perf_counter() - started < 5


@pytest.mark.parametrize("name", sorted({*FROM_LIBRARY, *OWN}))
def test_every_filter_is_quick_on_every_text(name: str) -> None:
    for value in WORST:
        for arguments in ("", ": b", ": b, b", ": 1000000000", ": c, 1000000000"):
            mapping = compile_mapping({"x": {"@liquid": f"{{{{ a | {name}{arguments} }}}}"}})
            started = perf_counter()
            try:
                assert len(mapping({"a": value, "b": "a" + "b" * 8_000 + "a", "c": 5})["x"]) <= LIMIT_CHARS
            except MappingFailed:
                pass
            assert perf_counter() - started < 1


TOKENS = [
    "{{",
    "}}",
    "{%",
    "%}",
    " ",
    "a",
    "b",
    ".",
    "|",
    "[0]",
    "if ",
    "endif",
    "assign ",
    "=",
    "upcase",
    "split: ",
    "'",
    "(1..9)",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(TOKENS) | st.text(max_size=2), max_size=20).map("".join))
def test_any_text_is_refused_or_rendered(template: str) -> None:
    try:
        mapping = compile_mapping({"@liquid": template})
    except MappingInvalid:
        return
    try:
        assert isinstance(mapping({"a": {"b": [1]}, "b": "x"}), str)
    except MappingFailed:
        pass
