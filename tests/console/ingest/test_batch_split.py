"""The splitter must agree with a JSON parser on valid bodies and save the neighbours on broken ones."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.ingest.batch_split import NotABatch, split_batch

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


def split(body: bytes) -> list[bytes]:
    return split_batch(body, max_items=2_500).items


@given(st.lists(JSON_VALUES, max_size=5), JSON_VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_valid_batches_are_split_as_a_parser_would(
    items: list[Any], context: Any, ascii_only: bool, indent: int | None
) -> None:
    batch = {"writeKey": "k", "batch": items, "context": context}
    found = split_batch(json.dumps(batch, ensure_ascii=ascii_only, indent=indent).encode(), max_items=10)
    assert [orjson.loads(item) for item in found.items] == items
    assert {name: orjson.loads(value) for name, value in found.members.items()} == {
        "writeKey": "k",
        "context": context,
    }


GARBAGE = [
    b'{"a": NaN}',
    b'{"a": }}',
    b'{"a": ]}',
    b'{"a": [1, 2}',
    b"}}}",
    b'{"a" b, "c"}',
    b'{"text": "\\ud800"}',
    b'{"text": "\xff\xfe"}',
    b"[" * 5_000 + b"]" * 5_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"hello there",
    b"",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: garbage[:12].decode("latin-1"))
def test_garbage_in_one_item_does_not_cost_its_neighbours(garbage: bytes) -> None:
    good = [b'{"n":1}', b'{"n":"},]"}', b'{"n":[3]}']
    body = b'{"batch":[' + b",".join([good[0], good[1], garbage, good[2]]) + b'],"sentAt":"now"}'
    found = split_batch(body, max_items=10)
    assert found.items[:2] == good[:2]
    assert found.items[-1] == good[2]
    assert found.members == {"sentAt": b'"now"'}


@pytest.mark.parametrize("rest", [b"}", b"} \n", b',"sentAt":"now"}'])
def test_an_item_that_never_closes_costs_only_what_follows_it(rest: bytes) -> None:
    found = split_batch(b'{"batch":[{"n":1},{"a":{"b":1},{"n":2}]' + rest, max_items=10)
    assert found.items == [b'{"n":1}', b'{"a":{"b":1},{"n":2}']
    assert found.members == ({"sentAt": b'"now"'} if b"sentAt" in rest else {})


def test_a_body_cut_short_keeps_the_items_that_are_whole() -> None:
    assert split(b'{"batch":[{"n":1},{"n":2},{"n":"cut sho') == [b'{"n":1}', b'{"n":2}', b'{"n":"cut sho']


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"batch":{}}', b'{"batch":1}', b"garbage", b'{garbage,"batch":[1]}', b'{"a":{"batch":[1]}}'],
)
def test_a_body_without_an_array_batch_is_not_a_batch(body: bytes) -> None:
    with pytest.raises(NotABatch):
        split(body)


def test_an_empty_array_holds_no_item() -> None:
    assert split(b'{"batch":[ \n]}') == []


def test_no_more_items_are_collected_than_may_be_accepted() -> None:
    assert len(split_batch(b'{"batch":[' + b"," * 100_000 + b"]}", max_items=10).items) == 11


TOKENS = [b"{", b"}", b"[", b"]", b",", b'"', b"\\", b":", b'"batch"', b" ", b"1"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(TOKENS), max_size=40))
def test_any_bytes_are_split_or_refused_and_never_anything_else(tokens: list[bytes]) -> None:
    body = b'{"batch":[' + b"".join(tokens)
    for item in split(body):
        assert item in body


@pytest.mark.parametrize(
    "inside", [b"[" * 250_000 + b"}" * 250_000, b"[{" * 250_000, b'"' * 500_000, b"\\" * 500_000, b"[]" * 250_000]
)
def test_hostile_bodies_of_full_size_are_scanned_in_linear_time(inside: bytes) -> None:
    """Quadratic work on 500,000 brackets would take minutes; the suite's own time limit is the judge."""
    assert len(split(b'{"batch":[' + inside + b"]}")) <= 2_501
