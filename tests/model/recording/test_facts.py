import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.events.envelope import UnreadableRecord
from model.recording.facts import Fact, decode, encode, kind_of
from tests.kit.samples import ONE_OF_EACH, outcome, received


@pytest.mark.parametrize("fact", ONE_OF_EACH, ids=kind_of)
def test_every_kind_of_fact_reads_back_as_it_was_written(fact: Fact) -> None:
    assert decode(encode(fact)) == fact
    assert orjson.loads(encode(fact)).items() >= {"v": 1, "kind": kind_of(fact), "at_ms": fact.at_ms}.items()


def test_routes_survive_as_tuples() -> None:
    fact = received(routes=(("id-1", "crm", ""), ("id-2", "ads", "")))
    assert decode(encode(fact)) == fact


@given(st.binary() | st.text().map(str.encode))
@example(b"[" * 100_000)
@example(b'"\xff"')
@example(b'{"v":1,"kind":["outcome"]}')
def test_any_bytes_are_a_fact_or_unreadable(value: bytes) -> None:
    with pytest.raises(UnreadableRecord):
        decode(value)


fields = st.sampled_from(sorted(orjson.loads(encode(outcome()))) + ["routes", "positions", "surplus"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(ONE_OF_EACH), st.dictionaries(fields, json_values, max_size=3))
def test_a_fact_with_foreign_values_in_it_reads_or_is_unreadable(fact: Fact, foreign: dict[str, object]) -> None:
    try:
        read = decode(orjson.dumps(orjson.loads(encode(fact)) | foreign))
    except UnreadableRecord:
        return
    assert decode(encode(read)) == read


@pytest.mark.parametrize(
    "change", [{"v": 2}, {"v": None}, {"kind": "rumour"}, {"kind": None}, {"state": "lost"}, {"at_ms": "now"}]
)
def test_another_version_kind_or_type_is_refused_not_guessed(change: dict[str, object]) -> None:
    with pytest.raises(UnreadableRecord):
        decode(orjson.dumps(orjson.loads(encode(outcome())) | change))
