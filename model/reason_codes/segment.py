"""Segment's codes for features that Waybill does not have: explained when looked up, never produced by Waybill."""

from model.reason_codes.reason import Owner, Reason, Severity

_LINK = "https://segment.com/docs/connections/delivery-overview/"


def _elsewhere(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.INFO, Owner.US, False, description, action, _LINK)


_NO_PLANS = "Waybill has no tracking plans; drop events with a filter or an insert function."
_NO_AUDIENCES = "Waybill delivers events; it does not sync audiences."

SEGMENT_ONLY: tuple[Reason, ...] = (
    _elsewhere(
        "UNKNOWN_INTEGRATION",
        "The event's `integrations` object names a destination that does not exist.",
        "Waybill ignores such names; correct the name if it should be a destination's.",
    ),
    _elsewhere(
        "MESSAGE_SENT_CLIENT_SIDE",
        "The event was sent to the destination from the device.",
        "Waybill does not count connections in device mode; reports list them as not counted.",
    ),
    _elsewhere(
        "FILTERED_BY_END_USER_CONSENT",
        "The person did not consent to this destination.",
        "Filter on `context.consent.categoryPreferences` in the connection's filters.",
    ),
    _elsewhere("FAILED_DATA_ENCRYPTION", "A field could not be encrypted.", "Waybill does not encrypt fields."),
    _elsewhere("FUNCTIONS_LOCK_OUT", "The plan's limit for functions was reached.", "Waybill has no such limit."),
    _elsewhere("locked_workspace", "The workspace was disabled.", "Waybill does not disable workspaces."),
    _elsewhere(
        "multi_user_error",
        "Some items of a batch were invalid.",
        "Waybill records a reason for each item of a batch.",
    ),
    _elsewhere(
        "RETRY",
        "An earlier attempt failed and the event was sent again.",
        "Waybill records each failed attempt with the code of its failure.",
    ),
    _elsewhere(
        "RETRYABLE_ERROR",
        "The destination could not accept the event at that time.",
        "Waybill tries again and records the status or transport code of the failure.",
    ),
    _elsewhere(
        "UNKNOWN_ERROR",
        "The destination responded with a status that has no name.",
        "Waybill records the number of the status as the code.",
    ),
    _elsewhere("TRACKING_API_FAILED", "A source function could not forward its event.", "Send to ingest directly."),
    _elsewhere("SET_API_FAILED", "A source function could not forward its object.", "Send to ingest directly."),
    _elsewhere("event_setting", "The source was set to discard this event.", _NO_PLANS),
    _elsewhere("unplanned", "The event is not in the tracking plan.", _NO_PLANS),
    _elsewhere("schema_violation", "The event violates the tracking plan.", _NO_PLANS),
    _elsewhere("common_schema_violation", "The event violates the tracking plan's common schema.", _NO_PLANS),
    _elsewhere("unplanned_and_schema_violation", "The event is not in the tracking plan and violates it.", _NO_PLANS),
    _elsewhere("CREATE_AUDIENCE_FAILED", "An audience could not be created.", _NO_AUDIENCES),
    _elsewhere("GET_AUDIENCE_FAILED", "An audience could not be read.", _NO_AUDIENCES),
    _elsewhere("INVALID_AUDIENCE_MEMBERSHIP", "An audience membership was invalid.", _NO_AUDIENCES),
    _elsewhere("RETL_ON_MAPPING_SAVE_FAILED", "A mapping of a warehouse sync could not be saved.", _NO_AUDIENCES),
)
