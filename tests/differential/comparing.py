"""What Waybill makes and what the reference makes, in one form, so that they can be compared."""

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any

from model.mapping.compiling import MappingFailed, MappingInvalid, compile_mapping
from model.mapping.javascript import sendable


@dataclass(frozen=True, slots=True)
class Made:
    """What Waybill makes of an event: a result, or why there is none."""

    result: Any = None
    refused: str | None = None
    failed: str | None = None


def map_with_waybill(mapping: Any, event: dict[str, Any]) -> Made:
    """Map an event."""
    try:
        return Made(compile_mapping(mapping)(event))
    except MappingInvalid as error:
        return Made(refused=str(error))
    except MappingFailed as error:
        return Made(failed=str(error))


def as_sent(value: Any) -> str:
    """Write a result as the JSON that would be sent, numbers in the one kind that JavaScript has."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0 if isfinite(value) else None
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {sendable(name): _plain(item) for name, item in value.items()}
    return value
