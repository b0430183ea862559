"""Reason codes of calls: the HTTP status of the response, or the transport error when there is no response."""

from dataclasses import replace

from model.reason_codes.reason import EVENTS_ARE_KEPT, Reason, reason_table

_RFC_9110 = frozenset((*range(300, 309), *range(400, 418), 422, 426, *range(500, 506)))
_LINKS = {
    **{str(status): f"https://www.rfc-editor.org/rfc/rfc9110#status.{status}" for status in _RFC_9110},
    "423": "https://www.rfc-editor.org/rfc/rfc4918#section-11.3",
    "429": "https://www.rfc-editor.org/rfc/rfc6585#section-4",
}

TRANSPORT: tuple[Reason, ...] = reason_table(f"""
warning, destination, retried | Waybill tries again. If it lasts, check the URL, and that this machine can reach the
        destination.
    ECONNREFUSED | The destination's server refused the connection.
    ECONNRESET | The connection was reset before the response was complete.
    ECONNABORTED | The connection was aborted before the response was complete.
    EHOSTUNREACH | The destination's server cannot be reached over the network.
    EAI_AGAIN | The DNS lookup of the host failed: no answer from the name server. | Waybill tries again. Check DNS.
    ETIMEDOUT | The destination did not respond in time. |
        Waybill tries again. If it lasts, ask the destination's operators, or disable the destination.
    PROTOCOL_ERROR | The destination's response was not valid HTTP.
    PROXY_ERROR | The proxy could not connect to the destination. | Waybill tries again. Check the proxy.
error, destination, retried
    PROXY_AUTHENTICATION | The proxy refuses the credentials. |
        Correct user name and password in `delivery.proxy` of the workspace file. {EVENTS_ARE_KEPT}
    ENOTFOUND | The destination's host name does not exist. | Correct the URL in the workspace file. {EVENTS_ARE_KEPT}
    TLS_ERROR | The TLS handshake failed: the certificate is expired, self-signed or for another name. |
        Renew the certificate or correct the URL. {EVENTS_ARE_KEPT}
    ADDRESS_REFUSED | The destination's host has a private or reserved address, which Waybill does not call. |
        Correct the URL, or allow the network in `delivery.allow_addresses` of the workspace file. {EVENTS_ARE_KEPT}
    INVALID_SETTINGS | The destination's settings do not form a valid request. |
        Correct its URL, method or headers in the workspace file. {EVENTS_ARE_KEPT}
""")
_STATUSES = reason_table(f"""
error, destination | Read the destination's message in the samples, then correct the events or the destination's
        settings.
    400 | The destination reports that the event is invalid.
    404 | The destination's URL does not exist. | Correct the URL in the workspace file.
    405 | The destination does not accept this HTTP method. | Correct the method in the workspace file.
    409 | The destination reports a conflict with data that it already has.
    410 | The destination's URL was removed permanently. | Correct the URL, or disable it.
    413 | The event is too large for the destination. | Send less with one event.
    415 | The destination does not accept JSON. | Check that the URL is the one for JSON events.
    422 | The destination reports that the event's content is invalid.
    501 | The destination does not support this type of event. | Do not send this type there.
error, destination, retried
    401 | The destination refuses the credentials. | Renew them in the destination's settings. {EVENTS_ARE_KEPT}
    403 | The credentials lack a permission, or a firewall of the destination blocks the event. |
        Give the credentials the permissions that the destination requires. {EVENTS_ARE_KEPT}
warning, destination, retried | Waybill tries again. If it lasts, ask the destination's operators, or disable the
        destination.
    307 | The destination redirected too many times, or without an address. |
        Check the destination's URL in the workspace file; use the address it redirects to.
    308 | The destination redirected too many times, or without an address. |
        Check the destination's URL in the workspace file; use the address it redirects to.
    408 | The destination timed out while it waited for the request.
    423 | The destination is temporarily locked.
    429 | The destination accepts fewer requests per second than Waybill sends. |
        Waybill slows down and tries again. If it lasts, ask the destination for a higher limit.
    500 | The destination failed with an internal error.
    502 | A gateway in front of the destination got no valid response from it.
    503 | The destination is overloaded or under maintenance.
    504 | A gateway in front of the destination got no response from it in time.
    529 | The destination is overloaded.
""")
_CLASSES = reason_table("""
warning, destination, retried | Waybill tries again. If it lasts, ask the destination's operators, or disable the
        destination.
    1xx | The destination sent the interim status NNN and no final response.
    5xx | The destination failed while handling the event (status NNN).
    NNN | The destination responded NNN, a status that HTTP does not define.
info, destination
    2xx | The destination accepted the event. | None.
error, destination
    3xx | The destination responded NNN, a redirect that Waybill cannot follow without losing the event. |
        Check the destination's URL in the workspace file; use the address it redirects to.
    4xx | The destination refused the event with status NNN. |
        Read the destination's message in the samples, then correct the events or the destination's settings.
""")


def _all_statuses() -> tuple[Reason, ...]:
    named, classes = ({entry.code: entry for entry in table} for table in (_STATUSES, _CLASSES))
    statuses = []
    for code in map(str, range(100, 1_000)):
        entry = named.get(code) or classes.get(f"{code[0]}xx") or classes["NNN"]
        description = entry.description.replace("NNN", code)
        statuses.append(replace(entry, code=code, description=description, link=_LINKS.get(code, "")))
    return tuple(statuses)


STATUSES: tuple[Reason, ...] = _all_statuses()
"""Every status a destination can respond with: the store joins codes with these rows and adds no rules."""
