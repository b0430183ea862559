"""Which version of the workspace routes which events, kept across restarts.

A change makes a version, active from an offset in each partition of topic events. An event read again after a crash is
routed by the version that routed it first, so that it becomes the same deliveries. The versions stand in the recovery
directory beside the snapshots of the same runs: one file for each partition, used by one process at a time. They hold
the workspace as written, with ``${NAME}`` unresolved, and so no secrets.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from flows.engine.files import write_atomically
from flows.workspace.compiled import compile_workspace
from model.routing.compile import compile_connections
from model.routing.routing import CompiledConnection
from model.workspace.workspace import Workspace

VERSIONS_DIRECTORY = "workspaces"  # in the recovery directory
VERSIONS_LIMIT = 50  # a restart replays an epoch, so it never needs older versions
Plans = Mapping[str, tuple[CompiledConnection, ...]]


class _AnyEnvironment(dict[str, str]):
    """Every variable exists: an old version is used only for routing, and its secrets may no longer be set."""

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name) or "not-used"

    def __getitem__(self, name: str) -> str:
        return super().get(name) or "not-used"


class WorkspaceVersions:
    """The active version in one process, and the earlier ones of the partitions it reads."""

    def __init__(self, directory: Path, workspace: Workspace) -> None:
        self.current = compile_workspace(workspace)
        self._directory = directory
        self._text = _text(workspace)
        self._lock = Lock()
        self._histories: dict[int, _History] = {}

    def open(self, partition: int, next_offset: int) -> None:
        """Start reading a partition of events; ``next_offset``: the first that no earlier run can have routed."""
        with self._lock:
            path = self._directory / f"{partition}.json"
            self._histories[partition] = _History(path, self._text, next_offset)

    @contextmanager
    def pinned(self, partition: int, next_offset: int) -> Iterator[None]:
        """Keep the version unchanged while a batch of events is routed; ``next_offset`` follows the batch."""
        with self._lock:
            history = self._histories[partition]
            history.next_offset = max(history.next_offset, next_offset)
            yield

    def plans(self, partition: int, offset: int, source: str) -> tuple[CompiledConnection, ...]:
        """The connections of a source as they were when the event at an offset was first routed."""
        earlier = self._histories[partition].plans_at(offset)
        return (self.current.routes if earlier is None else earlier).get(source, ())

    def change(self, workspace: Workspace) -> bool:
        """Activate a version for events not yet read; durable before it routes any. False: nothing changed."""
        configuration, text = compile_workspace(workspace), _text(workspace)
        with self._lock:
            if text == self._text:
                self.current = configuration  # the value of a ${NAME} may have changed
                return False
            for history in self._histories.values():
                history.change(text, self.current.routes)
            self._text = text
            self.current = configuration
        return True


class _History:
    """The versions of one partition, each with the offset it routes from."""

    def __init__(self, path: Path, text: str, next_offset: int) -> None:
        self.next_offset = next_offset
        self._path = path
        self._written: list[dict[str, Any]] = orjson.loads(path.read_bytes()) if path.exists() else []
        self._earlier: list[tuple[int, Plans]] = [
            (entry["from"], _plans(entry["workspace"])) for entry in self._written[:-1]
        ]
        self._from: int = self._written[-1]["from"] if self._written else 0
        if not self._written:
            self._start(text, 0)
        elif self._written[-1]["workspace"] != text:
            self.change(text, _plans(self._written[-1]["workspace"]))

    def plans_at(self, offset: int) -> Plans | None:
        """The plans that routed the event at an offset; None for the active ones."""
        if offset >= self._from:
            return None
        # Older than any version kept: None too.
        return next((plans for since, plans in reversed(self._earlier) if offset >= since), None)

    def change(self, text: str, previous: Plans) -> None:
        """Start a version at the next offset."""
        self._earlier.append((self._from, previous))
        self._start(text, self.next_offset)

    def _start(self, text: str, since: int) -> None:
        self._written = [*self._written, {"from": since, "workspace": text}][-VERSIONS_LIMIT:]
        self._earlier = self._earlier[-VERSIONS_LIMIT:]
        write_atomically(self._path, orjson.dumps(self._written))
        self._from = since


def _text(workspace: Workspace) -> str:
    """The part of the workspace that routing depends on, as written."""
    return workspace.model_dump_json(include={"version", "sources", "destinations", "connections"}, by_alias=True)


@lru_cache(VERSIONS_LIMIT)
def _plans(text: str) -> Plans:
    workspace = Workspace.model_validate_json(text, context={"environ": _AnyEnvironment(os.environ)})
    return compile_connections(workspace)
