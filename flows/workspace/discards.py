"""Which pending deliveries a workspace would discard: those whose connection or mapping is removed or disabled in it.

They are counted from the store, so that people learn of them before they are discarded: in the log when a changed file
is applied (`flows.workspace.reloader`), and in `waybill check` and `waybill report`.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from flows.workspace.compiled import CompiledWorkspace
from model.workspace.settings import DAY_SECONDS

View = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
SETTLE_SECONDS = 120

_WHAT = {
    "DESTINATION_REMOVED": "destination {destination} is not in the workspace",
    "DESTINATION_DISABLED": "destination {destination} is disabled",
    "SOURCE_REMOVED": "source {source} is not in the workspace",
    "CONNECTION_REMOVED": "the connection from {source} to {destination} is not in the workspace",
    "CONNECTION_DISABLED": "the connection from {source} to {destination} is disabled",
    "MAPPING_REMOVED": "mapping {mapping} of the connection from {source} to {destination} is not in the workspace",
}
_SAME = {  # by reason code: the names by which discards are grouped into one message
    "DESTINATION_REMOVED": ("destination",),
    "DESTINATION_DISABLED": ("destination",),
    "SOURCE_REMOVED": ("source",),
    "MAPPING_REMOVED": ("source", "destination", "mapping"),
}
_RENAMED = {"DESTINATION_REMOVED": "destination", "SOURCE_REMOVED": "source", "MAPPING_REMOVED": "mapping"}


class PendingCount(NamedTuple):
    """The number of pending deliveries of one connection and mapping."""

    source: str
    destination: str
    mapping: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Discard:
    """The deliveries discarded for one reason. ``source``, ``destination``, ``mapping``: '' if there are several.

    ``deliveries``: None if they could not be counted.
    """

    code: str
    source: str
    destination: str
    mapping: str
    deliveries: int | None
    keep_seconds: float

    @property
    def message(self) -> str:
        """The problem, with the number of deliveries."""
        names = {name: repr(value) for name, value in asdict(self).items()}
        if self.deliveries is None:
            pending = "its pending deliveries (not counted) are"
        elif self.deliveries == 1:
            pending = "its 1 pending delivery is"
        else:
            pending = f"its {self.deliveries} pending deliveries are"
        return f"{_WHAT[self.code].format_map(names)}: {pending} discarded after {self.keep_seconds:g} s"

    @property
    def remedy(self) -> str:
        """How to keep the deliveries."""
        kind = _RENAMED.get(self.code)
        if kind is None:
            return "Undo the change until nothing is pending, or send the dead letters later (`waybill redrive`)"
        old = getattr(self, kind)
        if not old:
            return "Restore the connection's former mappings until none of their deliveries is pending"
        return f"If the {kind} was renamed, add `was: {old}` to it; else restore it until nothing of it is pending"


def count_pending(view: View, configuration: CompiledWorkspace, now_ms: int) -> list[PendingCount]:
    """Count the pending deliveries now. Raises what ``view`` raises (`sinks.clickhouse.store.Store.view`)."""
    longest_ms = round((configuration.workspace.delivery.window_seconds + DAY_SECONDS) * 1_000)
    period = {"from_ms": max(0, now_ms - longest_ms), "to_ms": now_ms + DAY_SECONDS * 1_000}
    rows = view("waiting_deliveries", {**period, "settle_seconds": SETTLE_SECONDS})
    return [PendingCount(row["source"], row["destination"], row["mapping"], row["deliveries"]) for row in rows]


def discards(configuration: CompiledWorkspace, waiting: Iterable[PendingCount]) -> tuple[Discard, ...]:
    """The pending deliveries that a version of the workspace discards, most first."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    for pending in waiting:
        code = configuration.disabled_reason(pending)
        if code is not None:
            same = _SAME.get(code, ("source", "destination"))
            names = ("source", "destination", "mapping")
            source, destination, mapping = (getattr(pending, name) if name in same else "" for name in names)
            counts[code, source, destination, mapping] += pending.deliveries
    keep_seconds = configuration.workspace.delivery.keep_removed_seconds
    return tuple(Discard(*name, number, keep_seconds) for name, number in counts.most_common())


def uncounted(before: CompiledWorkspace, after: CompiledWorkspace) -> tuple[Discard, ...]:
    """What a change removes or disables, where pending deliveries cannot be counted."""
    active = (
        PendingCount(source, destination, mapping.name, 0)
        for (source, destination), plan in before.plans.items()
        if plan.off is None
        for mapping in plan.mappings
    )
    return tuple(replace(discard, deliveries=None) for discard in discards(after, active))
