"""Every code of Segment's pages leads to an explanation, however it is spelled there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.reason_codes.aliases import canonical
from model.reason_codes.catalogue import ALL, reason

FAILED_ON_INGEST = """empty_batch_result empty_batch multi_user_error source_disabled SOURCE_DISABLED no_user_anon_id
    id_required id_not_string event_not_defined event_not_string properties_not_object traits_not_object
    name_not_string category_not_string consent_categorypreferences_should_exist
    consent_categorypreferences_fields_should_be_object consent_categorypreferences_fields_should_be_bool
    device_advertisingid_should_be_string consent_version_should_be_number bad_request BAD_REQUEST unknown_source
    invalid_settings locked_workspace internal BAD_DEPLOY TRACKING_API_FAILED SET_API_FAILED lambda_errorinternal
    lambda_err too_many_requests FUNCTION_TIMEOUT RETRY_ERROR INVOKE_ERROR""".split()
FILTERED_AT_SOURCE = """common_schema_violation event_setting schema_violation unplanned
    unplanned_and_schema_violation""".split()
FILTERED_AT_DESTINATION = """FILTERED_BY_RULES FILTERED_BY_INTEGRATIONS_OBJECT UNKNOWN_INTEGRATION
    MESSAGE_SENT_CLIENT_SIDE UNSUPPORTED_EVENT_TYPE INVALID_SETTINGS FUNCTIONS_LOCK_OUT INTERNAL internal
    NO_MATCHING_MAPPING FILTERED_AT_MAPPING FAILED_DATA_ENCRYPTION bad_request invalid_settings message_rejected
    unsupported_event_type too_many_requests gateway_timeout retry FILTERED_BY_END_USER_CONSENT""".split()
FAILED_DELIVERY = """INVALID_SETTINGS MESSAGE_REJECTED UNSUPPORTED_EVENT_TYPE 400 BAD_REQUEST 401 404 307 429 502 503
    ETIMEDOUT etimedout EREFUSED ENOTFOUND ECONNRESET INTERNAL RETRY""".split()
INTEGRATION_ERRORS = """errors.discarded.400 errors.discarded.401 errors.discarded.403
    errors.discarded.INVALID_SETTINGS errors.discarded.MESSAGE_REJECTED errors.awaiting-retry.429
    errors.awaiting-retry.5xx errors.awaiting-retry.ENOTFOUND errors.awaiting-retry.ECONNREFUSED
    errors.awaiting-retry.ECONNRESET errors.awaiting-retry.ECONNABORTED errors.awaiting-retry.EHOSTUNREACH
    errors.awaiting-retry.EAI_AGAIN INVALID_AUTHENTICATION PAYLOAD_VALIDATION_FAILED INVALID_CURRENCY_CODE
    RETRYABLE_ERROR REFRESH_TOKEN_EXPIRED OAUTH_REFRESH_FAILED SELF_TIMEOUT CREATE_AUDIENCE_FAILED
    GET_AUDIENCE_FAILED RETL_ON_MAPPING_SAVE_FAILED INVALID_AUDIENCE_MEMBERSHIP UNKNOWN_ERROR TOO_MANY_REQUESTS
    CANCELLED SITE_IS_OVERLOADED NOT_FOUND UNPROCESSABLE_ENTITY BAD_GATEWAY REQUESTCLIENTERROR
    REQUESTTIMEOUTERROR""".split()
SEGMENTS = sorted(
    {*FAILED_ON_INGEST, *FILTERED_AT_SOURCE, *FILTERED_AT_DESTINATION, *FAILED_DELIVERY, *INTEGRATION_ERRORS}
)
OURS = {entry.code for entry in ALL}


@pytest.mark.parametrize("code", SEGMENTS)
def test_every_code_of_segments_is_explained(code: str) -> None:
    known = canonical(code)
    assert known in OURS or known == "499"
    assert "does not know the code" not in reason(known).description


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        ("EREFUSED", "ECONNREFUSED"),
        ("etimedout", "ETIMEDOUT"),
        ("BAD_REQUEST", "400"),
        ("bad_request", "bad_request"),
        ("TOO_MANY_REQUESTS", "429"),
        ("too_many_requests", "too_many_requests"),
        ("errors.awaiting-retry.ENOTFOUND", "ENOTFOUND"),
        ("errors.discarded.400", "400"),
        ("errors.discarded.MESSAGE_REJECTED", "PAYLOAD_VALIDATION_FAILED"),
        ("message_rejected", "FUNCTION_REJECTED"),
        ("gateway_timeout", "FUNCTION_TIMEOUT"),
        ("GATEWAY_TIMEOUT", "504"),
        ("SOURCE_DISABLED", "source_disabled"),
        ("418", "418"),
        ("1000", "1000"),
        ("errors.discarded.whatever", "errors.discarded.whatever"),
        ("", ""),
    ],
)
def test_spellings(spelled: str, meant: str) -> None:
    assert canonical(spelled) == meant


@pytest.mark.parametrize("code", sorted(OURS))
def test_our_own_codes_are_canonical(code: str) -> None:
    assert canonical(code) == code


@given(st.text(max_size=100) | st.sampled_from(SEGMENTS).map(str.swapcase))
def test_any_text_has_a_spelling_and_keeps_it(code: str) -> None:
    assert canonical(canonical(code)) == canonical(code)
