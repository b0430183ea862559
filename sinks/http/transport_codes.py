"""Reason codes of network and TLS errors: the part of error mapping that all HTTP engines share."""

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
# What stays until a person acts: certificates, and two sides that have no version or cipher in common, or of which one
# speaks no TLS. Words of rustls and OpenSSL, without spaces and underscores.
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
    """Name a network error; one we do not know is a broken connection."""
    return _CODES.get(number, "ECONNRESET")


def code_of_tls_fault(message: str) -> str:
    """Name a TLS error by its text. A handshake that ends early, or breaks, is a broken connection: a load balancer
    that restarts does that, and it says nothing about the certificate."""
    plain = message.lower().replace(" ", "").replace("_", "")
    return "TLS_ERROR" if any(words in plain for words in _LASTING_TLS_FAULTS) else "ECONNRESET"
