"""Mixpanel: its requests, what its default mappings make of events, and what its answers are taken to mean."""

from base64 import b64decode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from model.destinations.destination import Item
from model.destinations.mixpanel import MixpanelDestination
from model.http.failure import FailureClass
from model.http.messages import HttpResponse
from model.mapping.fields import PayloadInvalid
from tests.kit.destination_items import Said, destination, items, payloads, said_of_items

NOW_MS = 1_800_000_000_000
INVALID = "MIXPANEL_RECORD_INVALID"
TRACK: dict[str, Any] = {
    "type": "track",
    "event": "Order Completed",
    "userId": "user-1",
    "anonymousId": "anonymous-1",
    "timestamp": "2026-01-31T08:00:00.250Z",
    "properties": {"total": 12.5, "time": "noon", "distinct_id": "other"},
    "context": {"ip": "192.0.2.7", "page": {"url": "https://shop.test/"}, "campaign": {"name": "spring"}},
}
IDENTIFY: dict[str, Any] = {"type": "identify", "userId": "user-1", "traits": {"email": "a@b.test", "plan": "gold"}}
GROUP: dict[str, Any] = {"type": "group", "userId": "user-1", "groupId": "g-1", "traits": {"name": "Acme", "size": 5}}


def mixpanel(**settings: Any) -> MixpanelDestination:
    return destination(MixpanelDestination, type="mixpanel", project_token="${KEY}", **settings)


def some(count: int, event: dict[str, Any] = TRACK) -> list[Item]:
    return items(mixpanel(), *({**event, "userId": f"user-{number}"} for number in range(count)))


def answer(status: int, body: Any) -> HttpResponse:
    return HttpResponse(status=status, body=orjson.dumps(body))


def read(response: HttpResponse, sent: list[Item]) -> list[Said] | None:
    return said_of_items(mixpanel(), response, sent)


def codes(response: HttpResponse, sent: list[Item]) -> list[str]:
    said = read(response, sent)
    assert said is not None
    return [code for _, code, _ in said]


def test_events_are_imported_with_the_token_as_user_name() -> None:
    sent = some(2)
    request = mixpanel().request(sent, NOW_MS)
    assert (request.method, request.url) == ("POST", "https://api.mixpanel.com/import?strict=1")
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"key-of-the-project:"
    events = orjson.loads(request.body)
    assert [event["event"] for event in events] == ["Order Completed"] * 2
    assert [event["properties"]["$insert_id"] for event in events] == [item.key for item in sent]
    assert [event["properties"]["time"] for event in events] == [1_769_846_400_250] * 2
    assert all(len(item.key) <= 36 and item.key.isalnum() for item in sent)  # what Mixpanel takes as $insert_id
    assert b"key-of-the-project" not in request.body
    assert mixpanel().request(sent, NOW_MS + 60_000) == request


def test_a_service_account_names_its_project() -> None:
    account = {"username": "waybill.1", "secret": "${SECRET}", "project_id": 77}
    of = mixpanel(service_account=account, region="eu")
    request = of.request(some(1), NOW_MS)
    assert request.url == "https://api-eu.mixpanel.com/import?strict=1&project_id=77"
    assert b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"waybill.1:secret-of-the-account"
    assert of.secret_values() == {"key-of-the-project", "secret-of-the-account"}


def test_profiles_carry_the_token_and_go_to_endpoints_of_their_own() -> None:
    of = mixpanel(region="in")
    users = of.request(items(of, IDENTIFY), NOW_MS)
    groups = of.request(items(of, GROUP), NOW_MS)
    assert users.url == "https://api-in.mixpanel.com/engage?strict=1&verbose=1&ip=0"
    assert groups.url == "https://api-in.mixpanel.com/groups?strict=1&verbose=1"
    assert [one["$token"] for one in orjson.loads(users.body) + orjson.loads(groups.body)] == ["key-of-the-project"] * 2
    assert "authorization" not in users.headers


def test_events_users_and_groups_never_share_a_request() -> None:
    of = mixpanel()
    sent = items(of, TRACK, IDENTIFY, GROUP, {**TRACK, "type": "page"})
    track, user, group, page = [of.batch_key(item.payload) for item in sent]
    assert track == page == of.batch_key(None)
    assert len({track, user, group}) == 3


def test_another_address_gets_the_paths_too() -> None:
    of = mixpanel(url="http://proxy.test/mixpanel/")
    assert of.request(some(1), NOW_MS).url == "http://proxy.test/mixpanel/import?strict=1"
    with pytest.raises(ValidationError, match="has a query"):
        mixpanel(url="http://proxy.test/?key=1")


