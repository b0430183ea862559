"""Messages that differ only in what varies share a name, names are few, and no text takes long."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.delivery.error_groups import GROUPS_PER_DAY, MAX_CONNECTIONS, OTHER, ErrorGroups, template
from model.durations import DAY_MS
from model.http.failure import MESSAGE_LIMIT_CHARS

NOON_MS = 20_000 * DAY_MS + DAY_MS // 2


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Field 'properties.revenue' must be a number", "Field <value> must be a number"),
        ("can't find 'x y' in user's data", "can't find <value> in user's data"),
        ("request 7c2f1de0-0a4b-4a57-9f1c-2d9a1b2c3d4e failed", "request <id> failed"),
        ("00000000-0000-0000-0000-000000000000", "<id>"),
        ("no user cus_9s6XKzkNRiz8i3", "no user <id>"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV, ajs-next-1763690000000-7c2f1de0", "<id>, <id>"),
        ("jo.doe+x@mail.example.co.uk is unknown", "<email> is unknown"),
        ("see https://docs.example.com/e?code=12.", "see <url>."),
        ("https://[redacted credentials]@h.test/x?key=[redacted], see", "<url>, see"),
        ("took 532ms (limit 5.5 s)", "took <number>ms (limit <number> s)"),
        ("items[3].price 0x1fAB 1,234.50 -5 10%", "items[<number>].price <number> <number> -<number> <number>%"),
        ("at 2026-11-21T02:16:23.123+01:00", "at <time>"),
        ("2026-11-21 and Fri, 21 Nov 2025 02:00:30 GMT", "<time> and <time>"),
        ('{"status":"failed", "n":5}', '{"status":<value>, "n":<number>}'),
    ],
)
def test_what_varies_is_masked(message: str, expected: str) -> None:
    assert template(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "error_code_1001",
        "E1001",
        "HMAC-SHA256",
        "Field is required",
        "[redacted email] is unknown",
        "",
        "don't",
        "sha256",
    ],
)
def test_codes_and_prose_stay(message: str) -> None:
    assert template(message) == message


_FRAGMENTS = [
    *"<>'\"`“”{,:;.-_@/[] 5aZé",
    *("1a2b3c4d", "abcdefgh12345678", "jo@ex.test", "http://", "2026-01-02", "T03:04:05Z", "12.5", "0x1f", "Mon, "),
    *("7c2f1de0-0a4b-4a57-9f1c-2d9a1b2c3d4e", "<id>", "<number>", "[redacted ", "x' ", ' "y', '{"k":', "21 Nov 2025"),
]


@given(st.text(max_size=80) | st.lists(st.sampled_from(_FRAGMENTS), max_size=16).map("".join))
def test_a_template_is_its_own_template(message: str) -> None:
    once = template(message)
    assert template(once) == once


@pytest.mark.parametrize(
    "part",
    [*_FRAGMENTS, "a-", "a1-", "1.", "a@", "a.", "A1a", "http://.", "http://[redacted ", "1a1a1a1a-", '{"', "Mon, 1 "],
)
def test_the_time_grows_with_the_length_only(part: str) -> None:
    start = time.process_time()
    template(part * (50_000 // len(part)))
    assert time.process_time() - start < 0.5  # linear takes a tenth of it, quadratic many times as long


def test_messages_about_the_same_fault_share_the_first_ones_template() -> None:
    groups = ErrorGroups()
    messages = ["Order 12 is not in state open", "Order 7 is not in state paid", "Order 8 was not in state open"]
    names = [groups.group("web", "crm", "400", message, NOON_MS) for message in messages]
    assert names == ["Order <number> is not in state open"] * 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the name is missing", "the name is missing here"),  # another number of tokens
        ("a b c d e", "a b x y z"),  # two in five are equal
        ("missing", "forbidden"),
    ],
)
def test_dissimilar_messages_have_their_own_groups(one: str, other: str) -> None:
    groups = ErrorGroups()
    assert [groups.group("web", "crm", "400", message, NOON_MS) for message in (one, other)] == [one, other]


def test_codes_and_connections_do_not_share_groups() -> None:
    groups = ErrorGroups()
    groups.group("web", "crm", "400", "the field name is missing", NOON_MS)
    for source, destination, code in [("web", "crm", "422"), ("app", "crm", "400"), ("web", "ads", "400")]:
        assert groups.group(source, destination, code, "the field city is missing", NOON_MS) == (
            "the field city is missing"
        )


def _word(number: int) -> str:
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def test_after_twenty_groups_the_rest_of_the_day_is_other_and_old_groups_go_on() -> None:
    groups = ErrorGroups()
    words = [_word(number) for number in range(2 * GROUPS_PER_DAY)]
    names = [groups.group("web", "crm", "400", word, NOON_MS) for word in words]
    assert names == words[:GROUPS_PER_DAY] + [OTHER] * GROUPS_PER_DAY
    assert groups.group("web", "crm", "500", "more", NOON_MS) == OTHER  # codes do not multiply the groups
    assert groups.group("web", "crm", "400", words[3], NOON_MS) == words[3]
    assert groups.group("web", "ads", "400", "more", NOON_MS) == "more"


def test_a_new_utc_day_begins_anew_and_a_late_message_does_not_bring_the_old_one_back() -> None:
    groups = ErrorGroups()
    midnight_ms = 20_001 * DAY_MS
    assert groups.group("web", "crm", "400", "a b c d e", midnight_ms - 1) == "a b c d e"
    assert groups.group("web", "crm", "400", "a b c d x", midnight_ms) == "a b c d x"
    assert groups.group("web", "crm", "400", "a b c d e", midnight_ms - 1) == "a b c d x"


@pytest.mark.parametrize("message", ["", "  "])
def test_without_a_message_the_code_alone_is_the_group_and_counts_for_none(message: str) -> None:
    groups = ErrorGroups()
    assert groups.group("web", "crm", "503", message, NOON_MS) == ""
    assert groups.to_state()["connections"] == []


def test_the_connection_silent_for_longest_is_forgotten_first() -> None:
    groups = ErrorGroups()
    for number in range(MAX_CONNECTIONS):
        groups.group("web", f"d{number}", "400", "a b c d e", NOON_MS)
    groups.group("web", "d0", "400", "a b c d e", NOON_MS)
    groups.group("web", "one-more", "400", "a b c d e", NOON_MS)
    assert len(groups.to_state()["connections"]) == MAX_CONNECTIONS
    assert groups.group("web", "d0", "400", "a b c d x", NOON_MS) == "a b c d e"
    assert groups.group("web", "d1", "400", "a b c d x", NOON_MS) == "a b c d x"


def test_a_name_is_bounded_however_much_masking_adds() -> None:
    name = ErrorGroups().group("web", "crm", "400", "1 " * 150, NOON_MS)
    assert len(name) == MESSAGE_LIMIT_CHARS
    assert name.endswith("…")


_failures = st.tuples(
    st.sampled_from(["crm", "ads"]),
    st.sampled_from(["400", "422"]),
    st.lists(st.sampled_from(["a", "b", "c", "7", "", "'x'", "mm"]), max_size=5).map(" ".join)
    | st.integers(0, 60).map(_word),
    st.integers(0, 2).map(lambda days: NOON_MS + days * DAY_MS),
)


@given(st.lists(_failures, max_size=80), st.integers(0, 80))
def test_a_snapshot_in_between_changes_no_name_and_names_are_few(
    failures: list[tuple[str, str, str, int]], snapshot_at: int
) -> None:
    whole, resumed = ErrorGroups(), ErrorGroups.from_state(None)
    for index, (destination, code, message, at_ms) in enumerate(failures):
        if index == snapshot_at:
            resumed = ErrorGroups.from_state(json.loads(json.dumps(resumed.to_state())))
        name = whole.group("web", destination, code, message, at_ms)
        assert resumed.group("web", destination, code, message, at_ms) == name
        assert all(len(groups) <= GROUPS_PER_DAY for _, _, groups in whole.to_state()["connections"])
    assert resumed.to_state() == whole.to_state()
