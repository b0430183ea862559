from pathlib import Path
from shutil import rmtree

import pytest

from flows.runtime.recovery import IDENTITY_FILE, RecoveryLost, check_recovery, log_id, reset_recovery
from tests.kit.fakes import Clock, MemoryTopics
from tests.kit.samples import T0


@pytest.fixture
def topics() -> MemoryTopics:
    return MemoryTopics(Clock(T0))


@pytest.fixture
def recovery(tmp_path: Path) -> Path:
    return tmp_path / "recovery"


def snapshots(recovery: Path) -> list[Path]:
    return list(recovery.glob("part-*.sqlite3"))


def test_the_first_start_makes_the_directory_and_later_ones_keep_it(topics: MemoryTopics, recovery: Path) -> None:
    check_recovery(topics, "delivery", recovery)
    (part,) = snapshots(recovery)
    made = part.stat().st_ino
    check_recovery(topics, "delivery", recovery)
    assert part.stat().st_ino == made


@pytest.mark.parametrize("lost", ["directory", "identity", "snapshots"])
def test_a_lost_directory_is_refused_and_the_remedy_named(topics: MemoryTopics, recovery: Path, lost: str) -> None:
    check_recovery(topics, "delivery", recovery)
    if lost == "directory":
        rmtree(recovery)
    elif lost == "identity":
        (recovery / IDENTITY_FILE).unlink()
    else:
        snapshots(recovery)[0].unlink()
    with pytest.raises(RecoveryLost, match="waybill recover delivery"):
        check_recovery(topics, "delivery", recovery)


def test_the_directory_of_other_topics_is_refused(topics: MemoryTopics, recovery: Path) -> None:
    check_recovery(MemoryTopics(Clock(T0)), "delivery", recovery)
    with pytest.raises(RecoveryLost, match="other topics"):
        check_recovery(topics, "delivery", recovery)


def test_the_directory_of_another_flow_is_refused(topics: MemoryTopics, recovery: Path, tmp_path: Path) -> None:
    check_recovery(topics, "delivery", recovery)
    check_recovery(topics, "recording", tmp_path / "other")
    with pytest.raises(RecoveryLost):
        check_recovery(topics, "recording", recovery)


def test_a_first_start_that_was_cut_short_is_done_again(topics: MemoryTopics, recovery: Path) -> None:
    reset_recovery(MemoryTopics(Clock(T0)), "delivery", recovery)
    (recovery / IDENTITY_FILE).unlink()
    check_recovery(topics, "delivery", recovery)
    check_recovery(topics, "delivery", recovery)


def test_beginning_anew_forgets_old_positions_and_makes_the_directory_the_flows_own(
    topics: MemoryTopics, recovery: Path
) -> None:
    check_recovery(MemoryTopics(Clock(T0)), "delivery", recovery)
    (recovery / "part-7.sqlite3").write_bytes(b"old")
    reset_recovery(topics, "delivery", recovery)
    assert len(snapshots(recovery)) == 1
    check_recovery(topics, "delivery", recovery)


def test_a_log_keeps_its_name_and_other_topics_have_another(topics: MemoryTopics, recovery: Path) -> None:
    check_recovery(topics, "delivery", recovery)
    name = log_id(topics, "delivery")
    reset_recovery(topics, "delivery", recovery)
    assert name and log_id(topics, "delivery") == name
    others = MemoryTopics(Clock(T0))
    check_recovery(others, "delivery", recovery.with_name("other"))
    assert log_id(others, "delivery") not in {"", name}


def test_a_log_read_before_there_were_names_keeps_having_none(topics: MemoryTopics, recovery: Path) -> None:
    topics.put_metadata("delivery.identity", b"of an older Waybill")
    reset_recovery(topics, "delivery", recovery)
    assert log_id(topics, "delivery") == ""
