"""Assembles closed minutes from the parts of all outcomes partitions.

A partition's minute parts arrive in the order of their append minutes; after a crash of recording some arrive again. A
minute is complete when every partition has reported that minute or a later one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from model.events.envelope import decode_json

BUNDLES_VERSION = 1


class MinutePart(msgspec.Struct, frozen=True):
    """The counts of one outcomes partition in one append minute: a record of topic minutes. ``rows`` and ``states``:
    see `model.recording.rollup.bundle`."""

    v: Literal[1]
    append_minute_ms: int
    partition: int
    rows: list[Any]  # invalid ones are skipped when they are counted
    states: list[Any] = []


@dataclass(slots=True)
class Minute:
    """One append minute of all partitions."""

    minute_ms: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    states: list[dict[str, Any]] = field(default_factory=list)


_decoder = msgspec.json.Decoder(MinutePart)


def read_bundle(value: bytes) -> MinutePart:
    """Decode a record of topic minutes. Raises `UnreadableRecord`."""
    return decode_json(_decoder, value, "a bundle of this version")


class MinuteAssembler:
    """Collects parts until minutes are complete. Bounded, because `flows.alerting.dataflow` aligns the partitions."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._seen_ms: dict[int, int] = {}
        self._incomplete: dict[int, Minute] = {}

    def add(self, part: MinutePart) -> None:
        """Add a part, unless this minute of its partition was added before."""
        minute_ms = part.append_minute_ms
        if minute_ms <= self._seen_ms.get(part.partition, -1):
            return
        self._seen_ms[part.partition] = minute_ms
        minute = self._incomplete.setdefault(minute_ms, Minute(minute_ms))
        minute.rows.extend(part.rows)
        minute.states.extend(part.states)

    def complete(self) -> Iterator[Minute]:
        """Remove and return the complete minutes, in order."""
        if len(self._seen_ms) < self._partitions:
            return
        through_ms = min(self._seen_ms.values())
        for minute_ms in sorted(minute_ms for minute_ms in self._incomplete if minute_ms <= through_ms):
            yield self._incomplete.pop(minute_ms)

    def to_record(self) -> dict[str, Any]:
        """As plain data, for a snapshot."""
        # Copies: the next part may arrive before the snapshot is written.
        incomplete = [(minute.minute_ms, minute.rows[:], minute.states[:]) for minute in self._incomplete.values()]
        return {"v": BUNDLES_VERSION, "seen": dict(self._seen_ms), "waiting": incomplete}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], partitions: int) -> "MinuteAssembler":
        """From a snapshot. Raises ValueError for a version that this Waybill does not read."""
        if record.get("v") != BUNDLES_VERSION:
            raise ValueError(f"waiting bundles have version {record.get('v')}; this Waybill reads {BUNDLES_VERSION}")
        bundles = cls(partitions)
        bundles._seen_ms = dict(record["seen"])
        bundles._incomplete = {
            minute_ms: Minute(minute_ms, rows, states) for minute_ms, rows, states in record["waiting"]
        }
        return bundles
