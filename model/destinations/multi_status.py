"""A 207 whose body is a JSON array with one object for each item sent: ``[{"status": 200}, {"status": 400, …}]``.

It is what Segment's functions and many batch APIs answer. The message of an item is looked for as in any answer.
"""

from collections.abc import Sequence

import orjson

from model.destinations.destination import ItemAnswer
from model.failure import FailureClass, classify, partner_message
from model.http import HttpResponse

MULTI_STATUS = 207
MISSING = ItemAnswer(FailureClass.RETRY, "BATCH_ITEM_MISSING", "the answer does not speak of this item")


def read_multi_status(response: HttpResponse, count: int) -> Sequence[ItemAnswer | None] | None:
    """Return each item's own answer; None when the response is no such 207, so that its status counts for all.

    An item the array is too short for, or says nothing usable of, was perhaps not taken: it is sent again.
    """
    if response.status != MULTI_STATUS or response.body_truncated:
        return None
    try:
        said = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, list):
        return None
    return [_answer(said[index]) if index < len(said) else MISSING for index in range(count)]


def _answer(said: object) -> ItemAnswer:
    status = said.get("status") if isinstance(said, dict) else None
    if not isinstance(status, int) or isinstance(status, bool):
        return MISSING
    failure, code = classify(status)
    return ItemAnswer(failure, code, partner_message({}, orjson.dumps(said)) if code else "", status)
