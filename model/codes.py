"""The catalogue of reason codes: for each one what happened, whose turn it is and what to do, in plain words.

One vocabulary for facts, reports, API and alerts. Lower-case codes come from ingest (Segment's own names where it has
one), upper-case ones from delivery and transport, three digits are HTTP statuses of destinations.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

CATALOGUE_VERSION = 1  # raised when a code changes its meaning or is removed; new codes do not count


class Severity(StrEnum):
    """How much a person should mind."""

    INFO = "info"  # configuration working as asked, or something that passes by itself
    WARNING = "warning"  # events are late or single events are lost
    ERROR = "error"  # somebody has to act, or events keep being lost


class Owner(StrEnum):
    """Whose turn it is."""

    SOURCE = "source"  # whoever sends the events
    US = "us"  # whoever runs Waybill
    DESTINATION = "destination"  # the partner, or the destination's settings


@dataclass(frozen=True, slots=True)
class Reason:
    """One code explained. ``retryable``: Waybill tries again by itself, or trying again later can help."""

    code: str
    severity: Severity
    owner: Owner
    retryable: bool
    description: str
    action: str
    link: str = ""


def reason(code: str) -> Reason:
    """Explain any code. Never raises: a code not in the catalogue gets the closest general explanation."""
    known = _BY_CODE.get(code)
    if known:
        return known
    if re.fullmatch("[0-9]{3}", code):
        return _any_status(code)
    return Reason(
        code,
        Severity.ERROR,
        Owner.US,
        False,
        "Something failed that this version of Waybill has no explanation for.",
        "Read the message beside the code; if it does not help, report the code with the version of Waybill.",
    )


def _any_status(code: str) -> Reason:
    match code[0]:
        case "2":
            return Reason(code, Severity.INFO, Owner.DESTINATION, False, "The destination took the event.", "Nothing.")
        case "3":
            description = f"The destination answered {code}, a redirect that would lose the event if followed."
            return Reason(code, Severity.ERROR, Owner.DESTINATION, False, description, _CHECK_URL)
        case "4":
            description = f"The destination refused the event with status {code}."
            return Reason(code, Severity.ERROR, Owner.DESTINATION, False, description, _READ_RESPONSE)
        case "5":
            description = f"The destination failed while handling the event (status {code})."
            return Reason(code, Severity.WARNING, Owner.DESTINATION, True, description, _WAIT_OR_ASK)
        case _:
            description = f"The destination answered {code}, which is no status HTTP defines."
            return Reason(code, Severity.WARNING, Owner.DESTINATION, True, description, _WAIT_OR_ASK)


_CHECK_URL = "Check the destination's URL in the workspace file; use the address it redirects to."
_READ_RESPONSE = "Read the destination's message in the samples, then correct the events or the destination's settings."
_WAIT_OR_ASK = "Nothing if it passes: Waybill tries again. If it lasts, ask the destination's operators, or disable it."
_CHECK_REACHABLE = (
    "Waybill tries again. If it lasts, check the URL, and that the destination runs and is reachable from here."
)
_FIX_PAYLOAD = "Correct the code that sends the event."
_FIX_CONSENT = "Send `context.consent.categoryPreferences` as an object of booleans."


def _source(code: str, description: str, action: str = _FIX_PAYLOAD) -> Reason:
    return Reason(code, Severity.ERROR, Owner.SOURCE, False, description, action)


def _source_later(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.WARNING, Owner.US, True, description, action)


def _passing(code: str, description: str, action: str = _WAIT_OR_ASK) -> Reason:
    return Reason(code, Severity.WARNING, Owner.DESTINATION, True, description, action)


def _refused(code: str, description: str, action: str = _READ_RESPONSE) -> Reason:
    return Reason(code, Severity.ERROR, Owner.DESTINATION, False, description, action)


def _setup(code: str, description: str, action: str) -> Reason:
    kept = " Events are kept and one call a minute tries whether it is mended."
    return Reason(code, Severity.ERROR, Owner.DESTINATION, True, description, action + kept)


def _configured(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.INFO, Owner.US, False, description, action)


def _waiting(code: str, description: str, action: str) -> Reason:
    return Reason(code, Severity.INFO, Owner.US, True, description, action)


_INGEST = (
    _source("not_json", "The item is not valid JSON.", "Send JSON in UTF-8; NaN and Infinity are not JSON."),
    _source("bad_request", "The request could not be decoded.", "Send a JSON body with Content-Type application/json."),
    _source("item_not_object", "The item is not a JSON object."),
    _source("unknown_type", "The item's type is not one of track, identify, page, screen, group, alias."),
    _source("empty_batch", "The batch holds no items.", "Send at least one item in `batch`."),
    _source("batch_not_array", "The field `batch` is not an array.", "Send the items as an array in `batch`."),
    _source("too_many_items", "The batch holds more than 2,500 items.", "Send smaller batches."),
    _source("batch_too_large", "The request is larger than 500 KB.", "Send smaller batches."),
    _source("event_too_large", "The event is larger than 32 KB.", "Send less with one event."),
    _source("too_many_properties", "The event has more than 10,000 properties.", "Send fewer properties."),
    _source("too_deep", "The event is nested too deeply.", "Flatten the event's properties."),
    _source("invalid_string", "The event holds text that is not Unicode (a lone surrogate).", "Send valid UTF-8."),
    _source("id_required", "The event lacks an identifier its type needs.", "Send userId, anonymousId or groupId."),
    _source("no_user_anon_id", "The event has neither userId nor anonymousId.", "Send at least one of them."),
    _source("id_not_string", "An identifier is empty or not a string.", "Send identifiers as non-empty strings."),
    _source("event_not_defined", "The track call has no event name.", "Send the name in `event`."),
    _source("event_not_string", "The event name is not a string.", "Send `event` as a string."),
    _source("properties_not_object", "The field `properties` is not an object.", "Send `properties` as an object."),
    _source("traits_not_object", "The field `traits` is not an object.", "Send `traits` as an object."),
    _source("context_not_object", "The field `context` is not an object.", "Send `context` as an object."),
    _source("integrations_not_object", "The field `integrations` is not an object.", "Send it as an object."),
    _source("name_not_string", "The page or screen name is empty or not a string.", "Send `name` as a string."),
    _source("category_not_string", "The page or screen category is not a string.", "Send `category` as a string."),
    _source("message_id_not_string", "The messageId is not a string.", "Send `messageId` as a string or leave it out."),
    _source("message_id_too_long", "The messageId is longer than 100 characters.", "Send a shorter one or none."),
    _source("invalid_timestamp", "A timestamp is not an ISO 8601 date and time.", "Send timestamps in ISO 8601."),
    _source("unknown_source", "The write key is missing or belongs to no source.", "Use a key of the workspace file."),
    _source("source_disabled", "The source is disabled.", "Enable the source in the workspace file, or stop sending."),
    _source("device_advertisingid_should_be_string", "The device's advertisingId is not a string.", "Send a string."),
    _source("consent_categorypreferences_should_exist", "The consent event has no category preferences.", _FIX_CONSENT),
    _source(
        "consent_categorypreferences_fields_should_be_object", "The consent preferences are no object.", _FIX_CONSENT
    ),
    _source("consent_categorypreferences_fields_should_be_bool", "A consent preference is no boolean.", _FIX_CONSENT),
    _source("consent_version_should_be_number", "The consent version is not a number.", "Send it as a number."),
    _source("empty_batch_result", "No item of the request was accepted.", "See the reasons of the single items."),
    _source("request_timeout", "The request's body did not arrive in time.", "Send again; check the connection."),
    _source_later(
        "too_many_requests",
        "Events came in faster than they could be stored.",
        "Senders try again by themselves. If it lasts, lower the rate or run more machines.",
    ),
    _source_later(
        "unavailable",
        "Events could not be stored; they were not accepted.",
        "Senders try again by themselves. Look at the disk's free space and at Waybill's log.",
    ),
)

_DELIVERY = (
    Reason(
        "EXPIRED",
        Severity.ERROR,
        Owner.DESTINATION,
        False,
        "The retry window or the attempts were used up before the destination took the event.",
        "Mend what the last error says, then send the dead letters again.",
    ),
    Reason(
        "NEVER_ATTEMPTED",
        Severity.ERROR,
        Owner.US,
        False,
        "The retry window ended before the event could be sent even once: its destination was paused or overloaded.",
        "Raise the destination's concurrency, or mend what paused it; then send the dead letters again.",
    ),
    Reason(
        "UNREADABLE_RECORD",
        Severity.ERROR,
        Owner.US,
        False,
        "A record of the log is damaged or was written by another version; its bytes are kept as a dead letter.",
        "Run the version of Waybill that wrote it, or inspect the dead letter.",
    ),
    Reason(
        "ROW_REFUSED",
        Severity.ERROR,
        Owner.US,
        False,
        "The store refused a row of the records about deliveries; the row is kept as a dead letter.",
        "Inspect the dead letter and report it: the numbers of reports lack this row.",
    ),
    Reason(
        "INTERNAL",
        Severity.ERROR,
        Owner.US,
        True,
        "Waybill itself failed while handling the event.",
        "Waybill tries again. If it lasts, report the message beside the code.",
    ),
    _setup(
        "INVALID_SETTINGS",
        "The destination's settings make no valid request.",
        "Correct its URL, method or headers in the workspace file.",
    ),
    _configured(
        "DESTINATION_DISABLED", "The destination is disabled.", "Enable it in the workspace file if events should flow."
    ),
    _configured(
        "CONNECTION_DISABLED", "The connection is disabled.", "Enable it in the workspace file if events should flow."
    ),
    _configured(
        "CONNECTION_REMOVED",
        "The connection was removed from the workspace while the event waited for it.",
        "None, if it was meant; otherwise restore the connection and send the dead letters again.",
    ),
    _configured(
        "DESTINATION_REMOVED",
        "The destination was removed from the workspace while the event waited for it.",
        "None, if it was meant; otherwise restore the destination and send the dead letters again.",
    ),
    _configured(
        "SOURCE_REMOVED",
        "The source was removed from the workspace after it had sent the event.",
        "None, if it was meant; otherwise restore the source.",
    ),
    _configured(
        "NO_MATCHING_MAPPING",
        "The source has no connection that takes this event.",
        "Add a connection in the workspace file if the event should go somewhere.",
    ),
    _waiting(
        "OVER_SHARE",
        "The destination holds more than its fair share of memory, so the event waits on disk for its turn.",
        "None; if it lasts, the destination is slower than its events come in: raise its concurrency.",
    ),
    _waiting(
        "PAUSED",
        "Sending to the destination is paused (it asked for a pause or cannot be reached); the event waits on disk.",
        "None; look at the destination's other errors for the cause.",
    ),
    _waiting(
        "WAITED_TOO_LONG",
        "The event waited too long for a free connection to the destination and goes on waiting on disk.",
        "None; if it lasts, the destination is slower than its events come in: raise its concurrency.",
    ),
)

_TRANSPORT = (
    _passing("ECONNREFUSED", "The destination's server refused the connection.", _CHECK_REACHABLE),
    _passing("ECONNRESET", "The connection broke before the answer was complete.", _CHECK_REACHABLE),
    _passing("ECONNABORTED", "The connection was aborted before the answer was complete.", _CHECK_REACHABLE),
    _passing("EHOSTUNREACH", "The destination's server cannot be reached over the network.", _CHECK_REACHABLE),
    _passing("EAI_AGAIN", "The name server did not answer for this host.", "Waybill tries again. Check DNS."),
    _passing("ETIMEDOUT", "The destination did not answer in time.", _WAIT_OR_ASK),
    _passing("PROTOCOL_ERROR", "The destination's answer was not valid HTTP.", _CHECK_REACHABLE),
    _setup("ENOTFOUND", "The destination's host name does not exist.", "Correct the URL in the workspace file."),
    _setup(
        "TLS_ERROR",
        "No secure connection could be made: the certificate is expired, self-signed or for another name.",
        "Renew the certificate or correct the URL.",
    ),
    _setup(
        "ADDRESS_REFUSED",
        "The destination's host is at a private or reserved address, which Waybill does not call.",
        "Correct the URL, or allow the network in `delivery.allow_addresses` of the workspace file.",
    ),
)

_STATUSES = (
    _passing("307", "The destination redirected too often, or to nowhere.", _CHECK_URL),
    _passing("308", "The destination redirected too often, or to nowhere.", _CHECK_URL),
    _refused("400", "The destination found the event invalid."),
    _setup("401", "The destination does not accept the credentials.", "Renew them in the destination's headers."),
    _setup("403", "The credentials do not allow this.", "Give them the rights the destination asks for."),
    _refused("404", "There is nothing at the destination's URL.", "Correct the URL in the workspace file."),
    _refused("405", "The destination does not take this HTTP method.", "Correct the method in the workspace file."),
    _passing("408", "The destination gave up waiting for the request."),
    _refused("409", "The destination reports a conflict with what it already has."),
    _refused("410", "What was at the destination's URL is gone for good.", "Correct the URL, or disable it."),
    _refused("413", "The event is too large for the destination.", "Send less with one event."),
    _refused("415", "The destination does not take JSON.", "Check that the URL is the one for JSON events."),
    _refused("422", "The destination understood the event but found its content invalid."),
    _passing("423", "The destination is locked at the moment."),
    _passing(
        "429",
        "The destination takes fewer events per second than are sent.",
        "Waybill slows down and tries again. If it lasts, ask the destination for a higher limit.",
    ),
    _passing("500", "The destination failed with an error of its own."),
    _refused("501", "The destination does not support this type of event.", "Do not send this type there."),
    _passing("502", "A gateway in front of the destination got no valid answer from it."),
    _passing("503", "The destination is overloaded or under maintenance."),
    _passing("504", "A gateway in front of the destination got no answer from it in time."),
    _passing("529", "The destination is overloaded."),
)

ALL: tuple[Reason, ...] = (*_INGEST, *_DELIVERY, *_TRANSPORT, *_STATUSES)
_BY_CODE = {entry.code: entry for entry in ALL}
