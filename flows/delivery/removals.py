"""How long deliveries are kept whose connection is not in the workspace in force: long enough to mend a mistake.

A file that was changed by mistake can be put back, or say what an id ``was``; and where several processes share the
flow, one of them may have a version of the workspace that the others are about to read.
"""

from collections.abc import Callable
from typing import NamedTuple

from flows.workspace.compiled import CompiledWorkspace, Sent

FIRST_LOOK_MS = 2_000  # the next look comes after as long again as it has waited, so there are few


class _Name(NamedTuple):
    source: str
    destination: str
    mapping: str


class Removals:
    """Shared by the shards of a process. ``keep_ms``: from when a delivery of the connection is first met in vain."""

    def __init__(self, keep_ms: Callable[[], int] = lambda: 0) -> None:
        self._keep_ms = keep_ms
        self._since_ms: dict[_Name, int] = {}

    def look_again_ms(self, sent: Sent, now_ms: int) -> int | None:
        """When to look again at a delivery of a connection that does not send; None: it was kept for long enough."""
        since_ms = self._since_ms.setdefault(_Name(sent.source, sent.destination, sent.mapping), now_ms)
        end_ms = since_ms + self._keep_ms()
        if now_ms >= end_ms:
            return None
        return min(end_ms, now_ms + max(FIRST_LOOK_MS, now_ms - since_ms))

    def changed(self, configuration: CompiledWorkspace) -> None:
        """Forget what is sent again."""
        for name in list(self._since_ms):
            if configuration.disabled_reason(name) is None:
                self._since_ms.pop(name, None)
