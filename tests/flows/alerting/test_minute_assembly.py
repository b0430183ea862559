from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.alerting.minute_assembly import MinuteAssembler, read_bundle
from model.durations import MINUTE_MS
from model.events.envelope import UnreadableRecord
from tests.kit.alert_samples import row
from tests.kit.alerting import START, bundle_value, said

GOOD = {"v": 1, "append_minute_ms": START, "partition": 0, "rows": [], "states": []}


def add(bundles: MinuteAssembler, number: int, *names: str, partition: int = 0) -> None:
    rows = [row(START, source=name) for name in names]
    bundles.add(read_bundle(bundle_value(number, rows, partition=partition)))


def whole(bundles: MinuteAssembler) -> dict[int, list[str]]:
    """Sources by number of the minutes that are whole now, in the order they are given."""
    return {
        (minute.minute_ms - START) // MINUTE_MS: sorted(row["source"] for row in minute.rows)
        for minute in bundles.complete()
    }


def test_a_minute_waits_for_every_partition() -> None:
    bundles = MinuteAssembler(3)
    add(bundles, 0, "a", partition=0)
    add(bundles, 0, "b", partition=1)
    assert whole(bundles) == {}
    add(bundles, 0, "c", partition=2)
    assert whole(bundles) == {0: ["a", "b", "c"]}
    assert whole(bundles) == {}


def test_a_partition_that_speaks_of_a_later_minute_has_nothing_more_for_an_earlier_one() -> None:
    bundles = MinuteAssembler(2)
    for number in (0, 1, 2):
        add(bundles, number, f"a{number}")
    add(bundles, 1, "b1", partition=1)
    given = whole(bundles)
    assert list(given.items()) == [(0, ["a0"]), (1, ["a1", "b1"])]
    add(bundles, 5, partition=1)
    assert whole(bundles) == {2: ["a2"]}


def test_minutes_are_given_oldest_first_whatever_came_first() -> None:
    bundles = MinuteAssembler(2)
    add(bundles, 7, "late", partition=0)
    for number in range(3, 9):
        add(bundles, number, "early", partition=1)
    assert list(whole(bundles)) == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("again", [0, 1, 2])
def test_a_bundle_seen_before_is_skipped_also_when_its_minute_was_given(again: int) -> None:
    bundles = MinuteAssembler(2)
    for number in (0, 1, 2):
        add(bundles, number, "a")
    add(bundles, 1, partition=1)
    assert list(whole(bundles)) == [0, 1]
    add(bundles, again, "again")
    assert whole(bundles) == {}
    add(bundles, 2, partition=1)
    assert whole(bundles) == {2: ["a"]}


def test_resumed_from_a_snapshot_it_goes_on_where_it_was() -> None:
    bundles = MinuteAssembler(2)
    add(bundles, 0, "a", partition=0)
    add(bundles, 1, "a", partition=0)
    add(bundles, 0, "b", partition=1)
    assert list(whole(bundles)) == [0]
    resumed = MinuteAssembler.from_record(bundles.to_record(), 2)
    add(resumed, 1, "again", partition=0)
    add(resumed, 1, "b", partition=1)
    assert whole(resumed) == {1: ["a", "b"]}


def test_a_snapshot_does_not_change_when_more_comes() -> None:
    bundles = MinuteAssembler(2)
    add(bundles, 0, "a", partition=0)
    snapshot = bundles.to_record()
    before = deepcopy(snapshot)
    bundles.add(read_bundle(bundle_value(0, [row(START)], [said("crm", "ok", START)], partition=1)))
    assert snapshot == before


def test_a_snapshot_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 2; this Waybill reads 1"):
        MinuteAssembler.from_record(MinuteAssembler(1).to_record() | {"v": 2}, 1)


def test_states_may_be_missing() -> None:
    assert read_bundle(orjson.dumps({name: GOOD[name] for name in GOOD if name != "states"})).states == []


@pytest.mark.parametrize(
    "changed",
    [
        {"v": 2},
        {"v": None},
        {"append_minute_ms": "now"},
        {"append_minute_ms": 1.5},
        {"append_minute_ms": None},
        {"partition": [0]},
        {"rows": None},
        {"rows": 5},
        {"rows": {"a": 1}},
        {"rows": "text"},
        {"states": None},
        {"states": "ok"},
    ],
    ids=str,
)
def test_what_is_no_bundle_is_unreadable(changed: dict[str, Any]) -> None:
    with pytest.raises(UnreadableRecord):
        read_bundle(orjson.dumps(GOOD | changed))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TEXT = st.sampled_from(["v", "append_minute_ms", "partition", "rows", "states"])


@given(st.binary(max_size=60) | st.dictionaries(TEXT, JSON).map(lambda given: _dumped(GOOD | given)))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_bundle_or_unreadable(value: bytes) -> None:
    bundles = MinuteAssembler(2)
    try:
        read = read_bundle(value)
    except UnreadableRecord:
        return
    bundles.add(read)
    MinuteAssembler.from_record(bundles.to_record(), 2)
    assert list(bundles.complete()) == []


def _dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer that JSON may hold and this library does not write
        return b'{"v":1,"append_minute_ms":' + b"9" * 40 + b',"partition":0,"rows":[]}'
