"""Which addresses may be called, and how long an answer of the name server holds."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.http.messages import HttpFailure
from sinks.http.ssrf_guard import FAILURE_REFRESH_SECONDS, MAX_CACHED_HOSTS, REFRESH_SECONDS, SsrfGuard


@dataclass
class Names:
    """A name server and a clock to turn."""

    answers: dict[str, list[str] | Exception] = field(default_factory=dict)
    asked: int = 0
    seconds: float = 0.0

    async def resolve(self, host: str) -> Sequence[str]:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.get(host, socket.gaierror(socket.EAI_NONAME, "unknown"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def guard(self, *allowed: str) -> SsrfGuard:
        networks = [ip_network(network) for network in allowed]
        return SsrfGuard(networks, resolver=self.resolve, monotonic=lambda: self.seconds)


def code_or_addresses(guard: SsrfGuard, host: str) -> str | tuple[str, ...]:
    result = asyncio.run(guard.look_up(host, 5))
    return result.code if isinstance(result, HttpFailure) else result


@pytest.mark.parametrize(
    "address",
    """0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 192.168.1.1 192.0.2.1 198.18.0.1
    224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 fe80::1
    fe80::1%lo fc00::1 fd12::1 fec0::1 ff02::1 2001:db8::1 64:ff9b::7f00:1 64:ff9b::a00:1 2002:7f00:1::
    100::1 64:ff9b::a9fe:a9fe 64:ff9b:1::a00:1 ::ffff:169.254.169.254 ::ffff:0:10.0.0.1 2002:a9fe:a9fe::
    2001:0:a00:1::1 169.254.170.2 fd00:ec2::254 192.0.0.1""".split(),
)
def test_addresses_that_are_not_the_open_internets_are_refused(address: str) -> None:
    assert code_or_addresses(Names({"partner.test": [address]}).guard(), "partner.test") == "ADDRESS_REFUSED"
    assert code_or_addresses(Names().guard(), address) == "ADDRESS_REFUSED"


@pytest.mark.parametrize(
    "host",
    """0x7f000001 0x7f.1 127.1 2130706433 017700000001 0177.0.0.1 0 0x0 0.0.0.0 2852039166 0xa9fea9fe
    0251.0376.0251.0376 127.0.0.1. 169.254.169.254. localhost localhost.""".split(),
)
def test_a_private_address_is_refused_in_whatever_way_the_system_lets_it_be_written(host: str) -> None:
    # Some of these this system's resolver does not take for addresses: they are then no hosts at all.
    assert code_or_addresses(SsrfGuard(), host) in {"ADDRESS_REFUSED", "ENOTFOUND", "EAI_AGAIN"}
    assert code_or_addresses(SsrfGuard(), "0x7f.1") == "ADDRESS_REFUSED"


def test_an_answer_that_turns_private_is_refused_once_the_first_no_longer_holds() -> None:
    names = Names({"partner.test": ["93.184.215.14"]})
    guard = names.guard()
    assert code_or_addresses(guard, "partner.test") == ("93.184.215.14",)
    names.answers["partner.test"] = ["169.254.169.254"]
    assert guard.cached("partner.test") == ("93.184.215.14",)
    names.seconds = REFRESH_SECONDS
    assert code_or_addresses(guard, "partner.test") == "ADDRESS_REFUSED"
    assert isinstance(guard.cached("partner.test"), HttpFailure)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::6810:84e5", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_not(address: str) -> None:
    assert code_or_addresses(Names({"partner.test": [address]}).guard(), "partner.test") == (address,)
    assert code_or_addresses(Names().guard(), f"[{address}]" if ":" in address else address) == (address,)


def test_allowed_networks_are_allowed_and_no_others() -> None:
    guard = Names().guard("127.0.0.0/8", "fd12::/16")
    assert code_or_addresses(guard, "127.0.0.5") == ("127.0.0.5",)
    assert code_or_addresses(guard, "::ffff:127.0.0.5") == ("::ffff:7f00:5",)
    assert code_or_addresses(guard, "fd12::1") == ("fd12::1",)
    assert code_or_addresses(guard, "10.0.0.1") == "ADDRESS_REFUSED"
    assert code_or_addresses(guard, "fd13::1") == "ADDRESS_REFUSED"


def test_of_mixed_answers_only_the_good_ones_are_used() -> None:
    names = Names({"partner.test": ["10.0.0.1", "93.184.215.14", "not an address"]})
    assert code_or_addresses(names.guard(), "partner.test") == ("93.184.215.14",)


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_an_ipv4_address_is_judged_alike_in_all_its_clothes(address: IPv4Address | IPv6Address) -> None:
    guard = Names().guard()
    plain = code_or_addresses(guard, str(address))
    if isinstance(address, IPv4Address):
        mapped = code_or_addresses(guard, f"::ffff:{address}")
        assert (plain == "ADDRESS_REFUSED") == (mapped == "ADDRESS_REFUSED")
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert plain == "ADDRESS_REFUSED"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "ENOTFOUND"),
        (socket.gaierror(socket.EAI_NODATA, "x"), "ENOTFOUND"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "EAI_AGAIN"),
        (OSError(24, "too many open files"), "EAI_AGAIN"),
        (UnicodeError("label too long"), "ENOTFOUND"),
    ],
)
def test_failures_of_the_name_server_are_named(error: Exception, code: str) -> None:
    assert code_or_addresses(Names({"partner.test": error}).guard(), "partner.test") == code


@pytest.mark.parametrize("host", ["", "a" * 300, "a..b", "\x00", "xn--\ud800", "[", "::%"])
def test_hosts_that_are_none_are_not_found(host: str) -> None:
    guard = SsrfGuard()
    assert code_or_addresses(guard, host) in {"ENOTFOUND", "EAI_AGAIN", "ADDRESS_REFUSED"}


def test_an_answer_holds_for_a_while_and_is_asked_for_once_by_many() -> None:
    names = Names({"partner.test": ["93.184.215.14"]})
    guard = names.guard()

    async def test() -> None:
        await asyncio.gather(*(guard.look_up("partner.test", 5) for _ in range(20)))
        assert names.asked == 1
        assert guard.cached("partner.test") == ("93.184.215.14",)
        names.seconds = REFRESH_SECONDS
        assert guard.cached("partner.test") is None
        await guard.look_up("partner.test", 5)
        assert names.asked == 2

    asyncio.run(test())


def test_a_failure_holds_for_a_shorter_while() -> None:
    names = Names()
    guard = names.guard()
    code_or_addresses(guard, "partner.test")
    assert isinstance(guard.cached("partner.test"), HttpFailure)
    names.seconds = FAILURE_REFRESH_SECONDS
    assert guard.cached("partner.test") is None


def test_a_name_server_that_goes_away_does_not_take_known_hosts_with_it() -> None:
    names = Names({"partner.test": ["93.184.215.14"]})
    guard = names.guard()
    code_or_addresses(guard, "partner.test")
    names.seconds = REFRESH_SECONDS
    names.answers["partner.test"] = socket.gaierror(socket.EAI_AGAIN, "x")
    assert code_or_addresses(guard, "partner.test") == ("93.184.215.14",)
    names.answers["partner.test"] = socket.gaierror(socket.EAI_NONAME, "x")
    assert code_or_addresses(guard, "partner.test") == "ENOTFOUND"


def test_a_known_host_is_gone_when_the_name_server_says_so_twice() -> None:
    names = Names({"partner.test": ["93.184.215.14"]})
    guard = names.guard()
    code_or_addresses(guard, "partner.test")
    unknown = socket.gaierror(socket.EAI_NONAME, "x")
    names.seconds = REFRESH_SECONDS
    names.answers["partner.test"] = unknown
    assert code_or_addresses(guard, "partner.test") == ("93.184.215.14",)
    names.seconds += FAILURE_REFRESH_SECONDS
    assert guard.cached("partner.test") is None  # asked again soon
    names.answers["partner.test"] = ["93.184.215.14"]
    assert code_or_addresses(guard, "partner.test") == ("93.184.215.14",)
    names.answers["partner.test"] = unknown
    assert code_or_addresses(guard, "partner.test") == ("93.184.215.14",)
    assert code_or_addresses(guard, "partner.test") == "ENOTFOUND"


def test_a_name_that_moves_to_a_private_address_is_refused_at_once() -> None:
    names = Names({"partner.test": ["93.184.215.14"]})
    guard = names.guard()
    code_or_addresses(guard, "partner.test")
    names.answers["partner.test"] = ["10.0.0.7"]
    assert code_or_addresses(guard, "partner.test") == "ADDRESS_REFUSED"


def test_a_name_without_addresses_is_not_found() -> None:
    assert code_or_addresses(Names({"partner.test": []}).guard(), "partner.test") == "ENOTFOUND"


def test_an_address_that_worked_stays_first() -> None:
    names = Names({"partner.test": ["2606:4700::1", "93.184.215.14"]})
    guard = names.guard()
    code_or_addresses(guard, "partner.test")
    guard.promote("partner.test", "93.184.215.14")
    assert guard.cached("partner.test") == ("93.184.215.14", "2606:4700::1")
    names.seconds = REFRESH_SECONDS
    assert code_or_addresses(guard, "partner.test") == ("93.184.215.14", "2606:4700::1")


def test_hosts_remembered_are_bounded() -> None:
    guard = Names().guard()

    async def test() -> None:
        for number in range(MAX_CACHED_HOSTS + 10):
            await guard.look_up(f"h{number}.test", 5)

    asyncio.run(test())
    assert guard.cached("h5.test") is None
    assert guard.cached("h500.test") is not None
