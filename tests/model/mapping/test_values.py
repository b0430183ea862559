from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.events.times import iso
from model.mapping.times import read_moment
from model.mapping.values import MISSING, text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (1.5e-9, "1.5e-9"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (-1.25e22, "-1.25e+22"),
        (1e16, "10000000000000000"),
        (5e-324, "5e-324"),
        (9007199254740993, "9007199254740993"),
        (10**21, "1e+21"),
        (10**400, "Infinity"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (True, "true"),
        (None, ""),
        (MISSING, ""),
        ([1, [2, {}], None, "a"], "1,2,[object Object],,a"),
    ],
)
def test_values_are_written_as_javascript_writes_them(value: Any, written: str) -> None:
    assert text(value) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_as_itself(number: float) -> None:
    assert float(text(number)) == number


@given(st.datetimes(timezones=st.timezones() | st.just(None)))
def test_a_moment_written_is_the_moment_read(moment: Any) -> None:
    read = read_moment(moment.isoformat())
    assert read is None or read_moment(iso(read)) == read.replace(microsecond=read.microsecond // 1000 * 1000)


@given(st.text(max_size=40) | st.floats() | st.integers())
def test_reading_a_moment_never_raises(value: Any) -> None:
    moment = read_moment(value)
    assert moment is None or iso(moment).endswith("Z")
