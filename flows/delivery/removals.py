"""Keeps deliveries of removed or disabled connections for a while, so that a mistaken change can be undone.

The file may be restored, or give a renamed id its former name (``was``). And where several processes share the flow,
one of them may have a version of the workspace that the others have not read yet.
"""

from collections.abc import Callable
from typing import NamedTuple

from flows.workspace.compiled import CompiledWorkspace, Sent

FIRST_CHECK_MS = 2_000  # each next check comes after as long again as the delivery has waited, so there are few


class _Name(NamedTuple):
    source: str
    destination: str
    mapping: str


class Removals:
    """Shared by the shards of a process. ``keep_ms``: counted from the first delivery that could not be sent."""

    def __init__(self, keep_ms: Callable[[], int] = lambda: 0) -> None:
        self._keep_ms = keep_ms
        self._since_ms: dict[_Name, int] = {}

    def recheck_at_ms(self, sent: Sent, now_ms: int) -> int | None:
        """When to check a delivery of a removed or disabled connection again; None: it was kept long enough."""
        since_ms = self._since_ms.setdefault(_Name(sent.source, sent.destination, sent.mapping), now_ms)
        end_ms = since_ms + self._keep_ms()
        if now_ms >= end_ms:
            return None
        return min(end_ms, now_ms + max(FIRST_CHECK_MS, now_ms - since_ms))

    def changed(self, configuration: CompiledWorkspace) -> None:
        """Forget the connections that are active again."""
        for name in list(self._since_ms):
            if configuration.disabled_reason(name) is None:
                self._since_ms.pop(name, None)
