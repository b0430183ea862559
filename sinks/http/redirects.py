"""Follows redirects instead of the HTTP library: few, to checked addresses only, and without credentials.

Only 307 and 308 keep method and body; any other redirect would lose the event and is returned to the caller.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache

from msgspec.structs import replace
from pyreqwest.http import Url

from model.http.messages import HttpFailure, HttpRequest, HttpResponse

MAX_HOPS = 3
SAME_METHOD_AND_BODY = (307, 308)
# Headers that may go to another origin: they describe the body or identify the delivery, and are no credentials.
_HARMLESS_HEADERS = frozenset({"content-type", "user-agent", "idempotency-key"})

Exchange = Callable[[HttpRequest, Url, float], Awaitable[HttpResponse | HttpFailure]]


async def send_following(
    exchange: Exchange, request: HttpRequest, monotonic: Callable[[], float]
) -> HttpResponse | HttpFailure:
    """Call ``exchange(request, url, deadline)`` for the request and up to 3 hops, within one total time.

    After the last hop, or when the target is not allowed, the redirect itself is the result.
    """
    deadline = monotonic() + request.timeout_seconds
    url = _parsed(request.url)
    if isinstance(url, HttpFailure):
        return url
    result = await exchange(request, url, deadline)
    for _ in range(MAX_HOPS):
        if isinstance(result, HttpFailure) or result.status not in SAME_METHOD_AND_BODY:
            break
        hop = next_hop(url, result.headers.get("location", ""))
        if hop is None:
            break
        if hop.origin_ascii != url.origin_ascii:
            harmless = {name: value for name, value in request.headers.items() if name.lower() in _HARMLESS_HEADERS}
            request = replace(request, headers=harmless)
        url = hop
        result = await exchange(request, url, deadline)
    return result


@lru_cache(maxsize=1_000)
def _parsed(text: str) -> Url | HttpFailure:
    try:
        url = Url(text)
    except ValueError as error:
        return HttpFailure(code="INVALID_SETTINGS", message=f"the URL is not valid: {error}")
    if url.scheme not in ("http", "https"):
        return HttpFailure(code="INVALID_SETTINGS", message=f"the URL's scheme is {url.scheme}, not http or https")
    return url


def next_hop(url: Url, location: str) -> Url | None:
    """Return the target of a redirect; None when it has none, or when it would downgrade https to http."""
    if not location:
        return None
    try:
        hop = url.join(location)
    except ValueError:
        return None
    allowed = ("https",) if url.scheme == "https" else ("http", "https")
    return hop if hop.scheme in allowed else None
