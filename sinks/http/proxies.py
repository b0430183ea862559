"""What both engines need to go through a proxy.

A proxy is asked for names, which it looks up itself; so a name is looked up and checked here first, and refused as it
would be without a proxy. Where the proxy then connects to is the proxy's to watch over.
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
    """Take the credentials out of a proxy's URL; they are percent-encoded there."""
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return Proxy(address, unquote(parts.username or ""), unquote(parts.password or ""))


def said_by_proxy(result: HttpResponse | HttpFailure) -> HttpResponse | HttpFailure:
    """Tell what the proxy said of itself from what the destination said, and name the proxy in failures."""
    if isinstance(result, HttpFailure):
        return replace(result, message=f"by way of the proxy: {result.message}")
    if result.status == PROXY_AUTHENTICATION_REQUIRED:
        return HttpFailure(code="PROXY_AUTHENTICATION", message="the proxy does not accept the credentials")
    return result
