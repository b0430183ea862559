"""The same Liquid templates through LiquidJS, as Segment sets it up, and through Waybill: the texts are the same."""

from copy import deepcopy
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from model.mapping.javascript import sendable
from model.mapping.liquid.filters import FROM_LIBRARY
from tests.differential.comparing import Made, map_with_waybill
from tests.differential.node import AttemptResult, Reference
from tests.differential.strategies import LIQUID_EVENT, templates_of_liquid

COMMON = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
FILTERS = sorted(FROM_LIBRARY)
TEMPLATES = templates_of_liquid(FILTERS)


def differs(made: Made, answer: AttemptResult) -> bool:
    """Say whether Waybill makes something else where Segment makes a text."""
    return answer.error is None and made != Made({"x": sendable(answer.result)})


def check_all(reference: Reference, cases: list[tuple[str, dict[str, Any]]]) -> None:
    answers = reference.ask_all("liquid", [{"template": template, "event": event} for template, event in cases])
    made = [map_with_waybill({"x": {"@liquid": template}}, event) for template, event in cases]
    assert [
        (case, ours, theirs) for case, ours, theirs in zip(cases, made, answers, strict=True) if differs(ours, theirs)
    ] == []


@settings(COMMON, max_examples=200)
@given(template=TEMPLATES)
def test_templates_are_rendered_as_segment_renders_them(reference: Reference, template: str) -> None:
    check_all(reference, [(template, LIQUID_EVENT)])


@pytest.mark.slow
@settings(COMMON, max_examples=2_000)
@given(template=TEMPLATES)
def test_two_thousand_templates_are_rendered_as_segment_renders_them(reference: Reference, template: str) -> None:
    check_all(reference, [(template, LIQUID_EVENT)])


VALUES = [name for name in LIQUID_EVENT if name not in ("emo",)] + ["missing", "nil", "empty", "'Ünï çödé'", "(1..4)"]
ARGUMENTS = ["", "2", "'l'"]
MORE_ARGUMENTS = ["nil", "missing", "'k', 1", "-3, 2", "'x', allow_false: true", "n", "l", "2, '..'", "'', 'a'"]


def check_filters(reference: Reference, arguments: list[str]) -> None:
    cases = [
        (f"{{{{ {value} | {name}{': ' if argument else ''}{argument} }}}}", LIQUID_EVENT)
        for name, value, argument in product(FILTERS, VALUES, arguments)
    ]
    check_all(reference, cases)


def test_every_filter_makes_of_every_value_what_segment_s_makes(reference: Reference) -> None:
    check_filters(reference, ARGUMENTS)


@pytest.mark.slow
def test_every_filter_takes_every_argument_as_segment_s_does(reference: Reference) -> None:
    check_filters(reference, MORE_ARGUMENTS)


NUMBERS = [
    0,
    -0.5,
    0.5,
    1.5,
    2.5,
    -2.5,
    1.005,
    10.125,
    2.675,
    1e21,
    1e-7,
    123456789.987,
    1999,
    "19.99",
    "1e3",
    "x",
    None,
]


def test_numbers_are_computed_as_javascript_computes_them(reference: Reference) -> None:
    filters = [
        "round",
        "round: 2",
        "round: -2",
        "ceil",
        "floor",
        "abs",
        "divided_by: 100",
        "divided_by: 3",
        "times: 1.1",
    ]
    filters += [
        "modulo: 3",
        "modulo: -7",
        "modulo: 0",
        "plus: 0.2",
        "minus: 0.1",
        "divided_by: 0",
        "divided_by: 7, true",
    ]
    filters += [
        "at_least: 2",
        "at_most: 2",
        "round: 20",
        "times: 1000000000000000000000",
        "plus: '1'",
        "to_integer",
        "json",
    ]
    check_all(reference, [(f"{{{{ n | {name} }}}}", {"n": number}) for name, number in product(filters, NUMBERS)])


OPERANDS = [
    None,
    True,
    False,
    0,
    1,
    6,
    5.5,
    "",
    " ",
    "6",
    "5",
    "abc",
    "Z",
    "0x6",
    [],
    [6],
    ["6", 1],
    {},
    {"a": 1},
    "😀",
    "\uffee",
]


def test_values_of_all_kinds_compare_as_in_javascript(reference: Reference) -> None:
    words = ["==", "!=", "<", ">", "<=", ">=", "contains", "and", "or"]
    written = "".join(f"{{% if a {word} b %}}1{{% else %}}0{{% endif %}}" for word in words)
    literals = "".join(f"{{{{ a {word} {literal} }}}}" for word in words for literal in ("nil", "empty", "blank", "5"))
    # Copied, because an object is equal to nothing but itself.
    cases = [(written, {"a": left, "b": deepcopy(right)}) for left, right in product(OPERANDS, OPERANDS)]
    check_all(reference, cases + [(literals, {"a": operand}) for operand in OPERANDS])


