"""Reason codes of calls: the HTTP status of the response, or the transport error when there is no response."""

from model.reason_codes.reason import Owner, Reason, Severity

_CHECK_URL = "Check the destination's URL in the workspace file; use the address it redirects to."
_READ_RESPONSE = "Read the destination's message in the samples, then correct the events or the destination's settings."
_WAIT_OR_ASK = "Waybill tries again. If it lasts, ask the destination's operators, or disable the destination."
_CHECK_REACHABLE = "Waybill tries again. If it lasts, check the URL, and that this machine can reach the destination."
_RFC_9110 = frozenset(map(str, (*range(300, 309), *range(400, 418), 422, 426, *range(500, 506))))
_ELSEWHERE = {
    "423": "https://www.rfc-editor.org/rfc/rfc4918#section-11.3",
    "429": "https://www.rfc-editor.org/rfc/rfc6585#section-4",
}


def any_status(code: str) -> Reason:
    """Explain a status (three digits) by its class."""
    match code[0]:
        case "1":
            return _passing(code, f"The destination sent the interim status {code} and no final response.")
        case "2":
            return Reason(code, Severity.INFO, Owner.DESTINATION, False, "The destination accepted the event.", "None.")
        case "3":
            return _refused(
                code,
                f"The destination responded {code}, a redirect that Waybill cannot follow without losing the event.",
                _CHECK_URL,
            )
        case "4":
            return _refused(code, f"The destination refused the event with status {code}.")
        case "5":
            return _passing(code, f"The destination failed while handling the event (status {code}).")
        case _:
            return _passing(code, f"The destination responded {code}, a status that HTTP does not define.")


def _passing(code: str, description: str, action: str = _WAIT_OR_ASK) -> Reason:
    return Reason(code, Severity.WARNING, Owner.DESTINATION, True, description, action, _link(code))


def _refused(code: str, description: str, action: str = _READ_RESPONSE) -> Reason:
    return Reason(code, Severity.ERROR, Owner.DESTINATION, False, description, action, _link(code))


def _setup(code: str, description: str, action: str) -> Reason:
    kept = " Waybill keeps the events and tries again; while all are refused, with one call a minute."
    return Reason(code, Severity.ERROR, Owner.DESTINATION, True, description, action + kept, _link(code))


def _link(code: str) -> str:
    if code in _ELSEWHERE:
        return _ELSEWHERE[code]
    return f"https://www.rfc-editor.org/rfc/rfc9110#status.{code}" if code in _RFC_9110 else ""


TRANSPORT: tuple[Reason, ...] = (
    _passing("ECONNREFUSED", "The destination's server refused the connection.", _CHECK_REACHABLE),
    _passing("ECONNRESET", "The connection was reset before the response was complete.", _CHECK_REACHABLE),
    _passing("ECONNABORTED", "The connection was aborted before the response was complete.", _CHECK_REACHABLE),
    _passing("EHOSTUNREACH", "The destination's server cannot be reached over the network.", _CHECK_REACHABLE),
    _passing(
        "EAI_AGAIN",
        "The DNS lookup of the host failed: no answer from the name server.",
        "Waybill tries again. Check DNS.",
    ),
    _passing("ETIMEDOUT", "The destination did not respond in time.", _WAIT_OR_ASK),
    _passing("PROTOCOL_ERROR", "The destination's response was not valid HTTP.", _CHECK_REACHABLE),
    _passing("PROXY_ERROR", "The proxy could not connect to the destination.", "Waybill tries again. Check the proxy."),
    _setup(
        "PROXY_AUTHENTICATION",
        "The proxy refuses the credentials.",
        "Correct user name and password in `delivery.proxy` of the workspace file.",
    ),
    _setup("ENOTFOUND", "The destination's host name does not exist.", "Correct the URL in the workspace file."),
    _setup(
        "TLS_ERROR",
        "The TLS handshake failed: the certificate is expired, self-signed or for another name.",
        "Renew the certificate or correct the URL.",
    ),
    _setup(
        "ADDRESS_REFUSED",
        "The destination's host has a private or reserved address, which Waybill does not call.",
        "Correct the URL, or allow the network in `delivery.allow_addresses` of the workspace file.",
    ),
    _setup(
        "INVALID_SETTINGS",
        "The destination's settings do not form a valid request.",
        "Correct its URL, method or headers in the workspace file.",
    ),
)

_STATUSES_OF_THEIR_OWN: tuple[Reason, ...] = (
    _passing("307", "The destination redirected too many times, or without an address.", _CHECK_URL),
    _passing("308", "The destination redirected too many times, or without an address.", _CHECK_URL),
    _refused("400", "The destination reports that the event is invalid."),
    _setup("401", "The destination refuses the credentials.", "Renew them in the destination's settings."),
    _setup(
        "403",
        "The credentials lack a permission, or a firewall of the destination blocks the event.",
        "Give the credentials the permissions that the destination requires.",
    ),
    _refused("404", "The destination's URL does not exist.", "Correct the URL in the workspace file."),
    _refused("405", "The destination does not accept this HTTP method.", "Correct the method in the workspace file."),
    _passing("408", "The destination timed out while it waited for the request."),
    _refused("409", "The destination reports a conflict with data that it already has."),
    _refused("410", "The destination's URL was removed permanently.", "Correct the URL, or disable it."),
    _refused("413", "The event is too large for the destination.", "Send less with one event."),
    _refused("415", "The destination does not accept JSON.", "Check that the URL is the one for JSON events."),
    _refused("422", "The destination reports that the event's content is invalid."),
    _passing("423", "The destination is temporarily locked."),
    _passing(
        "429",
        "The destination accepts fewer requests per second than Waybill sends.",
        "Waybill slows down and tries again. If it lasts, ask the destination for a higher limit.",
    ),
    _passing("500", "The destination failed with an internal error."),
    _refused("501", "The destination does not support this type of event.", "Do not send this type there."),
    _passing("502", "A gateway in front of the destination got no valid response from it."),
    _passing("503", "The destination is overloaded or under maintenance."),
    _passing("504", "A gateway in front of the destination got no response from it in time."),
    _passing("529", "The destination is overloaded."),
)

STATUSES: tuple[Reason, ...] = tuple(
    {
        **{str(status): any_status(str(status)) for status in range(100, 1_000)},
        **{entry.code: entry for entry in _STATUSES_OF_THEIR_OWN},
    }.values()
)
"""Every status a destination can respond with: the store joins codes with these rows and adds no rules."""
