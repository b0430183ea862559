"""A 207 whose body has a list with one object for each item sent: ``[{"status": 200}, {"status": 400, …}]``.

Segment's functions and many batch APIs respond so. The list is the body, or is inside an object such as
``{"results": […]}``, where it is the only list with a status and as many entries as items were sent. A status
is a number, or its three digits as text, in ``status``, ``statusCode`` or ``status_code``. The message of an item is
found as in any response.

A 207 that cannot be read is a failure of all its items (`unreadable`): their results are unknown, so none counts as
delivered.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

import orjson

from model.destinations.destination import ItemAnswer
from model.http.failure import FailureClass, classify, partner_message
from model.http.failure_rules import ANSWER_UNREADABLE
from model.http.messages import HttpResponse

MULTI_STATUS = 207
MISSING = ItemAnswer(FailureClass.RETRY, "BATCH_ITEM_MISSING", "the response has no result for this item")
_STATUS_NAMES = ("status", "statusCode", "status_code")
_ENVELOPE_DEPTH = 3
_FIRST_STATUS, _LAST_STATUS = 100, 599


def read_multi_status(
    response: HttpResponse, count: int, *, batched: bool = True
) -> Sequence[ItemAnswer | None] | None:
    """Return the result of each item; None when the response is not such a 207 and its status decides for all.

    An item without a usable entry may not have been accepted: it is sent again. Without ``batched`` a single event was
    sent, and a 207 without such a list is a success.
    """
    if response.status != MULTI_STATUS:
        return None
    said = parsed(response)
    entries = said if isinstance(said, Unread) else _entries(said, count)
    if isinstance(entries, Unread):
        return unreadable(entries, count) if batched else None
    if len(entries) > count:
        return unreadable(Unread(f"it has results for {len(entries)} events"), count)
    return [_answer(entries[index]) if index < len(entries) else MISSING for index in range(count)]


class Unread(str):
    """Why a response could not be read."""

    __slots__ = ()


def parsed(response: HttpResponse) -> Any | Unread:
    """Return the JSON of a complete body, or why there is none."""
    if response.body_fault:
        return Unread(f"its body could not be read: {response.body_fault}")
    if response.body_truncated:
        return Unread(f"it is longer than the {len(response.body)} bytes that Waybill reads; lower batch.max_events")
    try:
        return orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return Unread("its body is not JSON")


def unreadable(why: str, count: int) -> list[ItemAnswer]:
    """Return the same failure for all items, because their results are unknown."""
    message = f"the results of {count} {'event' if count == 1 else 'events'} in the response could not be read: {why}"
    return [ItemAnswer(FailureClass.RETRY, ANSWER_UNREADABLE, message)] * count


def is_position(value: Any, count: int) -> TypeGuard[int]:
    """Say whether a value of a response is the position of one of ``count`` items."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count


def status_of(value: Any) -> int | None:
    """Read an HTTP status: a number, or its three digits as text."""
    if isinstance(value, str) and re.fullmatch("[1-5][0-9]{2}", value, re.ASCII):
        return int(value)
    usable = isinstance(value, int) and not isinstance(value, bool) and _FIRST_STATUS <= value <= _LAST_STATUS
    return value if usable else None


def answer_with(status: int, said: Any) -> ItemAnswer:
    """Make the result of an item with a status."""
    failure, code = classify(status)
    return ItemAnswer(failure, code, partner_message({}, orjson.dumps(said)) if code else "", status)


def _entries(said: Any, count: int) -> list[Any] | Unread:
    if isinstance(said, list):
        return said
    fitting = [found for found in _lists(said, _ENVELOPE_DEPTH) if len(found) == count and any(map(_status, found))]
    if len(fitting) == 1:
        return fitting[0]
    return Unread("it has more than one list that could be meant" if fitting else f"it has no list of {count} statuses")


def _lists(said: Any, depth: int) -> Iterator[list[Any]]:
    if isinstance(said, list):
        yield said
    elif isinstance(said, dict) and depth > 0:
        for value in said.values():
            yield from _lists(value, depth - 1)


def _answer(said: Any) -> ItemAnswer:
    status = _status(said)
    return MISSING if status is None else answer_with(status, said)


def _status(said: Any) -> int | None:
    """Return the status of an entry; None when it has none, or several that differ."""
    if not isinstance(said, dict):
        return None
    found = {status for name in _STATUS_NAMES if (status := status_of(said.get(name))) is not None}
    return found.pop() if len(found) == 1 else None
