"""Which redirects are followed: few, to checked addresses only, and without credentials.

Only 307 and 308 keep method and body; any other redirect would lose the event and is the result of the call.
"""

from msgspec.structs import replace

from model.http.messages import HttpRequest
from sinks.http.urls import HttpUrl

MAX_HOPS = 3
SAME_METHOD_AND_BODY = (307, 308)
# Headers that may go to another origin: they describe the body or identify the delivery, and are no credentials.
_HARMLESS_HEADERS = frozenset({"content-type", "user-agent", "idempotency-key"})


def next_hop(url: HttpUrl, location: str) -> HttpUrl | None:
    """Return the target of a redirect; None when it has none, or when it would downgrade https to http."""
    if not location:
        return None
    try:
        hop = url.join(location)
    except ValueError:
        return None
    return hop if url.scheme == "http" or hop.scheme == "https" else None


def for_hop(request: HttpRequest, url: HttpUrl, hop: HttpUrl) -> HttpRequest:
    """The request to send to the target of a redirect."""
    if (hop.scheme, hop.authority) == (url.scheme, url.authority):
        return request
    harmless = {name: value for name, value in request.headers.items() if name.lower() in _HARMLESS_HEADERS}
    return replace(request, headers=harmless)
