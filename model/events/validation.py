"""Validates tracking calls by type. The codes follow Segment's "failed on ingest" list.

Empty counts as missing, because official SDKs send fields without a value: an empty string or null in any field, and an
empty array for an object (PHP's empty object), are refused only where the field is required. Blank text is text.
"""

from typing import Any

CALL_TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})
MESSAGE_ID_LIMIT_CHARACTERS = 100
TRACED_ID_LIMIT_CHARACTERS = 200  # the messageId of a refused event may be too long; only this much is kept for tracing
CONSENT_EVENT = "Segment Consent Preference Updated"


class InvalidItem(ValueError):
    """One item cannot be accepted. ``message`` names the field and the remedy, and never repeats what was sent."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def traced_id(message_id: Any) -> str:
    """Return the id that traces find the event by, for any value of messageId; '' for none."""
    if isinstance(message_id, bool) or not isinstance(message_id, str | int):
        return ""
    return str(message_id)[:TRACED_ID_LIMIT_CHARACTERS]


def validate(event: dict[str, Any], *, max_properties: int) -> None:
    """Check one event whose ``type`` is one of CALL_TYPES. Raises `InvalidItem` for the first thing wrong.

    An empty string or array where an object is expected is removed from ``event``.
    """
    _check_message_id(event.get("messageId"))
    _check_object(event, "context")
    _check_object(event, "integrations")
    _check_call(event)
    for field in ("properties", "traits"):
        if len(event.get(field) or ()) > max_properties:
            raise InvalidItem("too_many_properties", f"{field} has over {max_properties:,} members; send fewer")
    context = event.get("context")
    if context or event.get("event") == CONSENT_EVENT:
        _check_context(context or {}, is_consent_event=event.get("event") == CONSENT_EVENT)


def _check_message_id(message_id: Any) -> None:
    if message_id is None:
        return
    if not isinstance(message_id, str):
        raise InvalidItem("message_id_not_string", f"messageId is {_kind(message_id)}; send a string or leave it out")
    if len(message_id) > MESSAGE_ID_LIMIT_CHARACTERS:
        limit = MESSAGE_ID_LIMIT_CHARACTERS
        raise InvalidItem("message_id_too_long", f"messageId is longer than {limit} characters; send a shorter one")


def _check_object(event: dict[str, Any], field: str) -> None:
    value = event.get(field)
    if value is not None and not isinstance(value, dict):
        if value not in ("", []):
            raise InvalidItem(f"{field}_not_object", f"{field} is {_kind(value)}; send an object")
        del event[field]


def _check_user(event: dict[str, Any]) -> None:
    user, anonymous = event.get("userId"), event.get("anonymousId")
    if user is None and anonymous is None:
        raise InvalidItem("no_user_anon_id", "neither userId nor anonymousId is given; send at least one")
    for field, value in (("userId", user), ("anonymousId", anonymous)):
        if value is not None and not isinstance(value, str):
            raise InvalidItem("id_not_string", f"{field} is {_kind(value)}; send a string")
    if not user and not anonymous:
        raise InvalidItem("id_not_string", "userId and anonymousId are empty; send at least one that is not")


def _check_id(event: dict[str, Any], field: str) -> None:
    value = event.get(field)
    if value is None:
        raise InvalidItem("id_required", f"{field} is missing; a call of type {event['type']} needs it")
    if not isinstance(value, str) or not value:
        raise InvalidItem("id_not_string", f"{field} is {_kind(value)}; send a string that is not empty")


def _check_call(event: dict[str, Any]) -> None:
    call_type = event["type"]
    if call_type == "alias":
        _check_id(event, "userId")
        _check_id(event, "previousId")
        return
    _check_user(event)
    if call_type == "group":
        _check_id(event, "groupId")
    elif call_type == "track":
        _check_event_name(event.get("event"))
    elif call_type in ("page", "screen"):
        for field in ("name", "category"):
            value = event.get(field)
            if value is not None and not isinstance(value, str):
                raise InvalidItem(f"{field}_not_string", f"{field} is {_kind(value)}; send a string or leave it out")
    _check_object(event, "traits" if call_type in ("identify", "group") else "properties")


def _check_event_name(name: Any) -> None:
    if name is None or name == "":
        raise InvalidItem("event_not_defined", "event is missing; send the event's name")
    if not isinstance(name, str):
        raise InvalidItem("event_not_string", f"event is {_kind(name)}; send the event's name as a string")


def _check_context(context: dict[str, Any], *, is_consent_event: bool) -> None:
    device = context.get("device")
    advertising_id = device.get("advertisingId") if isinstance(device, dict) else None
    if advertising_id is not None and not isinstance(advertising_id, str):
        what = f"context.device.advertisingId is {_kind(advertising_id)}; send a string"
        raise InvalidItem("device_advertisingid_should_be_string", what)
    consent = context.get("consent")
    if consent in (None, "", []) and not is_consent_event:
        return
    preferences = consent.get("categoryPreferences") if isinstance(consent, dict) else None
    path = "context.consent.categoryPreferences"
    if preferences is None:
        raise InvalidItem("consent_categorypreferences_should_exist", f"{path} is missing; send an object")
    if not isinstance(preferences, dict):
        what = f"{path} is {_kind(preferences)}; send an object"
        raise InvalidItem("consent_categorypreferences_fields_should_be_object", what)
    if not all(isinstance(value, bool) for value in preferences.values()):
        what = f"{path} holds something other than true or false; send booleans"
        raise InvalidItem("consent_categorypreferences_fields_should_be_bool", what)
    version = consent.get("version") if isinstance(consent, dict) else None
    if version is not None and (isinstance(version, bool) or not isinstance(version, int | float)):
        what = f"context.consent.version is {_kind(version)}; send a number"
        raise InvalidItem("consent_version_should_be_number", what)


def _kind(value: Any) -> str:
    """Name the JSON type found, never the value: it may be personal."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case "":
            return "an empty string"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
