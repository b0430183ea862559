"""Maps pyreqwest exceptions to transport codes, and to the reason why a body ended early.

reqwest's exception types say little; the texts of their causes (hyper, rustls, the system) are needed too.
"""

import re

from pyreqwest.exceptions import DecodeError, DetailedPyreqwestError, NetworkError, RequestTimeoutError

from model.http.messages import HttpFailure
from sinks.http.response_body import LATE
from sinks.http.transport_codes import code_of_errno, code_of_tls_fault

_CLOSED_EARLY = (
    "connection closed before message completed",
    "end of file before message length reached",
    "tunnel error: unexpected end of file",
)
_TLS_WORDS = ("certificate", "tls", "handshake", "corrupt message", "fatal alert", "incompatible")
_PROXY_AUTHENTICATION = "tunnel error: proxy authorization required"
_PROXY_ERROR = "tunnel error:"


def never_connected(error: DetailedPyreqwestError) -> bool:
    """Whether the call ended before anything was sent, so that another address may be tried."""
    return "client error (Connect)" in _causes(error)


def failure_of(error: DetailedPyreqwestError) -> HttpFailure:
    """The failure of a call without response."""
    message = _innermost(error)
    return HttpFailure(code=_code(error, message), message=message[:300])


def body_fault(error: DetailedPyreqwestError) -> str:
    """Why a body ended early."""
    return LATE if isinstance(error, RequestTimeoutError) else _innermost(error)[:200]


def _causes(error: DetailedPyreqwestError) -> list[str]:
    return [cause["message"] for cause in error.details["causes"] or ()]


def _innermost(error: DetailedPyreqwestError) -> str:
    # Only the innermost cause: the outer ones quote the URL, and a URL may hold a key.
    causes = _causes(error)
    return causes[-1] if causes else error.message


def _code(error: DetailedPyreqwestError, message: str) -> str:
    if isinstance(error, RequestTimeoutError):
        return "ETIMEDOUT"
    number = re.search(r"\(os error (\d+)\)", message)
    if number:
        return code_of_errno(int(number[1]))
    if message in _CLOSED_EARLY:
        return "ECONNRESET"
    if isinstance(error, DecodeError):
        return "PROTOCOL_ERROR"
    if message == _PROXY_AUTHENTICATION:
        return "PROXY_AUTHENTICATION"
    if message.startswith(_PROXY_ERROR):
        return "PROXY_ERROR"
    if any(word in message.lower() for word in _TLS_WORDS):
        return code_of_tls_fault(message)
    return "ECONNRESET" if isinstance(error, NetworkError) else "INTERNAL"