MOMENTS: list[Any] = [
    *("January 31, 2026", "2026-01-31 10:00", "31 Jan 2026 4:05 pm", "Sat, 31 Jan 2026 23:05:09 GMT", "1/31/2026"),
    *("2026-01-31T23:05:09.123+02:00", "2026-01-31", "2026-01", "2026", "2026-1-5", "2026/01/31 10:00:00 EST", "soon"),
    *("20260131", "1769846400", "1769846400123", "2026-02-31", "2026-13-01", "31/1/2026", "Jan 31", "January 2026"),
    *(
        "2026-01-31T24:00",
        "2026-01-31T10",
        "2026-01-31t10:00z",
        "2026-01-31 10:00 (CET) +0100",
        "Jan 31st, 2026",
        "12:30",
    ),
    *("2026-01-31T10:00:00.123456789Z", "+002026-01-31T00:00:00Z", "-000001-01-01", "0099-12-31", "99-12-31", "5", ""),
    *(
        "2026-01-31 10:00 PM",
        "2026-01-31 13:00 PM",
        "10:00 Jan 31 2026",
        "Jan 31 2026 10:00 UTC+5:30",
        "2026-01-31T10:00-0800",
    ),
    *("4922:11:07 PDT", "31.12.2026", "2026 Jan 31 x", "(x) 2026-01-31", "Sep 9 01 7:08:09.5", "--", "31-Jan-2026"),
    *(0, -1, 1769846400.5, 1769846400123, 253402300800, -62135596800, 1e300, True, None, [2026], ["1/31/2026", 1], {}),
]
CODES = "aAbBcCdeHhIjklLmMNpPqsSuUwWxXyYzZtn%EOQ+"


def test_dates_are_read_as_javascript_reads_them(reference: Reference) -> None:
    patterns = ["%Y-%m-%dT%H:%M:%S.%L", "%A, %d %B", "%s"]
    check_all(reference, [(f"{{{{ d | date: '{code}' }}}}", {"d": d}) for d, code in product(MOMENTS, patterns)])


def test_every_directive_of_dates_is_written_as_segment_writes_it(reference: Reference) -> None:
    flags = ["", "-", "_", "0", "^", "#", "5", "_8", "^#", "E", ":", "-3"]
    moments = ["2026-01-31T23:05:09.123Z", "2024-02-29T00:00:00Z", "2026-12-31T12:59:59.999Z", "0005-01-01", -1]
    written = ["[" + "".join(f"%{flag}{code}|" for flag in flags) + "]" for code in CODES]
    cases = [(f"{{{{ d | date: '{pattern}' }}}}", {"d": d}) for pattern, d in product(written, moments)]
    others = [
        "date",
        "date_to_xmlschema",
        "date_to_rfc822",
        "date_to_string: 'ordinal', 'US'",
        "date: nil",
        "date: '%'",
    ]
    others += ["date: '%c %z %:z %Z', 'America/New_York'", "date: '%c %z %Z', -330", "date_to_long_string: 'ordinal'"]
    check_all(reference, cases + [(f"{{{{ d | {name} }}}}", {"d": d}) for name, d in product(others, moments)])


SYNTAX = [
    *(
        "{{ s s }}",
        "{{ > }}",
        "{{ n | plus: x: }}",
        "{{ n | plus:1,2 | size:}}",
        "{{ n | default: , s }}",
        "{{ l[0 ] }}",
    ),
    *(
        "{{ '}}' }}",
        "{{ 'a\\'b' }}",
        '{{ "\\u00e9\\x" }}',
        "{{-n-}}",
        " {{- n -}} ",
        "a\n{%- if t -%}\n b \n{%- endif -%}\n",
    ),
    *(
        "{% raw %}{{ x }}{% endraw %}",
        "a {% raw -%} {{ {% y %} {%endraw -%} b",
        "{% comment %}{% nope %}{% endcomment %}",
    ),
    *("{% unless n %}a{% elsif t %}b{% else %}c{% else %}d{% endunless %}", "{% if fa %}a{% elsif t %}b{% endif %}"),
    *(
        "{% assign a-b = 1 %}{{ a-b }}",
        "{% assign 1 = 2 %}{{ 1 }}",
        "{% capture 'q r' %}x{% endcapture %}{{ ['q r'] }}",
    ),
    *("{% cycle 'a' 'b' %}{% cycle 'c','d' %}", "{% cycle n: 1, 0 %}{% cycle n: 1, 0 %}", "{% increment s %}{{ s }}"),
    *(
        "a{% break %}b",
        "{% capture v %}a{% continue %}b{% endcapture %}c",
        "{% block x %}{{ block.super }}y{% endblock %}",
    ),
    *(
        "{% liquid\n# c\nassign v = s\nif v\necho v | upcase -\nendif %}",
        "{% echo %}{% # a\n # b %}",
        "{{ not t or t }}",
    ),
    *(
        "{{ t and fa or t }}",
        "{{ nil.x }}{{ empty.size }}|{{ 'abc'.size }}",
        "{{ (3..1) }}{{ ('2'..'4') | join }}",
        "{ {% %",
    ),
    *(
        "{% if n = 1 %}{% endif %}",
        "{{ n & s }}",
        "{{ n | plus 1 }}",
        "{% if %}{% endif %}",
        "{{",
        "{% raw %}",
        "{{ 'a }}",
    ),
]


def test_templates_of_odd_syntax_are_read_as_segment_reads_them(reference: Reference) -> None:
    check_all(reference, [(template, LIQUID_EVENT) for template in SYNTAX])


def test_what_segment_cannot_render_is_refused_or_fails(reference: Reference) -> None:
    templates = [
        f"{{% {tag} a %}}{{% end{tag} %}}" for tag in ("case", "for", "include", "layout", "render", "tablerow")
    ]
    names = (
        "array_to_sentence_string concat find find_exp find_index group_by has map newline_to_br reject reverse sort"
    )
    templates += [f"{{{{ l | {name} }}}}" for name in f"{names} sort_natural uniq where_exp".split()]
    templates += [
        "{% if n %}",
        "{% endif %}",
        "{{ '%zz' | url_decode }}",
        "{{ s | append }}",
        "{{ d | date: '%99999999999d' }}",
    ]
    for template in templates:
        answer = reference.ask("liquid", {"template": template, "event": LIQUID_EVENT})
        made = map_with_waybill({"x": {"@liquid": template}}, LIQUID_EVENT)
        assert answer.error is not None, template
        assert made.refused or made.failed, template
