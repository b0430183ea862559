"""Reason codes of ingest: why a request, or one item of it, was refused. Names are Segment's where Segment has one."""

from model.reason_codes.reason import Owner, Reason, Severity

_FORMAT_LINK = "https://segment.com/docs/connections/spec/common/"
_FIX_PAYLOAD = "Correct the code that sends the event."
_FIX_CONSENT = "Send `context.consent.categoryPreferences` as an object of booleans."


def _source(code: str, description: str, action: str = _FIX_PAYLOAD) -> Reason:
    return Reason(code, Severity.ERROR, Owner.SOURCE, False, description, action, _FORMAT_LINK)


def _source_later(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.WARNING, Owner.US, True, description, action)


INGEST: tuple[Reason, ...] = (
    _source("not_json", "The item is not valid JSON.", "Send JSON; NaN and Infinity are not JSON."),
    _source("bad_request", "The request could not be decoded.", "Send JSON, plain or compressed with gzip."),
    _source("item_not_object", "The item is not a JSON object."),
    _source("unknown_type", "The item's type is not one of track, identify, page, screen, group, alias."),
    _source("empty_batch", "The batch holds no items.", "Send at least one item in `batch`."),
    _source("batch_not_array", "The field `batch` is not an array.", "Send the items as an array in `batch`."),
    _source(
        "too_many_items",
        "The batch holds more items than `ingest.max_items` allows.",
        "Send smaller batches, or raise `ingest.max_items` in the workspace file.",
    ),
    _source(
        "batch_too_large",
        "The request is larger than `ingest.max_request_bytes` allows.",
        "Send smaller batches, or raise `ingest.max_request_bytes` in the workspace file.",
    ),
    _source(
        "event_too_large",
        "The event is larger than `ingest.max_event_bytes` allows.",
        "Send smaller events, or raise `ingest.max_event_bytes` in the workspace file.",
    ),
    _source("too_many_properties", "The event has more than 10,000 properties.", "Send fewer properties."),
    _source("too_deep", "The event has too many levels of nesting.", "Flatten the event's properties."),
    _source("number_too_large", "The event contains a number over 1.8e308.", "Send such a number as text."),
    _source("id_required", "The event lacks an identifier its type needs.", "Send userId, anonymousId or groupId."),
    _source("no_user_anon_id", "The event has neither userId nor anonymousId.", "Send at least one of them."),
    _source("id_not_string", "An identifier is empty or not a string.", "Send identifiers as non-empty strings."),
    _source("event_not_defined", "The track call has no event name.", "Send the name in `event`."),
    _source("event_not_string", "The event name is not a string.", "Send `event` as a string."),
    _source("properties_not_object", "The field `properties` is not an object.", "Send `properties` as an object."),
    _source("traits_not_object", "The field `traits` is not an object.", "Send `traits` as an object."),
    _source("context_not_object", "The field `context` is not an object.", "Send `context` as an object."),
    _source("integrations_not_object", "The field `integrations` is not an object.", "Send it as an object."),
    _source("name_not_string", "The page or screen name is not a string.", "Send `name` as a string."),
    _source("category_not_string", "The page or screen category is not a string.", "Send `category` as a string."),
    _source("message_id_not_string", "The messageId is not a string.", "Send `messageId` as a string or leave it out."),
    _source("message_id_too_long", "The messageId is longer than 100 characters.", "Send a shorter one or none."),
    _source(
        "unknown_source", "The write key is missing or belongs to no source.", "Use a write key of the workspace file."
    ),
    _source("source_disabled", "The source is disabled.", "Enable the source in the workspace file, or stop sending."),
    _source("device_advertisingid_should_be_string", "The device's advertisingId is not a string.", "Send a string."),
    _source("consent_categorypreferences_should_exist", "The consent event has no category preferences.", _FIX_CONSENT),
    _source(
        "consent_categorypreferences_fields_should_be_object",
        "The consent preferences are not an object.",
        _FIX_CONSENT,
    ),
    _source(
        "consent_categorypreferences_fields_should_be_bool", "A consent preference is not a boolean.", _FIX_CONSENT
    ),
    _source("consent_version_should_be_number", "The consent version is not a number.", "Send it as a number."),
    _source("empty_batch_result", "No item of the request was accepted.", "See the reason of each item."),
    _source("request_timeout", "The request body did not arrive in time.", "Send again; check the connection."),
    _source_later(
        "too_many_requests",
        "Events arrived faster than Waybill could store them.",
        "SDKs try again. If it lasts, lower the rate or run more machines.",
    ),
    _source_later(
        "unavailable",
        "Waybill could not store the events and did not accept them.",
        "SDKs try again. Check the free disk space and Waybill's log.",
    ),
)
