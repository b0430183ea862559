from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from model.events.ids import attempt_id, delivery_id, event_key, partition_of


def test_names_never_change_between_versions() -> None:
    # Written down once: a change would let everything replayed across an upgrade count twice.
    assert delivery_id("", 0, 17, "web", "crm", "") == "530eb18a721c4512e198a6b978ae6ddc"
    assert delivery_id("5f1c", 0, 17, "web", "crm", "") == "ebd4334513e9dae8c178624f01a1f07b"
    assert event_key("web", "m-1").hex() == "f39900824fc64f6499cb30b059b10b48"
    assert partition_of(b"abc", 7) == 5


def test_every_field_of_a_delivery_is_part_of_its_name() -> None:
    names = [delivery_id("l", 0, 1, *texts) for texts in permutations("abc")]
    names += [delivery_id("l", 1, 1, "a", "b", "c"), delivery_id("l", 0, 2, "a", "b", "c")]
    names += [delivery_id(log, 0, 1, "a", "b", "c") for log in ("m", "")]
    assert len(set(names)) == 6 + 2 + 2


def test_the_same_call_in_another_run_is_another_attempt() -> None:
    assert len({attempt_id("d", "run-1", 1), attempt_id("d", "run-2", 1), attempt_id("d", "run-1", 2)}) == 3


@given(st.text(), st.text(), st.integers(1, 64))
def test_any_text_has_a_key_and_the_key_a_partition(source: str, message_id: str, partitions: int) -> None:
    assert 0 <= partition_of(event_key(source, message_id), partitions) < partitions
