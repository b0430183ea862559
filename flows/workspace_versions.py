"""Which version of the workspace routes which events, kept over restarts.

A change is a version, activated at an offset of each partition of topic events. An event read again after a crash is
routed by the version that routed it first, so that the deliveries it became are the same ones. The file stands in the
recovery directory, because it speaks of the same runs as the snapshots there; it holds the workspace as written,
``${NAME}`` and all, and so no secrets.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from flows.configuration import configure
from model.connection_plan import plans_of
from model.routing import ConnectionPlan
from model.workspace import Workspace

VERSIONS_FILE = "workspaces.json"
VERSIONS_LIMIT = 50  # older ones than this many changes are not needed by any restart
Plans = Mapping[str, tuple[ConnectionPlan, ...]]


class _AnyEnvironment(dict[str, str]):
    """Only routing is taken from an old version: what its secrets were does not matter, and may be gone."""

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name) or "not-used"

    def __getitem__(self, name: str) -> str:
        return super().get(name) or "not-used"


class WorkspaceVersions:
    """The versions of one process. ``next_offsets``: by partition, the first event no run before can have routed."""

    def __init__(self, path: Path, workspace: Workspace, next_offsets: Mapping[int, int]) -> None:
        self._path = path
        self._lock = Lock()
        self._next_offsets = dict(next_offsets)
        self._written: list[dict[str, Any]] = orjson.loads(path.read_bytes()) if path.exists() else []
        self._earlier: list[tuple[dict[str, int], Plans]] = [
            (entry["from"], _plans(entry["workspace"])) for entry in self._written[:-1]
        ]
        self._from: dict[str, int] = self._written[-1]["from"] if self._written else {}
        self.current = configure(workspace)
        text = _text(workspace)
        if not self._written:
            self._append(text, {})
        elif self._written[-1]["workspace"] != text:
            self._earlier.append((self._from, _plans(self._written[-1]["workspace"])))
            self._append(text, {str(partition): offset for partition, offset in self._next_offsets.items()})

    @contextmanager
    def reading(self, partition: int, next_offset: int) -> Iterator[None]:
        """Hold the version still while a batch of events is routed; ``next_offset`` comes after the batch."""
        with self._lock:
            self._next_offsets[partition] = max(self._next_offsets.get(partition, 0), next_offset)
            yield

    def plans(self, partition: int, offset: int, source: str) -> tuple[ConnectionPlan, ...]:
        """The connections of a source as they were when the event at an offset was first routed."""
        if offset >= self._from.get(str(partition), 0):
            return self.current.routes.get(source, ())
        for since, plans in reversed(self._earlier):
            if offset >= since.get(str(partition), 0):
                return plans.get(source, ())
        return self.current.routes.get(source, ())  # older than anything kept

    def change(self, workspace: Workspace) -> bool:
        """Put a new version in force for events not yet read; durable before it routes any. False: nothing changed."""
        configuration, text = configure(workspace), _text(workspace)
        with self._lock:
            if text == self._written[-1]["workspace"]:
                self.current = configuration  # what stands behind ${NAME} may have changed
                return False
            self._earlier.append((self._from, self.current.routes))
            self._append(text, {str(partition): offset for partition, offset in self._next_offsets.items()})
            self.current = configuration
        return True

    def _append(self, text: str, since: dict[str, int]) -> None:
        self._written = [*self._written, {"from": since, "workspace": text}][-VERSIONS_LIMIT:]
        self._earlier = self._earlier[-VERSIONS_LIMIT:]
        # Written beside and renamed: a kill leaves the old file or the new one, never half of one.
        beside = self._path.with_suffix(".new")
        beside.write_bytes(orjson.dumps(self._written))
        beside.chmod(0o600)
        os.replace(beside, self._path)
        self._from = since


def _text(workspace: Workspace) -> str:
    """What routing depends on, as written."""
    return workspace.model_dump_json(include={"version", "sources", "destinations", "connections"}, by_alias=True)


def _plans(text: str) -> Plans:
    workspace = Workspace.model_validate_json(text, context={"environ": _AnyEnvironment(os.environ)})
    return plans_of(workspace)
