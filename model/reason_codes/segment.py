"""Segment's codes for features that Waybill does not have: explained when looked up, never produced by Waybill."""

from model.reason_codes.reason import Reason, reason_table

SEGMENT_ONLY: tuple[Reason, ...] = reason_table(
    link="https://segment.com/docs/connections/delivery-overview/",
    table="""
info, us
    UNKNOWN_INTEGRATION | The event's `integrations` object names a destination that does not exist. |
        Waybill ignores such names; correct the name if it should be a destination's.
    MESSAGE_SENT_CLIENT_SIDE | The event was sent to the destination from the device. |
        Waybill does not count connections in device mode; reports list them as not counted.
    FILTERED_BY_END_USER_CONSENT | The person did not consent to this destination. |
        Filter on `context.consent.categoryPreferences` in the connection's filters.
    FAILED_DATA_ENCRYPTION | A field could not be encrypted. | Waybill does not encrypt fields.
    FUNCTIONS_LOCK_OUT | The plan's limit for functions was reached. | Waybill has no such limit.
    locked_workspace | The workspace was disabled. | Waybill does not disable workspaces.
    multi_user_error | Some items of a batch were invalid. | Waybill records a reason for each item of a batch.
    RETRY | An earlier attempt failed and the event was sent again. |
        Waybill records each failed attempt with the code of its failure.
    RETRYABLE_ERROR | The destination could not accept the event at that time. |
        Waybill tries again and records the status or transport code of the failure.
    UNKNOWN_ERROR | The destination responded with a status that has no name. |
        Waybill records the number of the status as the code.
    TRACKING_API_FAILED | A source function could not forward its event. | Send to ingest directly.
    SET_API_FAILED | A source function could not forward its object. | Send to ingest directly.
info, us | Waybill has no tracking plans; drop events with a filter or an insert function.
    event_setting | The source was set to discard this event.
    unplanned | The event is not in the tracking plan.
    schema_violation | The event violates the tracking plan.
    common_schema_violation | The event violates the tracking plan's common schema.
    unplanned_and_schema_violation | The event is not in the tracking plan and violates it.
info, us | Waybill delivers events; it does not sync audiences.
    CREATE_AUDIENCE_FAILED | An audience could not be created.
    GET_AUDIENCE_FAILED | An audience could not be read.
    INVALID_AUDIENCE_MEMBERSHIP | An audience membership was invalid.
    RETL_ON_MAPPING_SAVE_FAILED | A mapping of a warehouse sync could not be saved.
""",
)
