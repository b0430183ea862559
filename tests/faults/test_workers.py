"""Several delivery processes that are one unit: what is shown of one elsewhere, and what only several can do."""

import secrets
from pathlib import Path

import orjson
import psutil
import pytest

from flows.delivery.dataflow import FLOW
from flows.runtime.recovery import IDENTITY_FILE
from model.delivery.retry_tiers import RETRY_TIERS
from tests.kit.cluster import Cluster, assert_all_arrived, cluster, plain_events
from tests.kit.kafka.broker import Broker
from tests.kit.kafka.fixture import OtherBroker
from tests.kit.system import wait_until

EVENTS = 1_800
KILLS = 3
PARTITIONS = 4


def all_at_work(made: Cluster, count: int) -> list[psutil.Process]:
    """Wait until each of ``count`` processes has a partition open, which is when all are connected."""
    replay_marks = made.data / "recovery" / FLOW / "replay_marks"
    parts = made.deployment.workspace.topics.partitions * (1 + len(RETRY_TIERS))

    def working() -> bool:
        pages = [page for page in replay_marks.glob("*-?.json") if not orjson.loads(page.read_bytes())["clean"]]
        return len(made.workers()) == count and len(pages) >= parts

    wait_until(working, 60, f"{count} processes at work: {made.log_of('delivery')}", 0.1)
    return made.workers()


def kill_one_of_them(made: Cluster, processes: int) -> None:
    """Send everything, and kill one process three times while it works; the supervisor starts all of them again."""
    made.start("recording")
    made.start_processes(processes)
    for kill in range(KILLS):
        made.send(plain_events(EVENTS // KILLS, first=kill * EVENTS // KILLS))
        made.wait_for("healthy", {"calls": kill * EVENTS // KILLS + EVENTS // KILLS // 3})
        before = made.workers()
        before[kill % processes].kill()
        wait_until(lambda before=before: not any(each.is_running() for each in before), 30, "they died together")  # type: ignore[misc]
        wait_until(lambda: len(made.workers()) == processes, 60, "they are started again", 0.1)


@pytest.mark.parametrize("processes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_processes_that_share_the_work_deliver_each_event_once(tmp_path: Path, processes: int) -> None:
    targets = {f"d{number}": f"/healthy/{number}" for number in range(4)}
    with cluster(tmp_path, targets, more=f"topics: {{partitions: {PARTITIONS}}}") as made:
        made.start("recording")
        made.start_processes(processes)
        made.send(plain_events(500))
        for number in range(4):
            made.wait_for(f"healthy/{number}", {"delivered_keys": 500})
        made.stop("delivery")
        made.stop("recording")
        numbers, tally = made.numbers(), made.target.tally()
    assert {counted["calls"] for counted in tally.values()} == {500}
    assert numbers["balance"]["routed"] == numbers["balance"]["delivered"] == 4 * 500
    assert numbers["balance"]["unexplained"] == numbers["ingest"]["unexplained"] == 0
    assert numbers["metrics"]["possible_duplicates"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_nothing_is_lost_when_one_of_the_processes_is_killed_three_times(tmp_path: Path, processes: int) -> None:
    with cluster(tmp_path, {"crm": "/healthy"}, more=f"topics: {{partitions: {PARTITIONS}}}") as made:
        kill_one_of_them(made, processes)
        assert_all_arrived(made, EVENTS)


@pytest.mark.slow
def test_kafka_nothing_is_lost_when_one_of_the_processes_is_killed_three_times(
    tmp_path: Path, kafka: Broker | OtherBroker
) -> None:
    url = f"kafka://{kafka.address}/test-{secrets.token_hex(8)}"
    more = f"topics: {{url: '{url}', partitions: {PARTITIONS}}}"
    with cluster(tmp_path, {"crm": "/healthy"}, more=more) as made:
        kill_one_of_them(made, 2)
        assert_all_arrived(made, EVENTS)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_the_number_of_processes_and_of_shards_may_change_with_deliveries_in_every_state(
    tmp_path: Path, how: str
) -> None:
    """1 → 2 → 1 with retries pending, deliveries held and calls under way; a clean stop still sends nothing twice."""
    each = 400
    destinations = {"crm": "/scripted/crm", "ads": "/slow?ms=20"}
    more = f"topics: {{partitions: {PARTITIONS}}}"
    with cluster(tmp_path, destinations, settings="breaker: {enabled: false}", more=more) as made:
        text = made.file.read_text(encoding="utf-8")
        made.start("recording")
        for number, (processes, shards) in enumerate([(1, 4), (2, 4), (1, 4), (2, 3)]):
            made.file.write_text(text.replace("delivery:\n", f"delivery:\n  shards: {shards}\n"), encoding="utf-8")
            made.start_processes(processes)
            events = plain_events(each, first=number * each)
            for event in events[::2]:
                event["properties"]["script"] = [503, 503, 200]
            made.send(events)
            made.wait_for("slow", {"calls": number * each + each // 4})
            if how == "stopped":
                made.stop("delivery")
            else:
                all_at_work(made, processes)
                made.kill("delivery")
        made.start_processes(1)
        total = 4 * each
        made.wait_for("slow", {"delivered_keys": total})
        made.wait_for("scripted/crm", {"delivered_keys": total})
        made.stop("delivery")
        made.stop("recording")
        numbers, tally = made.numbers(), made.target.tally()
    assert numbers["balance"]["routed"] == numbers["balance"]["delivered"] == 2 * total
    assert numbers["balance"]["unexplained"] == numbers["ingest"]["unexplained"] == 0
    twice = sum(counted["keys_delivered_more_than_once"] for counted in tally.values())
    assert numbers["metrics"]["possible_duplicates"] >= twice
    if how == "stopped":
        assert twice == numbers["metrics"]["possible_duplicates"] == 0


@pytest.mark.slow
def test_a_lost_recovery_directory_stops_all_of_them_and_says_what_to_do(tmp_path: Path) -> None:
    with cluster(tmp_path, {"crm": "/healthy"}) as made:
        made.start_processes(2)
        all_at_work(made, 2)
        made.stop("delivery")
        (made.data / "recovery" / FLOW / IDENTITY_FILE).unlink()
        made.start_processes(2)
        ended = made.ended("delivery")
        assert ended == 78 and "waybill recover delivery" in made.log_of("delivery")


@pytest.mark.slow
def test_a_worker_that_runs_insert_functions_stops_cleanly_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kept_functions.py").write_text("def keep(event, settings):\n    return event\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with cluster(tmp_path, {"crm": "/healthy"}) as made:
        text = made.file.read_text(encoding="utf-8")
        function = 'destination: crm, insert_function: "kept_functions:keep"}'
        made.file.write_text(text.replace("destination: crm}", function), encoding="utf-8")
        made.start("recording")
        for number in range(2):
            made.start_processes(1)
            made.send(plain_events(100, first=number * 100))
            made.wait_for("healthy", {"delivered_keys": (number + 1) * 100})
            made.stop("delivery")
            assert "Traceback" not in made.log_of("delivery")
        made.stop("recording")
        numbers = made.numbers()
    assert numbers["metrics"]["delivered"] == 200 and numbers["metrics"]["possible_duplicates"] == 0


def test_all_end_when_whoever_started_them_is_killed(tmp_path: Path) -> None:
    with cluster(tmp_path, {"crm": "/healthy"}) as made:
        made.start_processes(2)
        workers = all_at_work(made, 2)
        made.kill("delivery")
        wait_until(lambda: not any(worker.is_running() for worker in workers), 20, "they ended")
