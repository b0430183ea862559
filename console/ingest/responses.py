"""Responses to senders: the HTTP status for SDKs, and for people a code, a message and a remedy per item."""

from typing import Any

import orjson
from starlette.responses import Response

from console.ingest.body import RequestRefused
from console.ingest.rejections import Rejection

_SUCCESS = orjson.dumps({"success": True})


def answer(accepted: bool, rejected: list[tuple[int, Rejection]], *, is_batch: bool) -> Response:
    """Respond with success for the accepted items, and the reason of each rejected one."""
    if not rejected:
        return Response(_SUCCESS, media_type="application/json")
    details = [
        {"index": index, "messageId": each.message_id or None, "code": each.code, "message": each.message}
        for index, each in rejected
    ]
    if accepted:
        return json_response(200, {"success": True, "rejected": details})
    codes = {each.code for _, each in rejected}
    code, message = rejected[0][1].code, rejected[0][1].message
    if len(codes) > 1:
        code, message = "empty_batch_result", "no item was accepted; `rejected` says why for each"
    status = 401 if code == "unknown_source" else 413 if code == "event_too_large" and not is_batch else 400
    return json_response(status, {**_refused(code, message), "rejected": details})


def refusal(refused: RequestRefused) -> Response:
    """Respond to a request that is refused as a whole."""
    response = failure(refused.status, refused.code, refused.message, retry_after=refused.retry_after_seconds)
    if refused.close:
        response.headers["Connection"] = "close"
    return response


def failure(status: int, code: str, message: str, *, retry_after: int | None = None) -> Response:
    """Respond with a code and a message; ``retry_after`` in seconds asks the sender to send again."""
    response = json_response(status, _refused(code, message))
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _refused(code: str, message: str) -> dict[str, Any]:
    # Some SDKs (Ruby, PHP) show their users only `error`.
    return {"success": False, "code": code, "message": message, "error": message}


def json_response(status: int, content: dict[str, Any]) -> Response:
    """Respond with JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json")
