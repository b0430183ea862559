"""Values of alerting as plain data that JSON can hold, for snapshots and the outbox."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

RECORD_VERSION = 1
T = TypeVar("T")


def to_record(value: Any) -> dict[str, Any]:
    """As plain data: the fields of a dataclass, with a version."""
    return {"v": RECORD_VERSION, **msgspec.to_builtins(value)}


def from_record(kind: type[T], record: Mapping[str, Any]) -> T:
    """From plain data, also through JSON. Raises ValueError for a version or a field that this Waybill cannot read."""
    if record.get("v") != RECORD_VERSION:
        raise ValueError(f"{kind.__name__} has version {record.get('v')}; this Waybill reads {RECORD_VERSION}")
    try:
        return msgspec.convert(record, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{kind.__name__} cannot be read: {error}") from None
