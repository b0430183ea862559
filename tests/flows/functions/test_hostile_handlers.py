import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.functions.host import FunctionHost, FunctionResult, NoEvent, Returned

MODULE = """
import asyncio, os, re, sys, time
from flows.functions import DropEvent

hoard = []

class Mute(Exception):
    def __str__(self): raise ValueError("no words")

def same(event, settings): return event
def fork(event, settings):
    if event.get("fork"): os.fork()
    time.sleep(0.001 * (os.getpid() % 3))
    return event
def fork_and_exit(event, settings):
    if os.fork() == 0: time.sleep(60)
    os._exit(9)
def close_everything(event, settings):
    os.closerange(3, 1000)
    time.sleep(60)
def read(event, settings): return {"read": sys.stdin.readline()}
def drop(event, settings): raise DropEvent("odd \\ud800")
def mute(event, settings): raise Mute()
def cancelled(event, settings): raise asyncio.CancelledError()
def big(event, settings): return {"x": 2**70}
def raw(event, settings): return {"x": b"bytes"}
def fill(event, settings):
    while True: hoard.append(bytearray(1 << 20))
def need(event, settings): return {"bytes": len(bytearray(20 << 20))}
def stuck(event, settings): return re.match("(a+)+$", "a" * 60 + "b")
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "hostile.py").write_text(MODULE)
    (tmp_path / "leaves.py").write_text("import sys; sys.exit(1)")
    (tmp_path / "dies.py").write_text("import os; os._exit(1)")
    return tmp_path


def results(directory: Path, *runs: tuple[str, dict[str, Any]], limit_seconds: float = 5) -> list[FunctionResult]:
    async def main() -> list[FunctionResult]:
        host = FunctionHost(directory, limit_seconds=limit_seconds)
        everything = asyncio.gather(*(host.run(name, event, {}) for name, event in runs))
        try:
            return list(await asyncio.wait_for(everything, 2 * limit_seconds + 2))
        finally:
            await host.close()

    return asyncio.run(main())


def nested(depth: int) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for _ in range(depth):
        event = {"in": event}
    return event


def test_a_forked_copy_never_answers_for_another_event(directory: Path) -> None:
    async def main() -> None:
        host = FunctionHost(directory)
        try:
            await host.run("hostile:fork", {"fork": True}, {})
            for wave in range(10):
                events = [{"n": wave * 20 + n} for n in range(20)]
                got = await asyncio.wait_for(asyncio.gather(*(host.run("hostile:fork", e, {}) for e in events)), 10)
                assert got == [Returned(event) for event in events]
        finally:
            await host.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["fork_and_exit", "close_everything"])
def test_a_death_that_hides_is_still_a_crash(directory: Path, name: str) -> None:
    crashed, fine = results(directory, (f"hostile:{name}", {}), ("hostile:same", {"n": 1}))
    assert isinstance(crashed, NoEvent) and crashed.code == "FUNCTION_CRASHED"
    assert fine == Returned({"n": 1})


@pytest.mark.parametrize("module", ["leaves", "dies"])
def test_a_module_that_ends_the_process_is_unavailable_and_blames_no_event(directory: Path, module: str) -> None:
    found, fine = results(directory, (f"{module}:handler", {}), ("hostile:same", {"n": 1}))
    assert isinstance(found, NoEvent) and found.code == "FUNCTION_UNAVAILABLE"
    assert fine == Returned({"n": 1})


def test_a_process_that_cannot_start_blames_no_event(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "resource.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(directory))  # so that it stands before the standard library's
    found = results(directory, ("hostile:same", {}), ("hostile:same", {}))
    assert [one.code for one in found if isinstance(one, NoEvent)] == ["FUNCTION_UNAVAILABLE"] * 2


@pytest.mark.parametrize("event", [{"n": "\ud800"}, nested(5000), nested(300)], ids=["surrogate", "deepest", "deep"])
def test_an_event_that_cannot_be_carried_fails_alone(directory: Path, event: dict[str, Any]) -> None:
    failed, fine = results(directory, ("hostile:same", event), ("hostile:same", {"n": 1}))
    assert isinstance(failed, NoEvent) and failed.code == "FUNCTION_FAILED"
    assert fine == Returned({"n": 1})


@pytest.mark.parametrize("name", ["mute", "cancelled", "big", "raw"])
def test_what_cannot_be_said_is_a_failure_and_no_crash(directory: Path, name: str) -> None:
    (failed,) = results(directory, (f"hostile:{name}", {}))
    assert isinstance(failed, NoEvent) and failed.code == "FUNCTION_FAILED"


def test_a_reason_that_is_no_unicode_is_kept_readable(directory: Path) -> None:
    assert results(directory, ("hostile:drop", {})) == [NoEvent("FILTERED_BY_FUNCTION", "odd ?")]


def test_a_handler_reads_nothing_of_what_the_host_sends(directory: Path) -> None:
    found = results(directory, ("hostile:read", {}), ("hostile:same", {"n": 1}))
    assert found == [Returned({"read": ""}), Returned({"n": 1})]


def test_memory_filled_by_one_event_is_free_for_the_next(directory: Path) -> None:
    # To fill it takes a second, and several times as long beside busy neighbours.
    full, fine = results(directory, ("hostile:fill", {}), ("hostile:need", {}), limit_seconds=60)
    assert isinstance(full, NoEvent) and full.code == "FUNCTION_FAILED"
    assert fine == Returned({"bytes": 20 << 20})


def test_modules_of_the_start_directory_take_the_place_of_none_that_the_process_needs(directory: Path) -> None:
    for name in ("resource", "msgspec", "orjson", "flows"):
        (directory / f"{name}.py").write_text("raise RuntimeError('imported')")
    (directory / "model.py").write_text("NAME = 'of the user'")
    (directory / "importing.py").write_text(
        "import flows.functions, model\ndef name(event, settings): return {'name': model.NAME}\n"
    )
    assert results(directory, ("importing:name", {})) == [Returned({"name": "of the user"})]


def test_closing_leaves_nobody_waiting_and_discards_nothing(directory: Path) -> None:
    async def main() -> list[FunctionResult]:
        host = FunctionHost(directory)
        await host.run("hostile:same", {}, {})
        under_way = [asyncio.ensure_future(host.run(f"hostile:{name}", {}, {})) for name in ("stuck", "same")]
        await asyncio.sleep(0)
        await host.close()
        late = host.run("hostile:same", {}, {})
        return list(await asyncio.wait_for(asyncio.gather(*under_way, late), 5))

    assert asyncio.run(main()) == [NoEvent("FUNCTION_UNAVAILABLE", "Waybill is stopping")] * 3


def test_a_worker_killed_leaves_no_handler_that_holds_the_interpreter(directory: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from flows.functions.host import FunctionHost;"
        "asyncio.run(FunctionHost(Path(sys.argv[1]), limit_seconds=60).run('hostile:stuck', {}, {}))"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    worker = subprocess.Popen([sys.executable, "-c", program, str(directory)], env=path)
    try:
        child = until(lambda: next(iter(psutil.Process(worker.pid).children()), None))
        until(lambda: child.cpu_times().user > 0.7)  # long after its start: in the regular expression
    finally:
        worker.kill()
        worker.wait()
    try:
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    finally:
        if child.is_running():
            child.kill()


def until(condition: Any) -> Any:
    deadline = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
