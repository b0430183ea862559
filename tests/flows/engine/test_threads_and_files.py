from pathlib import Path
from threading import Event

from flows.engine.files import write_atomically
from flows.engine.threads import every, in_background


def test_a_background_thread_runs_once() -> None:
    ran = Event()
    thread = in_background(ran.set, "once")
    thread.join(5)
    assert ran.is_set() and thread.daemon and thread.name == "once"


def test_periodic_work_ends_when_stop_is_set() -> None:
    stop, calls = Event(), list[int]()

    def work() -> None:
        calls.append(1)
        if len(calls) == 3:
            stop.set()

    thread = every(0.001, work, stop, "often")
    thread.join(5)
    assert not thread.is_alive() and len(calls) == 3


def test_periodic_work_ends_when_it_returns_false() -> None:
    calls = list[int]()

    def work() -> bool:
        calls.append(1)
        return len(calls) < 2

    thread = every(0.001, work, Event(), "often")
    thread.join(5)
    assert not thread.is_alive() and len(calls) == 2


def test_a_file_is_replaced_as_a_whole_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    for content in (b"one", b"two"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["state.json"]


def test_what_a_killed_writer_left_does_not_stand_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "state.json.new").write_bytes(b"half of")
    write_atomically(tmp_path / "state.json", b"all of it")
    assert (tmp_path / "state.json").read_bytes() == b"all of it"
