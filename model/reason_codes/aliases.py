"""Other spellings of reason codes, Segment's above all, whose case and names differ from page to page."""

import re
from http import HTTPStatus

from model.reason_codes.catalogue import ALL

# Tried first, case-sensitively: Segment spells codes of functions in lower case, and those of its pipeline and of
# destinations in upper case, and the same word means different things in each.
_EXACT = {
    "BAD_REQUEST": "400",
    "TOO_MANY_REQUESTS": "429",
    "gateway_timeout": "FUNCTION_TIMEOUT",
    "message_rejected": "FUNCTION_REJECTED",
    "retry": "FUNCTION_RETRY",
}
_STATUS_NAMES = {name: str(status.value) for name, status in HTTPStatus.__members__.items() if status >= 300}
_UPPER = {
    **_STATUS_NAMES,
    "CANCELLED": "499",
    "SITE_IS_OVERLOADED": "529",
    "5XX": "500",
    "EREFUSED": "ECONNREFUSED",
    "REQUESTTIMEOUTERROR": "ETIMEDOUT",
    "SELF_TIMEOUT": "ETIMEDOUT",
    "REQUESTCLIENTERROR": "ECONNABORTED",
    "INVALID_AUTHENTICATION": "401",
    "REFRESH_TOKEN_EXPIRED": "401",
    "OAUTH_REFRESH_FAILED": "401",
    "FILTERED_AT_MAPPING": "NO_MATCHING_MAPPING",
    "MESSAGE_REJECTED": "PAYLOAD_VALIDATION_FAILED",
    "INVALID_CURRENCY_CODE": "PAYLOAD_VALIDATION_FAILED",
    "RETRY_ERROR": "FUNCTION_RETRY",
    "INVOKE_ERROR": "FUNCTION_FAILED",
    "BAD_DEPLOY": "FUNCTION_UNAVAILABLE",
    "LAMBDA_ERR": "FUNCTION_UNAVAILABLE",
    "LAMBDA_ERRORINTERNAL": "FUNCTION_UNAVAILABLE",
}
_CODES = frozenset(entry.code for entry in ALL) | frozenset(map(str, range(100, 600)))
_WITH_STATE = re.compile(r"errors\.[a-z-]{1,32}\.", re.IGNORECASE)  # errors.discarded.400, errors.awaiting-retry.429


def canonical(code: str) -> str:
    """Return the catalogue's spelling of a code; a code it does not know comes back as it is. Never raises.

    Case matters only where it tells two codes apart: ``BAD_REQUEST`` is a destination's 400, ``bad_request`` ingest's.
    """
    state = _WITH_STATE.match(code)
    plain = code[state.end() :] if state else code
    upper = plain.upper()
    for known in (_EXACT.get(plain), plain, upper, _UPPER.get(upper), plain.lower()):
        if known is not None and known in _CODES:
            return known
    return code
