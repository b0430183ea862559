import asyncio
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.functions.host import FunctionHost, FunctionResult, NoEvent, Returned

MODULE = """
import asyncio, ctypes, os, sys, time
from flows.functions import DropEvent, RejectEvent, RetryEvent

def add(event, settings):
    event["added"] = settings.get("what", "x")
    return event

async def later(event, settings):
    await asyncio.sleep(0)
    return {**event, "later": True}

def nothing(event, settings): return None
def number(event, settings): return 7
def odd(event, settings): return {"x": object()}
def huge(event, settings): return {"x": "y" * (2 << 20)}
def drop(event, settings): raise DropEvent("a test user")
def retry(event, settings): raise RetryEvent("not yet")
def reject(event, settings): raise RejectEvent("no email")
def fail(event, settings): return event["missing"]
def leave(event, settings): sys.exit(3)
def endless(event, settings):
    def again(): return again()
    return again()
def hog(event, settings): return {"x": len(bytearray(4 << 30))}
def prints(event, settings):
    print("said something")
    return event

def picky(event, settings):
    match event.get("do"):
        case "crash": ctypes.string_at(0)
        case "exit": os._exit(7)
        case "hang": time.sleep(60)
    return event
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "sample_functions.py").write_text(MODULE)
    return tmp_path


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def results(directory: Path, *runs: tuple[str, dict[str, Any]], limit_seconds: float = 5.0) -> list[FunctionResult]:
    async def main() -> list[FunctionResult]:
        host = FunctionHost(directory, limit_seconds=limit_seconds)
        try:
            return list(await asyncio.gather(*(host.run(f"sample_functions:{n}", e, {}) for n, e in runs)))
        finally:
            await host.close()

    found: list[FunctionResult] = run(main())
    return found


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("add", Returned({"n": 1, "added": "x"})),
        ("later", Returned({"n": 1, "later": True})),
        ("nothing", NoEvent("FILTERED_BY_FUNCTION", "it returned nothing")),
        ("drop", NoEvent("FILTERED_BY_FUNCTION", "a test user")),
        ("retry", NoEvent("FUNCTION_RETRY", "not yet")),
        ("reject", NoEvent("FUNCTION_REJECTED", "no email")),
        ("fail", NoEvent("FUNCTION_FAILED", "KeyError: 'missing'")),
        ("number", NoEvent("FUNCTION_FAILED", "it returned int, not an event")),
        ("leave", NoEvent("FUNCTION_FAILED", "SystemExit: 3")),
        ("prints", Returned({"n": 1})),
    ],
)
def test_what_a_function_does_is_what_is_said(directory: Path, name: str, result: FunctionResult) -> None:
    assert results(directory, (name, {"n": 1})) == [result]


def test_integers_of_any_size_are_passed_on(directory: Path) -> None:
    assert results(directory, ("later", {"n": 2**70})) == [Returned({"n": 2**70, "later": True})]


@pytest.mark.parametrize("name", ["odd", "huge", "endless", "hog"])
def test_what_cannot_be_sent_is_a_failure_and_the_next_event_goes_on(directory: Path, name: str) -> None:
    failed, fine = results(directory, (name, {}), ("later", {}))
    assert isinstance(failed, NoEvent) and failed.code == "FUNCTION_FAILED"
    assert fine == Returned({"later": True})


@pytest.mark.parametrize(
    ("deed", "code"), [("crash", "FUNCTION_CRASHED"), ("exit", "FUNCTION_CRASHED"), ("hang", "FUNCTION_TIMEOUT")]
)
def test_only_the_event_that_killed_the_process_is_to_blame(directory: Path, deed: str, code: str) -> None:
    runs = [("picky", {"n": n, **({"do": deed} if n in {3, 11} else {})}) for n in range(20)]
    found = results(directory, *runs, limit_seconds=0.5)
    assert [n for n, one in enumerate(found) if isinstance(one, NoEvent)] == [3, 11]
    assert {one.code for one in found if isinstance(one, NoEvent)} == {code}
    assert [one.event["n"] for one in found if isinstance(one, Returned)] == [n for n in range(20) if n not in {3, 11}]


def test_a_module_that_is_not_there_can_be_put_there(directory: Path) -> None:
    (missing,) = results(directory, ("gone", {}))
    assert isinstance(missing, NoEvent) and missing.code == "FUNCTION_UNAVAILABLE"


def test_changed_code_is_taken_over_on_reload(directory: Path) -> None:
    async def main() -> list[FunctionResult]:
        host = FunctionHost(directory)
        before = await host.run("sample_functions:add", {}, {"what": "a"})
        (directory / "sample_functions.py").write_text("def add(event, settings): return {'new': 1}\n")
        same = await host.run("sample_functions:add", {}, {"what": "b"})
        host.reload()
        after = await host.run("sample_functions:add", {}, {})
        await host.close()
        return [before, same, after]

    assert run(main()) == [Returned({"added": "a"}), Returned({"added": "b"}), Returned({"new": 1})]


def test_what_it_prints_is_shown_and_kept_out_of_the_answers(directory: Path) -> None:
    shown: list[str] = []

    async def main() -> None:
        host = FunctionHost(directory, show=shown.append)
        assert await host.run("sample_functions:prints", {}, {}) == Returned({})
        await host.close()

    run(main())
    deadline = time.monotonic() + 5
    while not shown:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert shown == ["said something"]


def test_a_run_that_is_given_up_leaves_the_others_alone(directory: Path) -> None:
    async def main() -> FunctionResult:
        host = FunctionHost(directory, limit_seconds=1)
        given_up = asyncio.ensure_future(host.run("sample_functions:picky", {"do": "hang"}, {}))
        other = asyncio.ensure_future(host.run("sample_functions:add", {}, {}))
        await asyncio.sleep(0.1)
        given_up.cancel()
        result = await other
        await host.close()
        return result

    assert run(main()) == Returned({"added": "x"})


def test_closing_leaves_no_process_behind(directory: Path) -> None:
    async def main() -> None:
        host = FunctionHost(directory)
        await host.run("sample_functions:add", {}, {})
        assert children()
        await host.close()

    def children() -> list[psutil.Process]:
        return [p for p in psutil.Process(os.getpid()).children() if "flows.functions.child" in " ".join(p.cmdline())]

    run(main())
    assert children() == []
