"""Every code a person may see is explained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.http.failure import FailureClass, classify
from model.reason_codes.catalogue import ALL, Owner, Severity, reason

TRANSPORT = (
    "ECONNREFUSED ECONNRESET ECONNABORTED EHOSTUNREACH EAI_AGAIN ENOTFOUND ETIMEDOUT TLS_ERROR ADDRESS_REFUSED "
    "PROTOCOL_ERROR PROXY_AUTHENTICATION PROXY_ERROR INTERNAL INVALID_SETTINGS"
).split()
OURS = (
    "EXPIRED NEVER_ATTEMPTED CONNECTION_DISABLED DESTINATION_DISABLED CONNECTION_REMOVED DESTINATION_REMOVED "
    "MAPPING_REMOVED SOURCE_REMOVED UNREADABLE_RECORD ROW_REFUSED OVER_SHARE PAUSED WAITED_TOO_LONG BREAKER_OPEN "
    "RATE_LIMITED SETUP_PROBE UNSUPPORTED_EVENT_TYPE FILTERED_BY_INTEGRATIONS_OBJECT FILTERED_BY_RULES "
    "FILTERED_BY_SAMPLE NO_MATCHING_MAPPING FILTERED_BY_FUNCTION FILTER_ERROR MAPPING_ERROR "
    "PAYLOAD_VALIDATION_FAILED FUNCTION_REJECTED FUNCTION_RETRY FUNCTION_FAILED FUNCTION_CRASHED FUNCTION_TIMEOUT "
    "FUNCTION_UNAVAILABLE FUNCTION_PAUSED BATCH_ITEM_MISSING BATCH_ITEM_REFUSED ANSWER_UNREADABLE FAILED_BY_RULE"
).split()


def test_codes_are_unique() -> None:
    codes = [entry.code for entry in ALL]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.code)
def test_each_entry_is_a_sentence_and_says_what_to_do(entry) -> None:  # type: ignore[no-untyped-def]
    assert entry.description.endswith(".")
    assert entry.action.endswith(".")
    assert entry.description[0].isupper()
    assert reason(entry.code) is entry


@pytest.mark.parametrize("code", [*TRANSPORT, *OURS])
def test_codes_of_transport_and_delivery_are_in_the_catalogue(code: str) -> None:
    assert reason(code) in ALL


@pytest.mark.parametrize("code", [*TRANSPORT, *(str(status) for status in range(300, 600))])
def test_the_catalogue_agrees_with_the_classes_on_what_is_tried_again(code: str) -> None:
    failure, _ = classify(int(code) if code.isdigit() else code)
    assert reason(code).retryable == (failure is not FailureClass.DISCARD)


@given(st.text())
def test_no_code_raises(code: str) -> None:
    entry = reason(code)
    assert entry.code == code
    assert entry.description
    assert entry.action


def test_unlisted_statuses_are_explained_by_their_hundred() -> None:
    assert (reason("418").severity, reason("418").owner) == (Severity.ERROR, Owner.DESTINATION)
    assert (reason("599").severity, reason("599").retryable) == (Severity.WARNING, True)
    assert "418" in reason("418").description


def test_every_status_is_in_the_catalogue_and_concerns_the_destination() -> None:
    known = {entry.code: entry.owner for entry in ALL}
    assert {known.get(str(status)) for status in range(100, 1_000)} == {Owner.DESTINATION}
    assert "redirect" in reason("301").description and "URL" in reason("301").action
    assert "a status that HTTP does not define" in reason("777").description
    assert reason("CODE_OF_A_NEWER_VERSION").owner is Owner.US


def test_links_lead_to_where_a_status_is_defined() -> None:
    assert reason("400").link == "https://www.rfc-editor.org/rfc/rfc9110#status.400"
    assert reason("414").link == "https://www.rfc-editor.org/rfc/rfc9110#status.414"
    assert (reason("418").link, reason("ETIMEDOUT").link) == ("", "")
    assert all(entry.link.startswith("https://") for entry in ALL if entry.link)
