"""What one connection's insert function does is felt by its own connection alone."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.functions import queue
from flows.functions.host import FunctionHost, FunctionResult, NoEvent, Returned

MODULE = """
import os, subprocess, sys, time

hoard = []

def same(event, settings): return event
def spin(event, settings):
    while True: pass
def sleepy(event, settings):
    time.sleep(0.2)
    return event
def maybe(event, settings):
    while event.get("hang"): pass
    return event
def crash(event, settings): os._exit(3)
def flood(event, settings):
    while True: print("x" * 4000)
def leak(event, settings):
    hoard.append(bytearray(300 << 20))
    return {"n": event["n"]}
def start_sleepers(event, settings):
    alone = dict(start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pids = [subprocess.Popen(["sleep", "300"]).pid, subprocess.Popen(["sleep", "300"], **alone).pid,
            subprocess.Popen(["sleep", "300"], env={}).pid]
    if event.get("tell"):
        with open(event["tell"], "w") as file: file.write(" ".join(map(str, pids)))
    while event.get("hang"): pass
    return {"pids": pids}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "isolated.py").write_text(MODULE)
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    until(lambda: not [p for p in psutil.Process().children(recursive=True) if "flows" in " ".join(p.cmdline())])


def until(condition: Any, seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("bad", ["spin", "crash", "flood"])
def test_a_bad_function_takes_nothing_from_another_connections_pace(directory: Path, bad: str) -> None:
    async def main() -> tuple[list[FunctionResult], float]:
        host = FunctionHost(directory, limit_seconds=30)
        await host.run("isolated:same", {}, {}, "web -> crm")
        harm = [asyncio.ensure_future(host.run(f"isolated:{bad}", {}, {}, "web -> ads")) for _ in range(100)]
        await asyncio.sleep(0.3)
        began_seconds = time.monotonic()
        runs = (host.run("isolated:same", {"n": n}, {}, "web -> crm") for n in range(200))
        done = list(await asyncio.gather(*runs))
        took_seconds = time.monotonic() - began_seconds
        await host.close()
        await asyncio.gather(*harm)
        return done, took_seconds

    done, took_seconds = asyncio.run(main())
    assert done == [Returned({"n": n}) for n in range(200)]
    assert took_seconds < 5  # a hang's time limit is thirty


def test_the_same_function_of_two_connections_hangs_for_one_of_them_only(directory: Path) -> None:
    async def main() -> list[FunctionResult]:
        host = FunctionHost(directory, limit_seconds=30)
        hung = asyncio.ensure_future(host.run("isolated:maybe", {"hang": True}, {}, "app -> crm"))
        await asyncio.sleep(0.2)
        fine = await asyncio.wait_for(
            asyncio.gather(*(host.run("isolated:maybe", {"n": n}, {}, "web -> crm") for n in range(50))), 15
        )
        await host.close()
        await hung
        return list(fine)

    assert asyncio.run(main()) == [Returned({"n": n}) for n in range(50)]


def test_a_function_that_hangs_again_and_again_lets_go_of_what_waits_for_it(directory: Path) -> None:
    async def main() -> tuple[list[FunctionResult], FunctionResult, float]:
        host = FunctionHost(directory, limit_seconds=0.3)
        found = list(await asyncio.gather(*(host.run("isolated:spin", {}, {}) for _ in range(50))))
        began_seconds = time.monotonic()
        later = await host.run("isolated:spin", {}, {})
        took_seconds = time.monotonic() - began_seconds
        await host.close()
        return found, later, took_seconds

    found, later, took_seconds = asyncio.run(main())
    codes = [one.code for one in found if isinstance(one, NoEvent)]
    tried = queue.TIMEOUTS_IN_A_ROW
    assert codes == ["FUNCTION_TIMEOUT"] * tried + ["FUNCTION_PAUSED"] * (50 - tried)
    assert isinstance(later, NoEvent) and later.code == "FUNCTION_PAUSED" and took_seconds < 0.2


def test_after_its_pause_a_function_is_tried_by_one_event_and_goes_on_when_that_is_well(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "FIRST_PAUSE_SECONDS", 0.2)

    async def main() -> tuple[FunctionResult, FunctionResult, FunctionResult]:
        host = FunctionHost(directory, limit_seconds=0.3)
        for _ in range(queue.TIMEOUTS_IN_A_ROW):
            await host.run("isolated:maybe", {"hang": True}, {})
        await asyncio.sleep(0.25)
        trial = asyncio.ensure_future(host.run("isolated:maybe", {"n": 1}, {}))
        await asyncio.sleep(0)
        beside = await host.run("isolated:maybe", {"n": 2}, {})
        first = await trial
        after = await host.run("isolated:maybe", {"n": 3}, {})
        await host.close()
        return first, beside, after

    first, beside, after = asyncio.run(main())
    assert first == Returned({"n": 1}) and after == Returned({"n": 3})
    assert isinstance(beside, NoEvent) and beside.code == "FUNCTION_PAUSED"


def test_what_waits_too_long_behind_a_slow_function_goes_back(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "WAIT_SECONDS", 0.7)

    async def main() -> list[FunctionResult]:
        host = FunctionHost(directory)
        await host.run("isolated:sleepy", {}, {})
        await host.run("isolated:sleepy", {}, {})  # how long it takes is known from here on
        found = await asyncio.gather(*(host.run("isolated:sleepy", {}, {}) for _ in range(30)))
        await host.close()
        return list(found)

    found = asyncio.run(main())
    late = [one for one in found if isinstance(one, NoEvent)]
    assert {one.code for one in late} == {"FUNCTION_PAUSED"} and 0 < len(found) - len(late) < 15


def test_an_event_is_not_blamed_for_memory_that_events_before_it_filled(directory: Path) -> None:
    async def main() -> list[FunctionResult]:
        host = FunctionHost(directory)
        found = await asyncio.gather(*(host.run("isolated:leak", {"n": n}, {}) for n in range(8)))
        await host.close()
        return list(found)

    assert asyncio.run(main()) == [Returned({"n": n}) for n in range(8)]


def test_more_connections_than_processes_are_all_served(directory: Path) -> None:
    async def main() -> tuple[list[FunctionResult], int]:
        host = FunctionHost(directory, processes_limit=2)
        most = 0
        found: list[FunctionResult] = []
        for _ in range(2):
            runs = [host.run("isolated:same", {"n": n}, {}, f"web -> {n}") for n in range(5)]
            found += await asyncio.wait_for(asyncio.gather(*runs), 20)
            most = max(most, len(functions_children()))
        await host.close()
        return found, most

    found, most = asyncio.run(main())
    assert found == [Returned({"n": n}) for n in range(5)] * 2 and most <= 2


def functions_children() -> list[psutil.Process]:
    return [p for p in psutil.Process(os.getpid()).children() if "flows.functions.child" in " ".join(p.cmdline())]


def test_processes_a_function_started_end_when_waybill_stops(directory: Path) -> None:
    async def main() -> FunctionResult:
        host = FunctionHost(directory)
        started = await host.run("isolated:start_sleepers", {}, {})
        assert isinstance(started, Returned) and not any(map(gone, started.event["pids"]))
        await host.close()
        return started

    started = asyncio.run(main())
    assert isinstance(started, Returned) and all(map(gone, started.event["pids"]))


def test_processes_a_function_started_end_with_it_when_it_hangs(directory: Path) -> None:
    told = directory / "pids"

    async def main() -> FunctionResult:
        host = FunctionHost(directory, limit_seconds=1)
        hung = await host.run("isolated:start_sleepers", {"hang": True, "tell": str(told)}, {})
        until(lambda: all(gone(int(pid)) for pid in told.read_text().split()))
        await host.close()
        return hung

    hung = asyncio.run(main())
    assert isinstance(hung, NoEvent) and hung.code == "FUNCTION_TIMEOUT"


def test_processes_a_function_started_end_when_waybill_is_killed(directory: Path) -> None:
    told = directory / "pids"
    program = (
        "import asyncio, sys; from pathlib import Path; from flows.functions.host import FunctionHost;"
        "asyncio.run(FunctionHost(Path(sys.argv[1]), limit_seconds=60)"
        ".run('isolated:start_sleepers', {'hang': True, 'tell': sys.argv[2]}, {}))"
    )
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    worker = subprocess.Popen([sys.executable, "-c", program, str(directory), str(told)], env=path)
    try:
        pids = until(lambda: told.exists() and told.read_text().split())
        until(lambda: len(psutil.Process(worker.pid).children()) == 2)  # the function's process and the guardian
    finally:
        worker.kill()
        worker.wait()
    until(lambda: all(gone(int(pid)) for pid in pids))