def test_a_track_call_keeps_its_properties_and_gets_the_reserved_ones() -> None:
    assert payloads(mixpanel(), TRACK) == {
        "track": {
            "event": "Order Completed",
            "properties": {
                "total": 12.5,
                "time": "2026-01-31T08:00:00.250Z",
                "distinct_id": "user-1",
                "$user_id": "user-1",
                "$device_id": "anonymous-1",
                "ip": "192.0.2.7",
                "$current_url": "https://shop.test/",
                "utm_campaign": "spring",
            },
        }
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            IDENTIFY,
            {"$distinct_id": "user-1", "$ip": "0", "$set": {"email": "a@b.test", "plan": "gold", "$email": "a@b.test"}},
        ),
        ({"type": "identify", "userId": None, "anonymousId": "a"}, {"$distinct_id": "a", "$ip": "0", "$set": {}}),
        (
            GROUP,
            {"$group_key": "$group_id", "$group_id": "g-1", "$set": {"name": "Acme", "size": 5, "$name": "Acme"}},
        ),
        (
            {"type": "alias", "previousId": "old", "userId": "new", "timestamp": "t"},
            {"event": "$create_alias", "properties": {"time": "t", "distinct_id": "old", "alias": "new"}},
        ),
        (
            {"type": "page", "name": "Home", "anonymousId": "a"},
            {"event": "Viewed Home", "properties": {"distinct_id": "a", "$device_id": "a", "ip": "0"}},
        ),
        ({"type": "screen"}, {"event": "Viewed Screen", "properties": {"ip": "0"}}),
    ],
)
def test_other_calls_are_what_mixpanel_has_for_them(event: dict[str, Any], expected: dict[str, Any]) -> None:
    assert payloads(mixpanel(), event) == {event["type"]: expected}


def test_the_anonymous_id_stands_in_for_an_empty_user_id() -> None:
    (made,) = payloads(mixpanel(), {**TRACK, "userId": ""}).values()
    assert (made["properties"]["distinct_id"], made["properties"]["$device_id"]) == ("anonymous-1", "anonymous-1")
    assert "$user_id" not in made["properties"]


def test_traits_are_found_where_segment_and_where_rudderstack_put_them() -> None:
    rudderstack = {"type": "identify", "userId": "user-1", "context": {"traits": IDENTIFY["traits"]}}
    assert payloads(mixpanel(), rudderstack) == payloads(mixpanel(), IDENTIFY)
    both = {**rudderstack, "traits": {"plan": "silver"}}
    assert payloads(mixpanel(), both)["identify"]["$set"] == {
        "email": "a@b.test",
        "plan": "silver",
        "$email": "a@b.test",
    }


def test_traits_of_the_user_are_not_those_of_the_group() -> None:
    group = {**GROUP, "context": {"traits": {"email": "a@b.test", "name": "Ann"}}}
    assert payloads(mixpanel(), group) == payloads(mixpanel(), GROUP)


def test_numbers_mixpanel_adds_up_are_read_and_what_says_none_is_refused() -> None:
    profile = {"$distinct_id": "u", "$add": {"spent": "$1,250.50"}, "$append": {"$transactions": {"$amount": "€5"}}}
    finished = mixpanel().finish(profile)
    assert finished["$add"] == {"spent": 1250.5} and finished["$append"]["$transactions"] == {"$amount": 5}
    with pytest.raises(PayloadInvalid, match=r"\.spent must be a number"):
        mixpanel().finish({"$distinct_id": "u", "$add": {"spent": "ten"}})


@pytest.mark.parametrize(
    ("payload", "missing"),
    [
        ({"event": "", "properties": {}}, "event"),
        ({"$group_key": "$group_id", "$group_id": "", "$set": {}}, "$group_id"),
        ({"$distinct_id": " ", "$set": {}}, "$distinct_id"),
    ],
)
def test_a_record_without_what_it_is_about_is_refused(payload: dict[str, Any], missing: str) -> None:
    with pytest.raises(PayloadInvalid, match="is required and is missing or empty") as invalid:
        mixpanel().finish(payload)
    assert [problem.path for problem in invalid.value.problems] == [(missing,)]


def test_what_an_import_needs_is_there_whatever_the_mapping_made() -> None:
    sent = [
        Item("d-1", b"{}", {"event": "Bought"}),
        Item("d-2", b"{}", {"event": "Bought", "properties": {"time": 1_700_000_000, "$insert_id": "o-7"}}),
        Item("d-3", b'{"event":"Bought","properties":[]}'),
        Item("d-5", b"{}", {"event": "Bought", "properties": {"distinct_id": None, "$insert_id": " "}}),
        Item("d-4", b"{}", {"event": "$create_alias", "properties": {"distinct_id": "old", "alias": "new"}}),
    ]
    assert [event["properties"] for event in orjson.loads(mixpanel().request(sent, NOW_MS).body)] == [
        {"distinct_id": "", "$insert_id": "d-1"},
        {"distinct_id": "", "$insert_id": "o-7", "time": 1_700_000_000_000},
        {"distinct_id": "", "$insert_id": "d-3"},
        {"distinct_id": "", "$insert_id": "d-5"},
        {"distinct_id": "old", "$insert_id": "d-4", "alias": "new", "token": "key-of-the-project"},
    ]


