import pytest

from flows.engine import backoff
from flows.topics.interface import OUTCOMES, ProduceFailed
from flows.topics.sink import FACTS_PER_POLL, OutgoingRecord, TopicSink
from tests.kit.fakes import Clock, MemoryTopics
from tests.kit.samples import T0

ONE, TWO = OutgoingRecord("copy", b"k", b"one", 1), OutgoingRecord("copy", b"k", b"two")


def test_facts_are_appended_in_small_parts_and_the_rest_waits_for_the_snapshot_with_watermark_reports_last() -> None:
    topics = MemoryTopics(Clock(T0), names=[OUTCOMES, "retries.1s"])
    partition = TopicSink(topics).build_part("append", "0", None)
    report, retry = OutgoingRecord(OUTCOMES, b"t", b"report", 0), OutgoingRecord("retries.1s", b"k", b"retry")
    facts = [OutgoingRecord(OUTCOMES, b"k", b"%d" % number) for number in range(FACTS_PER_POLL + 1)]
    partition.write_batch([[report, retry], facts])
    assert [record.value for record in topics.records(OUTCOMES)] == [fact.value for fact in facts[:FACTS_PER_POLL]]
    assert topics.records("retries.1s") == []
    topics.failure = ProduceFailed("no room")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backoff.retry_forever, "__defaults__", (lambda seconds: setattr(topics, "failure", None),))
        partition.snapshot()
    assert [record.value for record in topics.records("retries.1s")] == [b"retry"]
    assert [record.value for record in topics.records(OUTCOMES)][-2:] == [facts[-1].value, b"report"]


def test_nothing_but_facts_is_appended_before_the_snapshot_and_then_in_one_flush() -> None:
    topics = MemoryTopics(Clock(T0), partitions=2, names=["copy"])
    partition = TopicSink(topics).build_part("append", "0", None)
    partition.write_batch([[ONE]])
    partition.write_batch([[TWO]])
    assert topics.records("copy") == []
    partition.snapshot()
    assert {record.value for record in topics.records("copy")} == {b"one", b"two"}
    assert [record.partition for record in topics.records("copy") if record.value == b"one"] == [1]
    assert topics.flushes == 2  # all of it, then watermark reports


def test_a_topic_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = MemoryTopics(Clock(T0), names=["copy"])
    partition = TopicSink(topics).build_part("append", "0", None)
    partition.write_batch([[TWO]])
    tries = 0

    def sleep(seconds: float) -> None:
        nonlocal tries
        tries += 1
        assert topics.records("copy") == []
        if tries == 3:
            topics.failure = None

    topics.failure = ProduceFailed("no room")
    monkeypatch.setattr(backoff.retry_forever, "__defaults__", (sleep,))
    partition.snapshot()
    assert tries == 3
    assert [record.value for record in topics.records("copy")] == [b"two"]


def test_all_partitions_of_a_process_are_one_which_flushes_once() -> None:
    topics = MemoryTopics(Clock(T0), names=["copy"])
    sink = TopicSink(topics)
    parts = [sink.build_part("append", part, None) for part in sink.list_parts()]
    for part in parts:
        part.write_batch([[TWO]])
    for part in parts:
        part.snapshot()
    assert len(topics.records("copy")) == len(parts) > 1
    assert topics.flushes == 2 * len(parts) and len({id(part) for part in parts}) == 1


def test_outputs_are_appended_by_the_process_that_made_them_all_of_one_key_in_one_place() -> None:
    sink = TopicSink(MemoryTopics(Clock(T0), names=["copy"]))
    assert sink.assign_local_partition(("3", [ONE])) == ("3", [ONE])  # before it has any
    sink.build_part("append", "7", None)
    assert sink.assign_local_partition(("5", [ONE])) == ("7", [ONE]) and sink.part_fn("7") == 7
    assert sink.assign_local_partition(("3", [TWO])) == ("3", [TWO])  # as before: what has one key stays in order
    assert 0 <= sink.part_fn("any key") < len(sink.list_parts())
