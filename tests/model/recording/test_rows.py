import orjson
import pytest

from model.recording.facts import Fact, State, kind_of
from model.recording.replays import Decision, EarlierOutcome
from model.recording.rollup import LogMinute
from model.recording.rows import LogPosition, minute_row, rows_of
from tests.kit.samples import ONE_OF_EACH, T0, attempt_failed, outcome, received, rejected, sample, watermark_report

AT = LogPosition(1, 88, T0 + 300)


def only_row(fact: Fact, decision: Decision | None = None) -> dict[str, object]:
    (row,) = rows_of(fact, AT, decision or Decision(1))
    return row.values


@pytest.mark.parametrize(
    ("fact", "table"),
    [(fact, {"sample": "samples", "watermark": "watermarks"}.get(kind_of(fact), "facts")) for fact in ONE_OF_EACH],
    ids=map(kind_of, ONE_OF_EACH),
)
def test_each_fact_is_one_row_that_says_where_in_the_log_it_stands(fact: Fact, table: str) -> None:
    (row,) = rows_of(fact, AT, Decision(1))
    assert row.table == table
    assert (row.values["log_partition"], row.values["log_offset"]) == (1, 88)
    orjson.dumps(row.values)


def test_a_repetition_is_kept_and_counts_zero() -> None:
    assert only_row(outcome(), Decision(0))["count"] == 0


def test_latency_runs_from_receiving_and_is_never_negative() -> None:
    assert only_row(outcome(at_ms=T0 + 250))["latency_ms"] == 250
    assert only_row(outcome(at_ms=T0 - 250))["latency_ms"] == 0


def test_a_corrected_outcome_takes_back_exactly_what_it_corrects() -> None:
    fact = outcome(message="ok", resent=True)
    own, back = rows_of(fact, AT, Decision(1, takes_back=EarlierOutcome(State.DISCARDED, "400", T0 - 9, 1)))
    assert (own.values["count"], own.values["state"], own.values["correction"]) == (1, "delivered", 0)
    assert (back.values["count"], back.values["state"], back.values["correction"]) == (-1, "discarded", 1)
    assert (back.values["code"], back.values["at"], back.values["resent"]) == ("400", T0 - 9, False)
    assert back.values["delivery_id"] == own.values["delivery_id"]


def test_details_of_each_kind_have_their_columns() -> None:
    assert only_row(received(routes=(("id", "crm", ""),)))["routes"] == (("id", "crm", ""),)
    assert only_row(attempt_failed(due_at_ms=T0 + 9))["due_at"] == T0 + 9
    assert only_row(rejected(count=4))["items"] == 4
    assert only_row(watermark_report())["positions"] == [("events", 0, 5, 7, 3)]
    assert only_row(sample())["at"] == T0 + 250


def test_a_sample_says_nothing_of_runs_and_crashes() -> None:
    assert not {"replayed", "resent", "run", "at_ms"} & only_row(sample()).keys()


def test_a_minute_row_has_whole_seconds_and_the_version_of_what_it_includes() -> None:
    minute = LogMinute(T0)
    minute.add(outcome(), Decision(1))
    ((series, counts),) = minute.rows()
    row = minute_row(series, counts, append_minute_ms=T0 + 60_000, partition=1, version=88)
    assert row.table == "minutes"
    expected = {"minute": T0 // 1_000, "append_minute": T0 // 1_000 + 60, "log_partition": 1, "version": 88, "count": 1}
    assert row.values.items() >= {**expected, "status": "delivered", "by_attempt": {"1": 1}}.items()