def test_named_records_are_given_up_and_the_others_were_taken() -> None:
    record = {"index": 1, "insert_id": "x", "field": "properties.time", "message": "'properties.time' is invalid"}
    said = {"code": 400, "num_records_imported": 2, "status": "Bad Request", "failed_records": [record]}
    taken = (FailureClass.DELIVERED, "", "")
    refused = (FailureClass.DISCARD, INVALID, "'properties.time' is invalid")
    assert read(answer(400, said), some(3)) == [taken, refused, taken]


@pytest.mark.parametrize("count", [{}, {"num_records_imported": 0}, {"num_records_imported": 3}])
def test_an_answer_whose_count_does_not_fit_is_not_believed(count: dict[str, int]) -> None:
    assert read(answer(400, {"failed_records": [{"index": 1, "message": "bad"}], **count}), some(3)) is None


def test_a_record_that_stood_alone_is_named_even_without_a_count() -> None:
    said = {"failed_records": [{"index": 0, "message": "bad"}, {"index": 0, "message": "worse"}]}
    assert read(answer(400, said), some(1)) == [(FailureClass.DISCARD, INVALID, "bad")]


@pytest.mark.parametrize("index", [-1, 3, True, "1", None, 1.0])
def test_records_are_named_by_position_or_not_at_all(index: Any) -> None:
    said = {"failed_records": [{"index": index, "message": "bad"}], "num_records_imported": 2}
    assert read(answer(400, said), some(3)) is None


def test_profile_updates_refused_with_a_200_are_no_success() -> None:
    sent = some(2, IDENTIFY)
    said = {"status": 0, "error": "$distinct_id, missing or empty"}
    assert read(answer(200, said), sent) == [(FailureClass.DISCARD, INVALID, "$distinct_id, missing or empty")] * 2
    assert codes(answer(200, 0), sent) == [INVALID] * 2


def test_profile_updates_an_answer_does_not_account_for_are_sent_again() -> None:
    sent = some(3, IDENTIFY)
    assert codes(answer(200, {"status": 1, "num_good_events": 2}), sent) == ["BATCH_ITEM_MISSING"] * 3
    partly = {"status": 1, "failed_records": [{"index": 2, "message": "bad"}]}
    assert codes(answer(200, partly), sent) == ["BATCH_ITEM_MISSING"] * 2 + [INVALID]
    counted = {**partly, "num_good_events": 2}
    assert codes(answer(200, counted), sent) == ["", "", INVALID]


@pytest.mark.parametrize(
    "response",
    [
        answer(200, {"code": 200, "num_records_imported": 2, "status": "OK"}),
        answer(200, {"status": 1, "error": None, "num_good_events": 2}),
        answer(200, 1),
        HttpResponse(status=200),
        answer(401, {"failed_records": [{"index": 0}]}),
        answer(413, {"code": 413, "error": "request exceeds max limit"}),
        answer(429, {"code": 429, "error": "Project exceeded rate limits"}),
        answer(400, {"code": 400, "error": "invalid JSON"}),
    ],
)
def test_other_answers_count_for_all(response: HttpResponse) -> None:
    assert read(response, some(2)) is None


def test_every_code_is_explained() -> None:
    given_by_rules = {rule.reason for rule in MixpanelDestination.failure_rules}
    assert given_by_rules == {reason.code for reason in MixpanelDestination.reasons}


FIELD = st.sampled_from("status error num_records_imported num_good_events failed_records index message".split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(FIELD, inner),
    max_leaves=10,
)


@given(
    status=st.sampled_from([200, 202, 400, 413, 500]),
    body=st.binary(max_size=40) | JSON.map(orjson.dumps),
    count=st.integers(1, 3),
)
def test_reading_never_raises_and_speaks_of_all_items_or_none(status: int, body: bytes, count: int) -> None:
    said = read(HttpResponse(status=status, body=body), some(count))
    assert said is None or len(said) == count


UNREAD = [
    HttpResponse(status=200, body=b"", body_fault="its coding br is not known here"),
    HttpResponse(status=200, body=b'{"code": 200, "num_rec', body_fault="end of file"),
    HttpResponse(status=200, body=b'{"code": 200', body_truncated=True),
    HttpResponse(status=200, body=b"thanks"),
]


@pytest.mark.parametrize("response", UNREAD, ids=["coding", "cut", "too long", "not JSON"])
def test_a_200_about_several_records_or_updates_that_cannot_be_read_is_no_success(response: HttpResponse) -> None:
    assert codes(response, some(2)) == ["ANSWER_UNREADABLE"] * 2
    assert codes(response, some(1, IDENTIFY)) == ["ANSWER_UNREADABLE"]
    assert read(response, some(1)) is None  # one import: 200 took it


def test_a_400_that_cannot_be_read_counts_for_all() -> None:
    assert read(HttpResponse(status=400, body=b"", body_fault="cut"), some(2)) is None
