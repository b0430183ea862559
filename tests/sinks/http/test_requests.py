"""URLs of calls as browsers read them, and the heads of requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.http.requests import next_hop, request_head
from sinks.http.urls import parsed_url


@pytest.mark.parametrize(
    ("text", "host", "authority", "path"),
    [
        ("http://a.test", "a.test", "a.test", "/"),
        ("HTTP://A.Test:80/x", "a.test", "a.test", "/x"),
        ("https://a.test:443?q=1", "a.test", "a.test", "/?q=1"),
        ("https://a.test:80/", "a.test", "a.test:80", "/"),
        ("http://a.test./", "a.test.", "a.test.", "/"),
        ("http://a_b.test/", "a_b.test", "a_b.test", "/"),
        ("http://127.1:8080/", "127.0.0.1", "127.0.0.1:8080", "/"),
        ("http://0x7f000001/", "127.0.0.1", "127.0.0.1", "/"),
        ("http://127.0.0.1./", "127.0.0.1", "127.0.0.1", "/"),
        ("http://１２７.0.0.1/", "127.0.0.1", "127.0.0.1", "/"),
        ("http://%31%32%37.0.0.1/", "127.0.0.1", "127.0.0.1", "/"),
        ("http://[0:0::0001]:81/", "::1", "[::1]:81", "/"),
        ("http://bücher.test/", "xn--bcher-kva.test", "xn--bcher-kva.test", "/"),
        ("http://straße.test/", "xn--strae-oqa.test", "xn--strae-oqa.test", "/"),
        ("http://a.test/x#fragment", "a.test", "a.test", "/x"),
        ("http://a.test/a b/../c%2fd/./%2E%2e/é?x y=é&'{}#f", "a.test", "a.test", "/%C3%A9?x%20y=%C3%A9&%27{}"),
        ("http://a.test/%zz?%", "a.test", "a.test", "/%zz?%"),
        ("http://a.test/a/..", "a.test", "a.test", "/"),
        ("http://a.test//b", "a.test", "a.test", "//b"),
        ("http://a.test/.well-known/x..", "a.test", "a.test", "/.well-known/x.."),
    ],
)
def test_a_url_has_one_spelling(text: str, host: str, authority: str, path: str) -> None:
    url = parsed_url(text)
    assert (url.host, url.authority, url.path) == (host, authority, path)
    assert parsed_url(url.text) == url


@pytest.mark.parametrize(
    "text",
    ["", "a.test", "//a.test/", "ftp://a.test/", "http:///x", "http://.../", "http://a b.test/", "http://a%00.test/",
     "http://a%2fb.test/", "http://[::1", "http://[::1%25eth0]/", "http://[a.test]/", "http://a.test:99999/",
     "http://a.test:x/", "http://user@a.test/", "http://1.2.3.4.5/", "http://256.0.0.1/", "http://a.0x/", "http://a|b/",
     "http://\udc80.test/", "http://xn--\N{SNOWMAN}-.test/"],
)  # fmt: skip
def test_what_is_no_url_of_a_call_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parsed_url(text)


@given(st.text(max_size=30))
def test_any_location_leads_to_a_url_or_nowhere(location: str) -> None:
    hop = next_hop(parsed_url("http://a.test/b/c?d"), location.encode().decode("latin-1"))
    assert hop is None or (hop.path.isascii() and hop.path.startswith("/") and " " not in hop.path)


@pytest.mark.parametrize(
    ("location", "hop"),
    [
        ("/x?y", "http://a.test/x?y"),
        ("x", "http://a.test/b/x"),
        ("?y", "http://a.test/b/c?y"),
        ("../../x", "http://a.test/x"),
        ("//other.test/x", "http://other.test/x"),
        ("https://a.test", "https://a.test/"),
        ("/caf\xe9", "http://a.test/caf%E9"),
        ("/caf\xc3\xa9", "http://a.test/caf%C3%A9"),
        ("//b\xc3\xbccher.test/", "http://xn--bcher-kva.test/"),
        ("", None),
        ("http://", None),
        ("//user:password@a.test/", None),
        ("mailto:a@a.test", None),
    ],
)
def test_a_location_is_resolved(location: str, hop: str | None) -> None:
    found = next_hop(parsed_url("http://a.test/b/c?d"), location)
    assert (found.text if found else None) == hop


def test_https_is_not_left() -> None:
    assert next_hop(parsed_url("https://a.test/"), "http://a.test/") is None


def head(headers: dict[str, str], method: str = "POST", body_bytes: int = 2) -> bytes:
    return request_head(method, "/x?100%25", "a.test:81", headers, body_bytes)


def test_the_head_of_a_request() -> None:
    assert head({"X-Key": "50% é", "100%": ""}) == (
        b"POST /x?100%25 HTTP/1.1\r\nhost: a.test:81\r\naccept: */*\r\naccept-encoding: identity\r\n"
        b"X-Key: 50% \xc3\xa9\r\n100%: \r\ncontent-length: 2\r\n\r\n"
    )
    assert b"accept: */*" not in head({"Accept": "text/plain"})
    assert b"host: a.test" not in head({"Host": "b.test"})
    assert head({}, body_bytes=0).endswith(b"content-length: 0\r\n\r\n")
    assert b"content-length" not in head({}, "GET", 0) + head({}, "HEAD", 0)
    assert b"content-length: 2" in head({}, "GET")


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nb"}, {"X": "a\nb"}, {"X": "a\rb"}, {"X": "a\0"}, {"X": "\x7f"}, {"X": "\udc80"}, {"X Y": "a"},
     {"": "a"}, {"X:": "a"}, {"É": "a"}, {"X\r\n": "a"}, {"Content-Length": "5"}, {"transfer-encoding": "chunked"},
     {"X": "a", "x": "b"}],
)  # fmt: skip
def test_headers_that_would_break_the_request_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        head(headers)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=3))
def test_no_header_adds_a_line(headers: dict[str, str]) -> None:
    try:
        written = head(headers)
    except ValueError:
        return
    lines = written.split(b"\r\n")
    assert len(lines) == 4 + len(headers) + 3 - len({"host", "accept"} & {name.lower() for name in headers})
    assert written.count(b"\n") == written.count(b"\r") == len(lines) - 1
