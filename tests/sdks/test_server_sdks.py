"""Segment's and RudderStack's SDKs for servers and phones send to Waybill by the lines of docs/sdks.md, and no others.

All programs run side by side, each against an ingest of its own that is busy first and then loses an answer.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.kit.ingest import events, eventually, rejections
from tests.sdks.installing import ToolMissing, go_program, java_program, kotlin_program, npm_packages, tool
from tests.sdks.kit import BUSY, Program, assert_calls, running
from tests.sdks.lines import PROGRAMS, from_environment, with_docs
from tests.sdks.tls import java_trust

pytestmark = pytest.mark.slow


# By SDK and whether ingest knows its write key; or why it cannot run here.
Programs = dict[tuple[str, bool], Program | str]


@dataclass(frozen=True)
class Started:
    """How a program is started."""

    command: list[str]
    environment: dict[str, str]


def of_python(name: str) -> Callable[[Path], Started]:
    def start(directory: Path) -> Started:
        script = directory / "program.py"
        lines = with_docs(PROGRAMS / "python" / f"{name}.py.txt")
        script.write_text(from_environment(lines, lambda variable: f'os.environ["{variable}"]'))
        return Started([sys.executable, str(script)], {})

    return start


def of_node(name: str) -> Callable[[Path], Started]:
    def start(directory: Path) -> Started:
        node, modules = tool("node", "nodejs"), npm_packages()
        script = directory / f"{name}.cjs"
        lines = with_docs(PROGRAMS / "node" / script.name)
        script.write_text(from_environment(lines, lambda variable: f"process.env.{variable}"))
        return Started([node, str(script)], {"NODE_PATH": str(modules)})

    return start


def of_go(directory: Path) -> Started:
    return Started([str(go_program())], {})


def of_java(directory: Path) -> Started:
    return Started(java_program(), {})


AUTHORITY = trustme.CA()


def of_kotlin(directory: Path) -> Started:
    java, *options = kotlin_program()
    return Started([java, *java_trust(AUTHORITY, directory), *options], {})


@dataclass(frozen=True)
class Sdk:
    """An SDK: how its program is started, what it calls itself, and what it is told when its write key is wrong.

    ``tells``: what the program prints of it; '' where the SDK has no way to say it unless asked. ``dated``: the program
    can give an event a time. ``busy``: what its first posts are answered with.
    """

    start: Callable[[Path], Started]
    library: str
    tells: str = ""
    calls: int = 6
    dated: bool = True
    previous: str = "a1"
    tls: bool = False
    busy: tuple[int, ...] = BUSY


REFUSED = '{"error": "unknown_source", "status": 401}'
SDKS = {
    "segment-python": Sdk(of_python("segment"), "analytics-python", REFUSED),
    "segment-node": Sdk(of_node("segment"), "@segment/analytics-node", '{"error":"delivery_failure"}'),
    "segment-go": Sdk(of_go, "analytics-go", '"code":"unknown_source"'),
    # It waits fifteen seconds and more before it tries again.
    "segment-java": Sdk(of_java, "analytics-java", busy=(503,)),
    # It has no page, and says itself when it happened and who the user was before.
    "segment-kotlin": Sdk(of_kotlin, "analytics-kotlin", calls=5, dated=False, previous="", tls=True),
    "rudder-python": Sdk(of_python("rudder"), "analytics-python", REFUSED),
    "rudder-node": Sdk(of_node("rudder"), "analytics-node", '{"error":"unknown_source","status":401}'),
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    found: Programs = {}
    with ExitStack() as stack:
        for name, sdk in SDKS.items():
            for known in (True, False):
                directory = tmp_path_factory.mktemp(name)
                try:
                    started = sdk.start(directory)
                except ToolMissing as missing:
                    found[name, known] = str(missing)
                    continue
                found[name, known] = stack.enter_context(
                    running(
                        started.command,
                        directory / "run",
                        environment=started.environment,
                        known=known,
                        busy=sdk.busy if known else (),
                        authority=AUTHORITY if sdk.tls else None,
                    )
                )
        yield found


def program(programs: Programs, name: str, *, known: bool) -> Program:
    found = programs[name, known]
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.mark.parametrize("name", SDKS)
def test_calls_arrive_once_each_though_ingest_is_busy_first(programs: Programs, name: str) -> None:
    sdk, made = SDKS[name], program(programs, name, known=True)
    found = made.arrived(sdk.calls, sdk.busy)
    assert len(found) == sdk.calls
    assert_calls(found, library=sdk.library, dated=sdk.dated, previous=sdk.previous)
    assert set(made.front.posts()[len(sdk.busy) :]) == {200}
    assert rejections(made.topics) == []


@pytest.mark.parametrize("name", SDKS)
def test_a_wrong_write_key_is_told_and_nothing_comes(programs: Programs, name: str) -> None:
    sdk, made = SDKS[name], program(programs, name, known=False)
    made.refused()
    assert sdk.tells in made.said()
    assert events(made.topics) == []
    refused = eventually(lambda: rejections(made.topics))  # those of unknown senders are counted together
    assert {fact.code for fact in refused} == {"unknown_source"}
