"""Builds the payload of a delivery: applies the current mapping and validates the result. Pure."""

import orjson

from model.delivery.attempt import AttemptResult
from model.delivery.delivery import Delivery
from model.destinations.destination import HttpDestination, Item
from model.events import exact_json
from model.http.failure import FOUND_LIMIT_CHARS, FailureClass
from model.mapping.compiling import MappingFailed
from model.mapping.fields import PayloadInvalid
from model.routing.routing import CompiledConnection


def build_payload(delivery: Delivery, plan: CompiledConnection, destination: HttpDestination) -> Item | AttemptResult:
    """Return the item for the request, or the failure; never raises for the content of an event."""
    rule = plan.mapping(delivery.mapping)
    if rule is None:
        return local_failure("MAPPING_REMOVED", f"mapping {delivery.mapping!r} is gone from the workspace")
    if rule.mapping is None:
        return Item(delivery.key, delivery.event)
    try:
        # Destinations with their own payload fields use doubles.
        is_exact = not destination.payload_fields and exact_json.holds_inexact(delivery.event)
        payload = rule.mapping(exact_json.loads(delivery.event) if is_exact else orjson.loads(delivery.event))
        if not isinstance(payload, dict):
            kind = "nothing" if payload is None else f"a {type(payload).__name__}"
            return local_failure("MAPPING_ERROR", f"{rule.place} made {kind} of the event, not an object")
        finished = destination.finish(payload)
        return Item(delivery.key, delivery.event, exact_json.writable(finished) if is_exact else finished)
    except MappingFailed as error:
        return local_failure("MAPPING_ERROR", f"{rule.place}: {error}")
    except PayloadInvalid as error:
        return local_failure("PAYLOAD_VALIDATION_FAILED", f"{rule.place}: {error}")


def local_failure(code: str, message: str, failure: FailureClass = FailureClass.DISCARD) -> AttemptResult:
    """The result of an attempt that failed before a call."""
    return AttemptResult(failure=failure, code=code, message=message[:FOUND_LIMIT_CHARS], called=False)
