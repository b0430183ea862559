"""Classifies HTTP responses and transport errors, and reads Retry-After and the error message.

Responses are untrusted input: no function here raises on any of them.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import orjson

from model.durations import HOUR_MS

RETRY_AFTER_LIMIT_MS = HOUR_MS  # more is a mistake, or would use up most of the retry window
MESSAGE_LIMIT_CHARS = 300
FOUND_LIMIT_CHARS = 2_000  # of a message before redaction, which would not recognise half a secret at a cut
_READ_LIMIT_CHARS = 4096  # of a plain text body: enough to fill any message
_MESSAGE_KEYS = ("message", "error", "errors", "detail")  # Segment's own convention first
_MESSAGE_DEPTH = 4


class FailureClass(StrEnum):
    """What to do with a delivery after one call."""

    DELIVERED = "delivered"
    RETRY = "retry"  # a passing failure; counts as an attempt
    THROTTLE = "throttle"  # sent too fast; uses up time, not attempts
    DISCARD = "discard"  # the event will never be accepted
    SETUP = "setup"  # no event is accepted until a person acts: keep deliveries, probe, notify
    FILTER = "filter"  # the insert function dropped it


# Single statuses take precedence over their class. A status outside HTTP's range is retried, because it does not say
# that the event is invalid.
_STATUSES = {
    307: FailureClass.RETRY,  # only after the limit of redirects
    308: FailureClass.RETRY,
    401: FailureClass.SETUP,
    403: FailureClass.SETUP,
    408: FailureClass.RETRY,
    423: FailureClass.RETRY,
    429: FailureClass.THROTTLE,
    501: FailureClass.DISCARD,  # returned for call types that a destination does not support
}
_HUNDREDS = {
    2: FailureClass.DELIVERED,
    3: FailureClass.DISCARD,  # 301, 302, 303 would turn a POST into a GET: following them would lose the event
    4: FailureClass.DISCARD,
    5: FailureClass.RETRY,
}
_SETUP_CODES = frozenset({"ENOTFOUND", "TLS_ERROR", "ADDRESS_REFUSED", "INVALID_SETTINGS", "PROXY_AUTHENTICATION"})


def classify(result: int | str) -> tuple[FailureClass, str]:
    """Class and reason code of an HTTP status, or of a transport code (model.reason_codes.catalogue). The code is ''
    when delivered."""
    if isinstance(result, str):
        return FailureClass.SETUP if result in _SETUP_CODES else FailureClass.RETRY, result
    failure = _STATUSES.get(result) or _HUNDREDS.get(result // 100, FailureClass.RETRY)
    return failure, "" if failure is FailureClass.DELIVERED else str(result)


def retry_after_ms(headers: Mapping[str, str], now_ms: int) -> int | None:
    """The wait that Retry-After asks for, from 0 to an hour; None when it is missing or invalid.

    ``headers`` have lower-case names. Reads seconds (fractions too, which some send) and HTTP dates.
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,64}(\.[0-9]{1,64})?", text):
        wait_ms = float(text) * 1000
    else:
        try:
            moment = parsedate_to_datetime(text[:64])
            moment = moment.replace(tzinfo=moment.tzinfo or UTC)  # HTTP dates are always UTC
            wait_ms = moment.timestamp() * 1000 - now_ms
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return int(min(max(0.0, wait_ms), RETRY_AFTER_LIMIT_MS))


def speaks_of_service(status: int) -> bool:
    """Whether a Retry-After of a failed call is about the whole service, and not about this one request.

    RFC 9110 defines this for 503, RFC 6585 for 429, and gateways send it with other 5xx. 500 is about one request; in a
    3xx the header is about the next request.
    """
    return status == 429 or status > 500


def partner_message(headers: Mapping[str, str], body: bytes, limit: int = FOUND_LIMIT_CHARS) -> str:
    """The destination's error message, as one line of at most ``limit`` characters; '' when there is none.

    Looks for ``{"message": …}`` first (Segment's convention), then error, errors, detail, then takes the text; of an
    HTML page its title. Not redacted: pass the result through a `model.redaction.redactor.Redactor`, then through
    `cut`, before keeping it.
    """
    if headers.get("content-encoding", "identity").lower() != "identity":
        return ""  # an encoding that was not requested: not readable as text
    try:
        said = orjson.loads(body)
        if not said:  # {}, [], null: no message
            return ""
        text = _spoken(said, _MESSAGE_DEPTH)
    except orjson.JSONDecodeError:
        text = ""
    return _one_line(text or _plain_text(headers, body), limit)


def _spoken(value: Any, depth: int) -> str:
    """Find the first text under a key for messages; '' when there is none."""
    if isinstance(value, str):
        return value
    if depth == 0:
        return ""
    if isinstance(value, dict):
        found = (_spoken(value[key], depth - 1) for key in _MESSAGE_KEYS if key in value)
    elif isinstance(value, list):
        found = (_spoken(item, depth - 1) for item in value[:3])
    else:
        return ""
    return next((text for text in found if text.strip()), "")


def _plain_text(headers: Mapping[str, str], body: bytes) -> str:
    text = body[: 4 * _READ_LIMIT_CHARS].decode("utf-8", "replace")[:_READ_LIMIT_CHARS]
    if "html" not in headers.get("content-type", "").lower():
        return text
    # Both patterns stop at the next '<', which keeps them linear on '<<<<<<…'.
    title = re.search(r"<title[^<>]*>([^<]+)</title", text, re.IGNORECASE)
    return title[1] if title else re.sub(r"<[^<>]*>", " ", text)


def _one_line(text: str, limit: int) -> str:
    # Messages go to terminals, logs and chat: remove line breaks, escape sequences and direction marks.
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:_READ_LIMIT_CHARS]).split())
    return cut(line, limit)


def cut(line: str, limit: int = MESSAGE_LIMIT_CHARS) -> str:
    """Shorten a message between words."""
    if len(line) <= limit:
        return line
    kept = line[: limit - 1]
    return (kept.rpartition(" ")[0] or kept) + "…"
