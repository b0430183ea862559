from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.mapping.numbers import read_number


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("4,245.42", 4245.42), ("1,234", 1234), ("1,234,567.", 1_234_567), ("1 234.50", 1234.5), ("1\u202f234", 1234),
        ("1'234'567", 1_234_567), ("$12.50", 12.5), ("-$5", -5), ("$-5", -5), ("US$ 1,000", 1000), ("12.50 EUR", 12.5),
        ("$12.50 USD", 12.5), ("5\u00a0€", 5), ("₹5", 5), ("£.5", 0.5), (" 12 ", 12), ("1e3", 1000), ("\u22125", -5),
        ("+7", 7), ("0", 0), ("1.234", 1.234), (True, 1), (False, 0), (1.5, 1.5), (2**60, 2**60),
    ],
)  # fmt: skip
def test_numbers_are_read_where_one_reading_is_possible(written: Any, number: float) -> None:
    assert read_number(written) == number
    assert type(read_number(written)) is type(number)


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "ten", "NaN", "Infinity", "1e999", "1_000", "12%", "$", "EUR", "12,5", "0,125", "1.234,56",
        "€ 1.234,56",
        "1,23", "12,34,56", "1,234 567", "1.234.567", "--5", "-$-5", "5 apples", "1e", "٣", "1" * 65, None, [], {},
        float("nan"), float("inf"),
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_or_none_is_no_number(written: Any) -> None:
    assert read_number(written) is None


AMOUNTS = st.decimals(-(10**12), 10**12, places=2).map(float)
FORMS = st.sampled_from(
    ["{:,.2f}", "{:.2f}", " {:,.2f} ", "${:,.2f}", "{:,.2f} EUR", "€ {:,.2f}", "{!r}", "CHF {:,.2f}"]
)


@given(AMOUNTS, FORMS)
def test_what_programs_write_is_read_as_what_they_meant(amount: float, form: str) -> None:
    assert read_number(form.format(amount)) == amount


@given(st.integers(-(10**15), 10**15), st.sampled_from(["{:,}", "{}", "${:,}", "{:,} USD"]))
def test_whole_numbers_stay_whole(number: int, form: str) -> None:
    read = read_number(form.format(number))
    assert read == number and isinstance(read, int)


@given(st.text(max_size=70) | st.from_regex(r"[-+$€ 0-9.,'A-Z]{1,64}", fullmatch=True))
def test_no_text_raises(text: str) -> None:
    number = read_number(text)
    assert number is None or read_number(str(number)) == number
