"""Segment's own packages, run in a Node child that answers questions: what Waybill computes is compared with them."""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import pytest

from tests.kit.npm import NodeMissing, node_modules

HERE = Path(__file__).parent
ANSWERS_TIMEOUT_SECONDS = 120.0  # for all questions of one call of `ask_all`
_CHUNK_QUESTIONS = 500


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What the reference says: a JSON value, nothing at all (JavaScript's undefined), or an error."""

    result: Any = None
    is_undefined: bool = False
    error: str | None = None


class Reference:
    """A running Node child. Kinds of questions are the ``.cjs`` files beside this one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, kind: str, question: Any) -> AttemptResult:
        """Ask one question."""
        return self.ask_all(kind, [question])[0]

    def ask_all(self, kind: str, questions: Iterable[Any]) -> list[AttemptResult]:
        """Ask many questions of one kind; the answers come in their order."""
        assert self._process.stdin and self._process.stdout
        lines = [f"{json.dumps({'kind': kind, 'input': question})}\n" for question in questions]
        answers = []
        watchdog = Timer(ANSWERS_TIMEOUT_SECONDS, self._process.kill)
        watchdog.start()
        try:
            for start in range(0, len(lines), _CHUNK_QUESTIONS):
                chunk = lines[start : start + _CHUNK_QUESTIONS]
                # Written beside the reading: pipes hold less than a chunk, and both ends would wait for each other.
                writer = Thread(target=self._write, args=("".join(chunk),), daemon=True)
                writer.start()
                for line in chunk:
                    said = self._process.stdout.readline()
                    assert said, f"the Node child ended, or gave no answer in time, at: {line[:1_000]}"
                    answers.append(_answer(json.loads(said)))
                writer.join()
        finally:
            watchdog.cancel()
        return answers

    def _write(self, text: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(text)
        self._process.stdin.flush()


def _answer(said: dict[str, Any]) -> AttemptResult:
    if "error" in said:
        return AttemptResult(error=said["error"])
    return AttemptResult(said.get("result"), is_undefined="result" not in said)


def install_packages() -> Path:
    """Return a ``node_modules`` with the pinned packages, installed once. Skips the test where npm is missing."""
    try:
        return node_modules(HERE / "package.json")
    except NodeMissing as error:
        pytest.skip(str(error))


@contextmanager
def running_reference() -> Iterator[Reference]:
    """Run the Node child, in UTC as Segment's servers do, until the block ends."""
    node_modules = install_packages()
    process = subprocess.Popen(
        ["node", str(HERE / "harness.cjs")],
        env={**os.environ, "NODE_PATH": str(node_modules), "TZ": "UTC"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Reference(process)
    finally:
        process.kill()
        process.communicate()
