import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.events.envelope import UnreadableRecord, check_version, decode_record, encode_record

json_scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()


@given(st.dictionaries(st.text(), json_scalars), st.binary())
def test_a_sealed_record_opens_to_the_same_header_and_the_very_same_bytes(
    header: dict[str, object], payload: bytes
) -> None:
    header.pop("v", None)
    assert decode_record(encode_record(header, payload)) == ({"v": 1, **header}, payload)


@given(st.binary() | st.binary().map(lambda tail: b'{"v":1,' + tail))
def test_any_bytes_open_or_are_unreadable(value: bytes) -> None:
    try:
        header, payload = decode_record(value)
    except UnreadableRecord:
        return
    assert header["v"] == 1
    assert value.endswith(b"\n" + payload)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{}", "missing required field `v`"),
        (b'{"v":2}', "enum value 2"),
        (b'{"v":"1"}', "got `str`"),
        (b"[1]", "got `array`"),
        (b"nonsense", "malformed"),
        (b"[" * 100_000, "got `array`"),
    ],
)
def test_another_version_or_no_header_is_refused_with_what_was_found(line: bytes, said: str) -> None:
    with pytest.raises(UnreadableRecord, match=said):
        check_version(line)


def test_a_record_without_a_header_line_is_refused() -> None:
    with pytest.raises(UnreadableRecord, match="no header line"):
        decode_record(b'{"v":1}')
