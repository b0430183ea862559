"""What both engines share for proxies.

A proxy gets names and resolves them itself, so Waybill resolves and checks a name first and refuses it as it would
without a proxy. Which address the proxy then connects to is up to the proxy.
"""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from model.http.messages import HttpFailure, HttpResponse

PROXY_AUTHENTICATION_REQUIRED = 407


@dataclass(frozen=True, slots=True)
class Proxy:
    """``url`` without credentials."""

    url: str
    username: str = field(repr=False)
    password: str = field(repr=False)


def proxy_of(url: str) -> Proxy:
    """Return the credentials of a proxy's URL, percent-decoded."""
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return Proxy(address, unquote(parts.username or ""), unquote(parts.password or ""))


def said_by_proxy(result: HttpResponse | HttpFailure) -> HttpResponse | HttpFailure:
    """Separate the proxy's own responses from the destination's, and name the proxy in failures."""
    if isinstance(result, HttpFailure):
        return replace(result, message=f"through the proxy: {result.message}")
    if result.status == PROXY_AUTHENTICATION_REQUIRED:
        return HttpFailure(code="PROXY_AUTHENTICATION", message="the proxy refuses the credentials")
    return result
