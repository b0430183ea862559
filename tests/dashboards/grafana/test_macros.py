"""SQL reaches the engine as Grafana and the plugin would send it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dashboards.grafana.macros import MacroError, expand
from tests.dashboards.grafana.variables import ALL, Choice, PanelTime, interpolate

TIME = PanelTime(1_700_000_000_500, 1_700_003_600_000, 90_500)
FROM, TO = "toDateTime(1700000000)", "toDateTime(1700003600)"
FROM_MS, TO_MS = "fromUnixTimestamp64Milli(1700000000500)", "fromUnixTimestamp64Milli(1700003600000)"
DAY = "toDate('2023-11-14')"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("$__fromTime, $__toTime", f"{FROM}, {TO}"),
        ("$__fromTime_ms|$__toTime_ms", f"{FROM_MS}|{TO_MS}"),
        ("$__timeFilter(at)", f"at >= {FROM} AND at <= {TO}"),
        ("$__timeFilter_ms( at )", f"at >= {FROM_MS} AND at <= {TO_MS}"),
        ("$__dateFilter(day)", f"day >= {DAY} AND day <= {DAY}"),
        ("$__dateTimeFilter(d, t)", f"(d >= {DAY} AND d <= {DAY}) AND (t >= {FROM} AND t <= {TO})"),
        ("$__dt(d, t)", f"(d >= {DAY} AND d <= {DAY}) AND (t >= {FROM} AND t <= {TO})"),
        ("$__timeInterval(at)", "toStartOfInterval(toDateTime(at), INTERVAL 90 second)"),
        ("$__timeInterval_ms(at)", "toStartOfInterval(toDateTime64(at, 3), INTERVAL 90500 millisecond)"),
        ("$__interval_s", "90"),
        ("$__timeFrom(at) $__timeTo(at)", f"at >= {FROM} at <= {TO}"),
        ("$__timeGroup(at, '5m')", "toStartOfInterval(toDateTime(at), INTERVAL 300 second)"),
        ("$__interval $__interval_ms $__from", "1m 90500 1700000000500"),
        ("$__timeFilter(if(a, b, ')'))", f"if(a, b, ')') >= {FROM} AND if(a, b, ')') <= {TO}"),
        ("$__timeInterval($__fromTime)", f"toStartOfInterval(toDateTime({FROM}), INTERVAL 90 second)"),
        ("1 -- $__fromTime\n2 /* $__toTime */ '--'", "1               \n2                 '--'"),
        ("`--` $a$ -- $a$ /* open", "`--` $a$ -- $a$        "),
        ("$__toTime()", TO),
    ],
)
def test_every_macro_becomes_what_the_plugin_makes_of_it(sql: str, expected: str) -> None:
    assert expand(sql, {}, TIME) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "$__timeFiltre(at)", "$__dateInterval(at)", "$__range", "$__columns(a, b, c) FROM t", "$__adHocFilters('t')",
        "$__timeFilter()", "$__timeFilter(a, b)", "$__timeFilter(a", "$__dt(a)", "$__timeGroup(a, 5d)", "'$__range_s'",
        "$__conditionalAll(a)", "$__conditionalAll(a IN (1), $x", "${__dashboard}",
        "$__conditionalAll(match(a, 'b$'), $x)",
    ],
)  # fmt: skip
def test_unknown_and_misused_macros_are_refused(sql: str) -> None:
    with pytest.raises(MacroError):
        expand(sql, {"x": Choice("1")}, TIME)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(ALL), "1=1"),
        (Choice((ALL,)), "1=1"),
        (Choice(""), "1=1"),
        (Choice(()), "1=1"),
        (Choice("a"), "x IN ('a')"),
        (Choice(("a", "b")), "x IN ('a','b')"),
    ],
)
def test_a_condition_falls_away_when_all_or_nothing_is_chosen(choice: Choice, expected: str) -> None:
    sql = "$__conditionalAll(x IN (${v:sqlstring}), $v) AND $__conditionalAll(x IN (${v:sqlstring}), ${v})"
    assert expand(sql, {"v": choice}, TIME) == f"{expected} AND {expected}"


def test_an_interval_under_a_second_is_one_second_or_millisecond() -> None:
    time = PanelTime(0, 1, 0)
    assert expand("$__interval_s", {}, time) == "1"
    assert "INTERVAL 1 millisecond" in expand("$__timeInterval_ms(at)", {}, time)


def test_a_macro_in_a_value_is_treated_as_the_plugin_treats_it() -> None:
    assert expand("${v:sqlstring}", {"v": Choice("$__nothing $__fromTime")}, TIME) == f"'$__nothing {FROM}'"


@given(st.text().filter(lambda text: "$__" not in text and "${__" not in text and "[[__" not in text))
@example("'\" ` $ $$ $' (")
def test_text_without_macros_never_fails(text: str) -> None:
    expand(text, {}, TIME)


@given(st.text(alphabet="ab'\"`)(,$_-/*\n\\", max_size=30))
def test_brackets_and_quotes_in_arguments_end_in_an_answer_or_a_refusal(text: str) -> None:
    try:
        expand(f"$__timeFilter({text}", {}, TIME)
    except MacroError:
        pass


@given(st.text(alphabet="ab'\"`-/*$_,()\n").filter(lambda value: "$__" not in value))
def test_a_value_in_its_literal_survives_comments_and_macros_as_it_is(value: str) -> None:
    literal = interpolate("${v:sqlstring}", {"v": Choice(value)}, TIME)
    assert expand("SELECT ${v:sqlstring} AS a", {"v": Choice(value)}, TIME) == f"SELECT {literal} AS a"
