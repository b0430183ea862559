"""Transport codes of network and TLS errors; shared by the HTTP engines."""

import errno

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
# Permanent TLS errors: certificates, no common version or cipher, or a server without TLS. Words of rustls and
# OpenSSL, without spaces and underscores.
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


def code_of_tls_fault(message: str) -> str:
    """The code of a TLS error, from its text. A handshake that ends early is a broken connection: a restarting load
    balancer causes that, and it is not about the certificate."""
    plain = message.lower().replace(" ", "").replace("_", "")
    return "TLS_ERROR" if any(words in plain for words in _LASTING_TLS_FAULTS) else "ECONNRESET"
