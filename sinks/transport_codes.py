"""Reason codes of the operating system's network errors: the part of error mapping that all HTTP engines share."""

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


def code_of_errno(number: int) -> str:
    """Name a network error; one we do not know is a broken connection."""
    return _CODES.get(number, "ECONNRESET")
