"""Decoding bodies: whatever a stranger sends, it ends, stays within the limit, and nothing coded passes for text."""

import gzip
import zlib

from hypothesis import example, given
from hypothesis import strategies as st

from sinks.http.response_body import response_of

CODINGS = st.sampled_from(["gzip", "deflate", "br", "identity", "gzip, gzip", "", ",", "gzip;q=1"]) | st.text(
    max_size=8
)


@given(st.binary(max_size=200), CODINGS, st.integers(0, 50), st.sampled_from(["", "cut"]))
@example(b"\x1f\x8b", "gzip", 10, "")
@example(gzip.compress(b"") * 3, "gzip", 0, "")
def test_any_body_comes_to_an_answer(raw: bytes, coding: str, limit_bytes: int, fault: str) -> None:
    answer = response_of(200, {"content-encoding": coding}, raw, limit_bytes=limit_bytes, fault=fault)
    assert len(answer.body) <= limit_bytes
    assert answer.body_fault or not fault
    if answer.headers.get("content-encoding", "identity") != "identity" and answer.body:
        assert {part.strip().lower() for part in coding.split(",")} <= {"identity", ""}  # plain after all


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]), st.integers(0, 400), st.integers(0, 400))
def test_what_was_packed_comes_out_as_far_as_it_came(content: bytes, coding: str, limit_bytes: int, cut: int) -> None:
    packed = gzip.compress(content) if coding == "gzip" else zlib.compress(content)
    answer = response_of(200, {"content-encoding": coding}, packed[:cut], limit_bytes=limit_bytes)
    assert content.startswith(answer.body)
    whole = cut >= len(packed) and len(content) <= limit_bytes and len(packed) <= limit_bytes
    if whole:
        assert (answer.body, answer.body_fault, answer.body_truncated) == (content, "", False)
    elif cut > 0 and answer.body != content:
        assert answer.body_fault or answer.body_truncated
