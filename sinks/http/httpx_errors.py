"""Maps httpx exceptions to transport codes, and to the reason why a body ended early."""

import ssl
from collections.abc import Iterator

import httpx

from model.http.messages import HttpFailure
from sinks.http.proxies import PROXY_AUTHENTICATION_REQUIRED
from sinks.http.transport_codes import code_of_errno, code_of_tls_fault

_CLOSED_EARLY = ("disconnected without sending", "closed connection without sending")


def failure_of(error: httpx.TransportError) -> HttpFailure:
    """The failure of a call without response."""
    causes = list(_causes(error))
    message = next((str(cause) for cause in causes if str(cause)), type(error).__name__)
    return HttpFailure(code=_code(error, causes), message=message[:300])


def body_fault(error: httpx.TransportError) -> str:
    """Why a body ended early."""
    return (str(error) or "the connection broke")[:200]


def _code(error: httpx.TransportError, causes: list[BaseException]) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "ETIMEDOUT"
    if isinstance(error, httpx.ProxyError):
        required = str(error).startswith(str(PROXY_AUTHENTICATION_REQUIRED))
        return "PROXY_AUTHENTICATION" if required else "PROXY_ERROR"
    if isinstance(error, httpx.RemoteProtocolError):
        return "ECONNRESET" if any(words in str(error) for words in _CLOSED_EARLY) else "PROTOCOL_ERROR"
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return code_of_tls_fault(str(cause))
        if isinstance(cause, OSError) and cause.errno is not None:
            return code_of_errno(cause.errno)
    return "ECONNRESET"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, exception groups included."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _causes(member)
    deeper = error.__cause__ or error.__context__
    if deeper is not None:
        yield from _causes(deeper)
