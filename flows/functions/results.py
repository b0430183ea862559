"""The result of an insert function for one event."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flows.functions.messages import Reply, decode_event


@dataclass(frozen=True, slots=True)
class Returned:
    """The event to send."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Dropped:
    """Dropped."""

    why: str


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """To be retried later."""

    why: str


@dataclass(frozen=True, slots=True)
class EventRejected:
    """Rejected as invalid."""

    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The function failed, or was not run.

    ``code``: FUNCTION_FAILED, FUNCTION_CRASHED, FUNCTION_TIMEOUT, FUNCTION_UNAVAILABLE or FUNCTION_PAUSED.
    """

    code: str
    why: str


FunctionResult = Returned | Dropped | RetryAsked | EventRejected | Failed

STOPPING = Failed("FUNCTION_UNAVAILABLE", "Waybill is stopping")
_KINDS: dict[str, Callable[[str], FunctionResult]] = {
    "dropped": Dropped,
    "retry": RetryAsked,
    "rejected": EventRejected,
    "failed": lambda why: Failed("FUNCTION_FAILED", why),
    "exhausted": lambda why: Failed("FUNCTION_FAILED", why),
    "unavailable": lambda why: Failed("FUNCTION_UNAVAILABLE", why),
}


def result_of(reply: Reply) -> FunctionResult:
    """The result for a child's final message about an event."""
    known = _KINDS.get(reply.kind)
    return known(reply.why) if known else Returned(decode_event(reply.event))
