from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.mapping.compiling import MappingFailed, MappingInvalid, compile_mapping
from model.mapping.liquid.filters import FROM_LIBRARY, LIMIT_CHARS, OWN

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


DEEP = ("{{" + "[" * 400 + "a" + "]" * 400 + "}}", "{{" + "(" * 300, "{% if a %}" * 41 + "{% endif %}" * 41)


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
        ("{{ 1999 | divided_by: 100 }} {{ 7 | divided_by: 2, true }} {{ 1 | divided_by: 0 }}", "19.99 3 Infinity"),
        ("{{ 10.125 | round: 2 }} {{ 2.5 | round }} {{ -2.5 | round }} {{ 1.005 | round: 2 }}", "10.13 3 -3 1.01"),
        ("{{ 0.1 | plus: 0.2 }} {{ 3 | times: 1.1 }} {{ -7 | modulo: 3 }}", "0.30000000000000004 3.3000000000000003 2"),
        ("{{ '12.5' | times: 2 }} {{ event | plus: 1 }} {{ event | divided_by: 0 }}", "25 1 NaN"),
        ("{% if '6' > 5 %}y{% else %}n{% endif %}{% if event < 5 %}y{% else %}n{% endif %}", "yn"),
        ("{% if properties.none >= 0 %}y{% endif %}{% if properties.list == 1 %}y{% else %}n{% endif %}", "yn"),
        ("{{ properties.list | json }}", '["a",1,null,[true]]'),
        ("{{ properties.list | push: 'z' | pop | size }}{{ '12.5' | to_integer }}", "412.5"),
        ("{{ 'Größe & <x>' | slugify }} {{ 'a<b' | xml_escape }} {{ 'a b/c' | cgi_escape }}", "größe-x a&lt;b a+b%2Fc"),
        (
            "{{ 'January 31, 2026' | date: '%Y-%m-%d' }} {{ '2026-01-31 10:00' | date: '%l:%M %P %N' }}",
            "2026-01-31 10:00 am 000000000",
        ),
        ("{{ timestamp | date: '%^a %-d %e %j %c' }}", "SAT 31 31 031 1/31/2026, 9:05:09 PM"),
        (
            "{{ timestamp | date: '%H:%M %z', 'America/New_York' }} {{ 1769893509123 | date: '%Y' }}",
            "16:05 -0500 58055",
        ),
        ("{{ 'ab' | replace: '', '-' }} {{ 'a b c' | truncatewords: 2 }} {{ '' | split: ',' | size }}", "a-b a b... 0"),
        (
            "{{ missing | default: 0 }}{{ properties.yes | default: 1 }}{{ false | default: 'd', allow_false: true }}",
            "0truefalse",
        ),
        ("{{ nil | json }}{{ missing | json }}{{ 'b' | first }}{{ properties.list | where: 'x' | size }}", "{}b0"),
        ("{{ not true or event }} {{ 1 == 1.0 }} {{ 'a' 'b' }} {{ empty == '' }}", "true true a true"),
    ],
)
def test_a_template_is_rendered_over_the_event(template: str, result: str) -> None:
    assert render(template) == result


def test_the_clock_is_the_moment_the_event_was_received() -> None:
    event = {"receivedAt": "2026-01-31T08:00:00.000Z"}
    assert render("{{ 'now' | date: '%Y-%m-%d' }} {{ 'today' | date: '%s' }}", event) == "2026-01-31 1769846400"


def test_half_a_character_is_nothing_that_cannot_be_sent() -> None:
    assert render("{{ a | slice: 0 }}{{ a | slice: 0, 2 }}{{ a | size }}", {"a": "😀"}) == "\ufffd😀2"


def test_counting_leaves_the_event_as_it_is() -> None:
    event = {"n": 5}
    assert render("{% increment n %}{% increment n %}{{ n }}{% decrement m %}", event) == "567-1"
    assert event == {"n": 5}


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


@pytest.mark.parametrize(
    "template", ["{{ a", "{% if %}{% endif %}", "{% if a %}", "{{ a | }}", "{{" * 500, "{% a", *DEEP]
)
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
    started = process_time()
    with pytest.raises(MappingFailed, match="makes"):
        render(template, {"a": "a" * 10_000})
    assert process_time() - started < 2


def test_a_template_that_reads_much_again_and_again_is_stopped() -> None:
    started = process_time()
    with pytest.raises(MappingFailed, match="on its way"):
        render("{{ a | compact | size }}" * 40, {"a": [1] * LIMIT_CHARS})
    assert process_time() - started < 5


@pytest.mark.parametrize("name", ["where", "sum"])
def test_a_long_path_through_many_items_is_stopped(name: str) -> None:
    started = process_time()
    with pytest.raises(MappingFailed, match="on its way"):
        render(f"{{{{ a | {name}: b }}}}", {"a": [{}] * 10_000, "b": "b." * 20_000})
    assert process_time() - started < 1


@pytest.mark.parametrize("name", sorted({*FROM_LIBRARY, *OWN}))
def test_every_filter_is_quick_on_every_text(name: str) -> None:
    for value in WORST:
        for arguments in ("", ": b", ": b, b", ": 1000000000", ": c, 1000000000"):
            mapping = compile_mapping({"x": {"@liquid": f"{{{{ a | {name}{arguments} }}}}"}})
            started = process_time()
            try:
                assert len(mapping({"a": value, "b": "a" + "b" * 8_000 + "a", "c": 5})["x"]) <= LIMIT_CHARS
            except MappingFailed:
                pass
            assert process_time() - started < 1


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
