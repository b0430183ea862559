"""Variables in text become what Grafana makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dashboards.grafana.variables import (
    ALL,
    Choice,
    PanelTime,
    UnknownFormat,
    interpolate,
    interval_ms,
    interval_text,
    query_interval_ms,
    referenced,
)

TIME = PanelTime(1_700_000_000_500, 1_700_003_600_000)
OPTIONS = (("a", "A!"), ("b'c", "B"))
CHOICES = {
    "one": Choice("b'c", OPTIONS),
    "two": Choice(("a", "b'c"), OPTIONS),
    "all": Choice(ALL, OPTIONS),
    "every": Choice((ALL,), OPTIONS, all_value="''"),
    "none": Choice(()),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$one ${one} [[one]]", "b'c b'c b'c"),
        ("$two|$all|$every|$none", "'a','b'c'|'a','b'c'|''|''"),
        ("${one:sqlstring} ${two:sqlstring} [[all:sqlstring]]", "'b''c' 'a','b''c' 'a','b''c'"),
        ("${every:sqlstring}|${none:sqlstring}", "''|"),
        ("${two:singlequote} ${two:doublequote}", "'a','b\\'c' \"a\",\"b'c\""),
        ("${two:raw} ${two:csv} ${two:pipe}", "a,b'c a,b'c a|b'c"),
        ("${two:glob} ${one:glob} ${two:json}", '{a,b\'c} b\'c ["a","b\'c"]'),
        ("${two:text} ${all:text} ${every:text}", "A! + B All All"),
        ("${two:percentencode} ${one:percentencode}", "%7Ba%2Cb%27c%7D b%27c"),
        ("${two:queryparam} ${all:queryparam}", "var-two=a&var-two=b%27c var-all=%24__all"),
        ("${two:join:; }", "a; b'c"),
        ("$__from ${__to} ${__from:date:seconds}", "1700000000500 1700003600000 1700000000"),
        ("${__from:date} ${__to:date:YYYY-MM-DD HH:mm:ss}", "2023-11-14T22:13:20.500Z 2023-11-14 23:13:20"),
        ("$__interval ${__interval_ms}", "1m 60000"),
        ("$nobody ${nobody:csv} [[nobody]] $ ${}", "$nobody ${nobody:csv} [[nobody]] $ ${}"),
        ("?${__url_time_range}", "?from=1700000000500&to=1700003600000"),
    ],
)
def test_every_way_to_write_a_variable(text: str, expected: str) -> None:
    assert interpolate(text, CHOICES, TIME) == expected


def test_all_variables_go_into_an_address() -> None:
    assert interpolate("${__all_variables}", {"a": Choice("1"), "b": Choice((ALL,))}, TIME) == "var-a=1&var-b=%24__all"


def test_an_interval_is_read_as_it_is_written() -> None:
    assert [interval_ms(text) for text in ("1ms", "30s", "1m", "2h")] == [1, 30_000, 60_000, 7_200_000]
    with pytest.raises(ValueError, match="no interval"):
        interval_ms("1 minute")


def test_a_row_gives_its_fields_to_a_link() -> None:
    row = {"error id": "1/2", "code": 7}
    text = '${__data.fields["error id"]:percentencode}|${__data.fields.code}|${__data.fields[1]}|${__data.fields.no}'
    assert interpolate(text, {}, TIME, row) == "1%2F2|7|7|${__data.fields.no}"
    assert interpolate("${__data.fields.all:percentencode}", {}, TIME, {"all": ALL}) == "%24__all"


def test_a_format_grafana_does_not_know_is_refused() -> None:
    with pytest.raises(UnknownFormat, match="sqlstrng"):
        interpolate("${one:sqlstrng}", CHOICES, TIME)


def test_names_are_found_in_every_spelling() -> None:
    assert referenced("$a ${b:csv} [[c:raw]] ${__data.fields.x} $5") == {"a", "b", "c", "__data", "5"}


@pytest.mark.parametrize(
    ("range_ms", "points", "expected_ms"),
    [(86_400_000, 1_000, 60_000), (3_600_000, 1_000, 5_000), (2_592_000_000, 800, 3_600_000), (60_000, 5_000, 10)],
)
def test_intervals_are_those_of_grafana(range_ms: int, points: int, expected_ms: int) -> None:
    assert query_interval_ms(range_ms, points) == expected_ms
    assert query_interval_ms(range_ms, points, least_ms=7_200_000) == 7_200_000


@pytest.mark.parametrize(("ms", "text"), [(500, "500ms"), (90_000, "1m"), (3_600_000, "1h"), (43_200_000, "12h")])
def test_intervals_are_written_in_their_largest_unit(ms: int, text: str) -> None:
    assert interval_text(ms) == text


def literal_end(sql: str) -> int:
    """Where ClickHouse ends the literal that begins ``sql``: at a quote that is neither doubled nor escaped."""
    at = 1
    while at < len(sql):
        if sql[at] == "\\" or sql.startswith("''", at):
            at += 2
        elif sql[at] == "'":
            return at + 1
        else:
            at += 1
    return -1


@given(st.text().filter(lambda value: "\\" not in value))
def test_a_value_without_backslashes_stays_in_its_literal_as_sqlstring(value: str) -> None:
    sql = interpolate("${v:sqlstring}", {"v": Choice(value)}, TIME)
    assert literal_end(sql) == len(sql)


@pytest.mark.parametrize("value", ["')--", "'; DROP TABLE facts", "' OR ''='", "\"'\"'", "''"])
def test_known_ways_out_of_a_literal_are_shut_by_sqlstring(value: str) -> None:
    sql = interpolate("${v:sqlstring}", {"v": Choice(value)}, TIME)
    assert literal_end(sql) == len(sql)


def test_a_backslash_leads_out_of_sqlstring_and_a_quote_out_of_the_plugins_own_format() -> None:
    sql = interpolate("${v:sqlstring}", {"v": Choice("\\' OR 1=1 --")}, TIME)
    assert literal_end(sql) != len(sql)
    sql = interpolate("$v", {"v": Choice(("x' OR 1=1 --",))}, TIME)
    assert literal_end(sql) != len(sql)
