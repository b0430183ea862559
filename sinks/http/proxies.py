"""The proxy that calls go through, and its own responses as opposed to the destination's.

A proxy gets names and resolves them itself, so Waybill resolves and checks a name first and refuses it as it would
without a proxy. Which address the proxy then connects to is up to the proxy.
"""

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from msgspec.structs import replace

from model.http.messages import HttpFailure, HttpResponse

PROXY_AUTHENTICATION_REQUIRED = 407
REFUSED_CREDENTIALS = HttpFailure(code="PROXY_AUTHENTICATION", message="the proxy refuses the credentials")


@dataclass(frozen=True, slots=True)
class Proxy:
    """``headers``: its credentials."""

    host: str
    port: int
    headers: dict[str, str] = field(repr=False)


def proxy_of(url: str) -> Proxy:
    """Read a proxy's URL, whose credentials are percent-encoded."""
    parts = urlsplit(url)
    headers = {}
    if parts.username:
        credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        headers["proxy-authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
    return Proxy(parts.hostname or "", 80 if parts.port is None else parts.port, headers)


def said_by_proxy(result: HttpResponse | HttpFailure) -> HttpResponse | HttpFailure:
    """Separate the proxy's own responses from the destination's, and name the proxy in failures."""
    if isinstance(result, HttpFailure):
        return named_by_proxy(result)
    return REFUSED_CREDENTIALS if result.status == PROXY_AUTHENTICATION_REQUIRED else result


def named_by_proxy(failure: HttpFailure) -> HttpFailure:
    """Name the proxy in a failure."""
    return replace(failure, message=f"through the proxy: {failure.message}")
