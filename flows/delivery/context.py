"""What the shards of one process share, from the active configuration to the connections that were removed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from flows.delivery.budget import InFlightBudget
from flows.delivery.sending import HttpLoop
from flows.delivery.watermarks import SourcePart
from flows.workspace.compiled import CompiledWorkspace, Sent
from model.delivery.sampling import Sampler

FIRST_CHECK_MS = 2_000  # each next check comes after as long again as the delivery has waited, so there are few


class _Name(NamedTuple):
    source: str
    destination: str
    mapping: str


class Removals:
    """Keeps deliveries of removed or disabled connections for a while, so that a mistaken change can be undone.

    The file may be restored, or give a renamed id its former name (``was``). And where several processes share the
    flow, one of them may have a version of the workspace that the others have not read yet. ``keep_ms``: counted from
    the first delivery that could not be sent.
    """

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

    def workspace_changed(self, configuration: CompiledWorkspace) -> None:
        """Forget the connections that are active again."""
        for name in list(self._since_ms):
            if configuration.disabled_reason(name) is None:
                self._since_ms.pop(name, None)


@dataclass(slots=True, kw_only=True)
class ShardContext:
    """``configuration`` returns the active version of the workspace."""

    run: str
    clock: Callable[[], int]
    random: Callable[[], float]
    configuration: Callable[[], CompiledWorkspace]
    setup_probe_ms: int
    max_wait_in_queue_ms: int
    budget: InFlightBudget
    calls: HttpLoop
    parts: tuple[SourcePart, ...]  # all partitions that the flow reads, in any process
    shards: int
    sampler: Sampler
    open_shard: Callable[[int], bool]  # called once by each shard; returns whether the previous run stopped cleanly
    outcomes_partitions: int
    removals: Removals = field(default_factory=Removals)
    stop_deadline_ms: int | None = None  # set when the first shard stops: no shard waits for calls after it
