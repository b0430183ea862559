"""What a workspace would discard: deliveries that wait for a connection or mapping that is not in it, or is disabled.

Counted from what is recorded, so that it is told with its number before it happens: when the running system takes a
changed file over (`flows.workspace.reloader`), and to whoever asks (`waybill check`, `waybill report`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
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
_SAME = {  # by which of its names what is discarded for one reason is told together
    "DESTINATION_REMOVED": ("destination",),
    "DESTINATION_DISABLED": ("destination",),
    "SOURCE_REMOVED": ("source",),
    "MAPPING_REMOVED": ("source", "destination", "mapping"),
}
_RENAMED = {"DESTINATION_REMOVED": "destination", "SOURCE_REMOVED": "source", "MAPPING_REMOVED": "mapping"}


class PendingCount(NamedTuple):
    """How many deliveries wait for one connection and mapping."""

    source: str
    destination: str
    mapping: str
    deliveries: int


@dataclass(frozen=True, slots=True)
class Discard:
    """What is discarded for one reason. ``source``, ``destination``, ``mapping``: '' where it is for several.

    ``deliveries``: None when nobody could count them.
    """

    code: str
    source: str
    destination: str
    mapping: str
    deliveries: int | None
    keep_seconds: float

    @property
    def message(self) -> str:
        """What is found, with its number."""
        names = {name: repr(value) for name, value in asdict(self).items()}
        if self.deliveries is None:
            waits = "what waits (nobody could count it) for it is"
        elif self.deliveries == 1:
            waits = "1 delivery that waits for it is"
        else:
            waits = f"{self.deliveries} deliveries that wait for it are"
        return f"{_WHAT[self.code].format_map(names)}: {waits} discarded after {self.keep_seconds:g} s"

    @property
    def remedy(self) -> str:
        """How to keep it."""
        kind = _RENAMED.get(self.code)
        if kind is None:
            return "Undo the change until nothing waits, or send the dead letters again later (`waybill redrive`)"
        old = getattr(self, kind)
        if not old:
            return "Put the connection's former mappings back until nothing waits for them"
        return (
            f"If the {kind} has another name now, add `was: {old}` to it; else put it back until nothing waits for it"
        )


def count_pending(view: View, configuration: CompiledWorkspace, now_ms: int) -> list[PendingCount]:
    """Count what waits now. Raises what ``view`` does (`sinks.clickhouse.store.Store.view`)."""
    longest_ms = round((configuration.workspace.delivery.window_seconds + DAY_SECONDS) * 1_000)
    period = {"from_ms": max(0, now_ms - longest_ms), "to_ms": now_ms + DAY_SECONDS * 1_000}
    rows = view("waiting_deliveries", {**period, "settle_seconds": SETTLE_SECONDS})
    return [PendingCount(row["source"], row["destination"], row["mapping"], row["deliveries"]) for row in rows]


def discards(configuration: CompiledWorkspace, waiting: Iterable[PendingCount]) -> tuple[Discard, ...]:
    """What of that is discarded by a version of the workspace, most first."""
    found: Counter[tuple[str, str, str, str]] = Counter()
    for waits in waiting:
        code = configuration.disabled_reason(waits)
        if code is not None:
            found[_group_key(code, waits)] += waits.deliveries
    keep_seconds = configuration.workspace.delivery.keep_removed_seconds
    return tuple(Discard(*name, number, keep_seconds) for name, number in found.most_common())


def uncounted(before: CompiledWorkspace, after: CompiledWorkspace) -> tuple[Discard, ...]:
    """What a change removes or disables, where nobody can say what waits for it."""
    keep_seconds = after.workspace.delivery.keep_removed_seconds
    told: dict[tuple[str, str, str, str], None] = {}
    for (source, destination), plan in before.plans.items():
        for mapping in plan.mappings if plan.off is None else ():
            waits = PendingCount(source, destination, mapping.name, 0)
            code = after.disabled_reason(waits)
            if code is not None:
                told[_group_key(code, waits)] = None
    return tuple(Discard(*name, None, keep_seconds) for name in told)


def _group_key(code: str, waits: PendingCount) -> tuple[str, str, str, str]:
    same = _SAME.get(code, ("source", "destination"))
    names: Mapping[str, Any] = waits._asdict()
    source, destination, mapping = (names[n] if n in same else "" for n in ("source", "destination", "mapping"))
    return code, source, destination, mapping
