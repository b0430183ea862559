"""Reason codes of ingest: why a request, or one item of it, was refused. Names are Segment's where Segment has one."""

from model.reason_codes.reason import Reason, reason_table

INGEST: tuple[Reason, ...] = (
    *reason_table(
        link="https://segment.com/docs/connections/spec/common/",
        table="""
error, source | Send `context.consent.categoryPreferences` as an object of booleans.
    not_json | The item is not valid JSON. | Send JSON; NaN and Infinity are not JSON.
    bad_request | The request could not be decoded. | Send JSON, plain or compressed with gzip.
    item_not_object | The item is not a JSON object. | Correct the code that sends the event.
    unknown_type | The item's type is not one of track, identify, page, screen, group, alias. |
        Correct the code that sends the event.
    empty_batch | The batch holds no items. | Send at least one item in `batch`.
    batch_not_array | The field `batch` is not an array. | Send the items as an array in `batch`.
    too_many_items | The batch holds more items than `ingest.max_items` allows. |
        Send smaller batches, or raise `ingest.max_items` in the workspace file.
    batch_too_large | The request is larger than `ingest.max_request_bytes` allows. |
        Send smaller batches, or raise `ingest.max_request_bytes` in the workspace file.
    event_too_large | The event is larger than `ingest.max_event_bytes` allows. |
        Send smaller events, or raise `ingest.max_event_bytes` in the workspace file.
    too_many_properties | The event has more than 10,000 properties. | Send fewer properties.
    too_deep | The event has too many levels of nesting. | Flatten the event's properties.
    number_too_large | The event contains a number over 1.8e308. | Send such a number as text.
    id_required | The event lacks an identifier its type needs. | Send userId, anonymousId or groupId.
    no_user_anon_id | The event has neither userId nor anonymousId. | Send at least one of them.
    id_not_string | An identifier is empty or not a string. | Send identifiers as non-empty strings.
    event_not_defined | The track call has no event name. | Send the name in `event`.
    event_not_string | The event name is not a string. | Send `event` as a string.
    properties_not_object | The field `properties` is not an object. | Send `properties` as an object.
    traits_not_object | The field `traits` is not an object. | Send `traits` as an object.
    context_not_object | The field `context` is not an object. | Send `context` as an object.
    integrations_not_object | The field `integrations` is not an object. | Send it as an object.
    name_not_string | The page or screen name is not a string. | Send `name` as a string.
    category_not_string | The page or screen category is not a string. | Send `category` as a string.
    message_id_not_string | The messageId is not a string. | Send `messageId` as a string or leave it out.
    message_id_too_long | The messageId is longer than 100 characters. | Send a shorter one or none.
    unknown_source | The write key is missing or belongs to no source. | Use a write key of the workspace file.
    source_disabled | The source is disabled. | Enable the source in the workspace file, or stop sending.
    device_advertisingid_should_be_string | The device's advertisingId is not a string. | Send a string.
    consent_categorypreferences_should_exist | The consent event has no category preferences.
    consent_categorypreferences_fields_should_be_object | The consent preferences are not an object.
    consent_categorypreferences_fields_should_be_bool | A consent preference is not a boolean.
    consent_version_should_be_number | The consent version is not a number. | Send it as a number.
    empty_batch_result | No item of the request was accepted. | See the reason of each item.
    request_timeout | The request body did not arrive in time. | Send again; check the connection.
""",
    ),
    *reason_table("""
warning, us, retried
    too_many_requests | Events arrived faster than Waybill could store them. |
        SDKs try again. If it lasts, lower the rate or run more machines.
    unavailable | Waybill could not store the events and did not accept them. |
        SDKs try again. Check the free disk space and Waybill's log.
"""),
)
