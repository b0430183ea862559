"""Names network and TLS errors by transport codes."""

import errno
import os
import ssl

from model.http.messages import HttpFailure

_CODES = {
    errno.ECONNREFUSED: "ECONNREFUSED",
    errno.ECONNRESET: "ECONNRESET",
    errno.EPIPE: "ECONNRESET",
    errno.ECONNABORTED: "ECONNABORTED",
    errno.EHOSTUNREACH: "EHOSTUNREACH",
    errno.ENETUNREACH: "EHOSTUNREACH",
    errno.EHOSTDOWN: "EHOSTUNREACH",
    errno.EADDRNOTAVAIL: "EHOSTUNREACH",
    errno.ETIMEDOUT: "ETIMEDOUT",
}
# Permanent TLS errors: certificates, no common version or cipher, or a server without TLS. Words of OpenSSL, without
# spaces and underscores.
_LASTING_TLS_FAULTS = (
    "accessdenied",
    "applicationprotocol",
    "certificate",
    "cipher",
    "corruptmessage",
    "handshakefailure",
    "httprequest",
    "incompatible",
    "insufficientsecurity",
    "protocolversion",
    "unknownca",
    "unrecogni",
    "unsupportedprotocol",
    "wrongversionnumber",
)


def code_of_errno(number: int) -> str:
    """The code of a network error; an unknown one is ECONNRESET."""
    return _CODES.get(number, "ECONNRESET")


def failure_of(error: Exception | None) -> HttpFailure:
    """The failure of a call whose connection broke, or was not made; None: the server closed the connection."""
    if error is None:
        return HttpFailure(
            code="ECONNRESET", message="the server closed the connection before the response was complete"
        )
    if isinstance(error, ssl.SSLError):
        return HttpFailure(code=_code_of_tls_fault(str(error)), message=str(error)[:300])
    if isinstance(error, OSError) and error.errno is not None:
        known = error.errno in errno.errorcode  # else of a name server, for the proxy's name
        message = os.strerror(error.errno) if known else str(error.strerror)
        return HttpFailure(code=code_of_errno(error.errno), message=message)
    return HttpFailure(code="ECONNRESET", message=(str(error) or "the connection broke")[:300])


def _code_of_tls_fault(message: str) -> str:
    """A handshake that ends early is a broken connection: a restarting load balancer causes that, and it is not about
    the certificate."""
    plain = message.lower().replace(" ", "").replace("_", "")
    return "TLS_ERROR" if any(words in plain for words in _LASTING_TLS_FAULTS) else "ECONNRESET"
