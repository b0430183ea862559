"""Protection against server-side request forgery: resolves hosts, checks the addresses, and pins them.

A destination's URL is user input, and only the address that a connection goes to counts. So hosts are resolved here,
the addresses are checked, and the engine connects to these and no others. (If a name were resolved again, the result
could be another address.)
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from model.http.messages import HttpFailure

Network = IPv4Network | IPv6Network
Resolver = Callable[[str], Awaitable[Sequence[str]]]  # host -> addresses as text; raises socket.gaierror

REFRESH_SECONDS = 30.0
FAILURE_REFRESH_SECONDS = 2.0
MAX_CACHED_HOSTS = 1_000
_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")
_UNKNOWN_NAME = {socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY}


async def system_resolver(host: str) -> Sequence[str]:
    """Resolve a host with the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


@dataclass(frozen=True, slots=True)
class _CachedLookup:
    result: tuple[str, ...] | HttpFailure
    until: float
    doubted: bool = False  # kept from an earlier lookup, because the last one failed


class SsrfGuard:
    """Resolves hosts to allowed addresses and caches them for 30 seconds. Belongs to one event loop.

    A single failure of a name server does not fail calls to a host that was resolved before.

    Private, loopback, link-local, multicast and reserved addresses are refused unless they lie in ``allowed``.
    """

    def __init__(
        self,
        allowed: Iterable[Network] = (),
        *,
        resolver: Resolver = system_resolver,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolver = resolver
        self._monotonic = monotonic
        self._cached: dict[str, _CachedLookup] = {}
        self._lookups: dict[str, asyncio.Task[tuple[str, ...] | HttpFailure]] = {}

    def cached(self, host: str) -> tuple[str, ...] | HttpFailure | None:
        """Return the cached result of a lookup, or None."""
        cached = self._cached.get(host)
        return cached.result if cached and self._monotonic() < cached.until else None

    async def look_up(self, host: str, timeout_seconds: float) -> tuple[str, ...] | HttpFailure:
        """Return the addresses to try, in order, or a failure ENOTFOUND, EAI_AGAIN, ADDRESS_REFUSED or ETIMEDOUT.

        ``host`` is a name or an address, IPv6 with or without brackets.
        """
        lookup = self._lookups.get(host)
        if lookup is None:  # concurrent callers share one lookup: a dead name server blocks one thread per host
            lookup = self._lookups[host] = asyncio.get_running_loop().create_task(self._resolve(host))
            lookup.add_done_callback(lambda _: self._lookups.pop(host, None))
        try:
            async with asyncio.timeout(timeout_seconds):
                return await asyncio.shield(lookup)
        except TimeoutError:
            return HttpFailure(code="ETIMEDOUT", message=f"no answer from the name server for {host[:253]} in time")

    def promote(self, host: str, address: str) -> None:
        """Try this address first from now on, because a connection to it succeeded."""
        cached = self._cached.get(host)
        if cached and not isinstance(cached.result, HttpFailure) and cached.result[0] != address:
            self._cached[host] = replace(cached, result=_first(address, cached.result))

    async def _resolve(self, host: str) -> tuple[str, ...] | HttpFailure:
        previous = self._cached.pop(host, None)
        result = await self._resolve_and_check(host)
        doubted, keep_seconds = False, REFRESH_SECONDS
        if previous and not isinstance(previous.result, HttpFailure):
            if not isinstance(result, HttpFailure):
                result = _first(previous.result[0], result)
            elif result.code == "EAI_AGAIN":  # the name server is unavailable; the checked address stays valid
                result, doubted = previous.result, True
            elif result.code == "ENOTFOUND" and not previous.doubted:
                # A single ENOTFOUND for a name that resolved a moment ago is not believed: ask again.
                result, doubted, keep_seconds = previous.result, True, FAILURE_REFRESH_SECONDS
        if isinstance(result, HttpFailure):
            keep_seconds = FAILURE_REFRESH_SECONDS
        while len(self._cached) >= MAX_CACHED_HOSTS:
            del self._cached[next(iter(self._cached))]
        self._cached[host] = _CachedLookup(result, self._monotonic() + keep_seconds, doubted)
        return result

    async def _resolve_and_check(self, host: str) -> tuple[str, ...] | HttpFailure:
        try:
            found: Sequence[str] = [str(ip_address(host.strip("[]")))]
        except ValueError:
            try:
                found = await self._resolver(host)
            except socket.gaierror as error:
                code = "ENOTFOUND" if error.errno in _UNKNOWN_NAME else "EAI_AGAIN"
                return HttpFailure(code=code, message=f"looking up {host[:253]}: {error.strerror}")
            except OSError as error:
                return HttpFailure(code="EAI_AGAIN", message=f"looking up {host[:253]}: {error.strerror}")
            except ValueError:  # too long, empty labels, a zero byte
                return HttpFailure(code="ENOTFOUND", message=f"{host[:253]!r} is not a valid host name")
        if not found:
            return HttpFailure(code="ENOTFOUND", message=f"{host[:253]} has no address")
        allowed = tuple(address for address in found if self._may_call(address))
        if not allowed:
            message = f"{host[:253]} is at {', '.join(found[:3])}, which is not allowed"
            return HttpFailure(code="ADDRESS_REFUSED", message=message)
        return allowed

    def _may_call(self, text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        meant = embedded_addresses(address)
        return all(is_public(one) for one in meant) or any(one in net for one in meant[:1] for net in self._allowed)


def embedded_addresses(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The addresses that an address reaches: itself; the IPv4 address for ``::ffff:10.0.0.1``; both for translated and
    tunnelled forms (NAT64, 6to4)."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return [address, IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, address.sixtofour] if address.sixtofour else [address]


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is a public unicast address."""
    if isinstance(address, IPv6Address) and address.is_site_local:
        return False
    return (address.is_global or address in _NAT64) and not (
        address.is_multicast or address.is_unspecified or (address.is_reserved and address not in _NAT64)
    )


def _first(address: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(addresses, key=lambda one: one != address))
