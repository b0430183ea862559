"""The result of an insert function for one event."""

from dataclasses import dataclass
from typing import Any

from flows.functions.messages import Reply, decode_event


@dataclass(frozen=True, slots=True)
class Returned:
    """The event to send."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NoEvent:
    """The function dropped or rejected the event, asked for a retry, failed, or was not run.

    ``code``: FILTERED_BY_FUNCTION, FUNCTION_REJECTED, FUNCTION_RETRY, FUNCTION_FAILED, FUNCTION_CRASHED,
    FUNCTION_TIMEOUT, FUNCTION_UNAVAILABLE or FUNCTION_PAUSED.
    """

    code: str
    why: str


FunctionResult = Returned | NoEvent

STOPPING = NoEvent("FUNCTION_UNAVAILABLE", "Waybill is stopping")
_CODES = {
    "dropped": "FILTERED_BY_FUNCTION",
    "retry": "FUNCTION_RETRY",
    "rejected": "FUNCTION_REJECTED",
    "failed": "FUNCTION_FAILED",
    "exhausted": "FUNCTION_FAILED",
    "unavailable": "FUNCTION_UNAVAILABLE",
}


def result_of(reply: Reply) -> FunctionResult:
    """The result for a child's final message about an event."""
    code = _CODES.get(reply.kind)
    return NoEvent(code, reply.why) if code else Returned(decode_event(reply.event))
