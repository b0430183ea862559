"""Parses the URLs of calls as browsers do (WHATWG), so that a host has one spelling when its address is checked."""

import re
import socket
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import idna
import msgspec

_DEFAULT_PORTS = {"http": 80, "https": 443}
_FORBIDDEN_IN_HOST = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
# Kept as they are; everything else is percent-encoded.
_SAFE_IN_PATH = "!$%&'()*+,/:;=@[\\]^|~"
_SAFE_IN_QUERY = "!$%&()*+,/:;=?@[\\]^`{|}~"
_ASCII = "".join(map(chr, range(128)))


class HttpUrl(msgspec.Struct, frozen=True):
    """An http or https URL without credentials and fragment.

    ``host``: a name in ASCII, or an address, IPv6 without brackets. ``authority``: host and port, as in the Host
    header. ``path``: with the query.
    """

    scheme: str
    host: str
    port: int
    authority: str
    path: str

    @property
    def text(self) -> str:
        """The whole URL."""
        return f"{self.scheme}://{self.authority}{self.path}"

    def join(self, location: str) -> "HttpUrl":
        """Resolve the Location of a response, as its header was read (Latin-1). Raises ValueError."""
        target = quote(location.encode("latin-1"), safe=_ASCII)
        parts = urlsplit(target)
        if parts.scheme and not parts.netloc:  # `urljoin` would take it for a relative one
            raise ValueError("it has a scheme and no host")
        return parsed_url(urljoin(self.text, target))


@lru_cache(maxsize=4_000)
def parsed_url(text: str) -> HttpUrl:
    """Parse a URL. Raises ValueError with the reason."""
    parts = urlsplit(text)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError(f"its scheme is {parts.scheme[:20]!r}, not http or https")
    if "@" in parts.netloc:
        raise ValueError("it contains a user name or password")
    host = _host(parts)
    default_port = _DEFAULT_PORTS[parts.scheme]
    port = default_port if parts.port is None else parts.port
    name = f"[{host}]" if ":" in host else host
    path = _without_dots(quote(parts.path, safe=_SAFE_IN_PATH)) or "/"
    if parts.query:
        path += "?" + quote(parts.query, safe=_SAFE_IN_QUERY)
    return HttpUrl(parts.scheme, host, port, name if port == default_port else f"{name}:{port}", path)


def _host(parts: SplitResult) -> str:
    written = parts.hostname or ""
    if "[" in parts.netloc:
        return str(IPv6Address(written)) if "%" not in written else _invalid_host(written)
    host = unquote(written, errors="strict").lower()
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode("ascii")
    if not host.strip(".") or _FORBIDDEN_IN_HOST.search(host):
        return _invalid_host(written)
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):  # an IPv4 address, perhaps short, octal or hexadecimal
        try:
            return socket.inet_ntoa(socket.inet_aton(host.removesuffix(".")))
        except OSError:
            return _invalid_host(written)
    return host


def _invalid_host(written: str) -> str:
    raise ValueError(f"its host is not valid: {written[:100]!r}")


def _without_dots(path: str) -> str:
    """Resolve the segments ``.`` and ``..``, percent-encoded ones too."""
    if "/." not in path and "/%2" not in path:
        return path
    resolved: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments):
        dots = segment.lower().replace("%2e", ".")
        if dots == ".." and resolved:
            resolved.pop()
        if dots not in {".", ".."}:
            resolved.append(segment)
        elif place == len(segments) - 1:
            resolved.append("")
    return "/" + "/".join(resolved)
