"""Amplitude: product analytics, by its HTTP V2 API or its Batch Event Upload API, which accept the same requests.

Endpoint: ``POST /2/httpapi`` (or ``/batch``) at api2.amplitude.com, in the EU at api.eu.amplitude.com. The API key of
the project is in the body: ``{"api_key": …, "events": […], "options": {"min_id_length": …}}``.

Default mappings: a track call is an event of its name; a page or screen call is "Viewed <name>"; identify sets user
properties (``$identify``), and so does any other call of a user that carries traits in its context; a group call makes
two deliveries, one puts the user into the group and one sets the group's properties (``$groupidentify``), both with the
group type "company". alias is not supported: merging users is another API. Every event carries the delivery's key as
``insert_id``, unless the mapping gives one: Amplitude ignores an event whose insert_id it has seen in the last 7 days,
so repeated requests do not count twice. ``time`` may be any date. An event without a user or a device, or with an id
such as "null", which would make Amplitude refuse the whole request, is discarded as PAYLOAD_VALIDATION_FAILED.

Batching: up to 2,000 events and 1 MB. Amplitude recommends at most 10 events a request on its Starter plan:
``batch: {max_events: 10}``.

Responses: 200 accepts all events. 400 and 429 accept none, but name the events they are about: by position, user or
device. Waybill sends the others again at once without these. 400: the named events are invalid. 429: a user or device
sends more than 30 events a second (1,000 by the batch API), and its events are retried later, one by one; or it has
used up its daily quota (500,000 events), and its events are discarded. A batch is halved after a 400 that names nothing
and after a 413; a 429 that names nothing is about the project, and pauses the destination.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field

from model.config.env_string import EnvString
from model.config.fields import Secret, Url
from model.config.problems import quoted
from model.destinations.default_mappings import TRAITS, first, viewed
from model.destinations.destination import RESEND, BatchLimits, DefaultMapping, HttpDestination, Item, ItemAnswer
from model.destinations.multi_status import is_position
from model.http.failure import FailureClass, partner_message
from model.http.failure_rules import FailureRule
from model.http.messages import HttpRequest, HttpResponse
from model.mapping.fields import FieldSpec, PayloadInvalid, PayloadProblem
from model.mapping.times import read_moment_ms
from model.reason_codes.reason import EVENTS_ARE_KEPT, Reason, reason_table

_LINK = "https://amplitude.com/docs/apis/analytics/http-v2"
_HOSTS = {"us": "https://api2.amplitude.com", "eu": "https://api.eu.amplitude.com"}
_PATHS = {"http": "/2/httpapi", "batch": "/batch"}

# The meaning of the lists in a response. The rules below search these words in the messages of items.
_TOO_SHORT = "id too short"
_SILENCED = "device silenced"
_QUOTA_USED_UP = "daily quota used up"
_TOO_FAST = "user or device throttled"
_BY_FIELD = {
    "events_with_missing_fields": "field missing",
    "events_missing_required_fields": "field missing",
    "events_with_invalid_fields": "field invalid",
    "events_with_invalid_id_lengths": _TOO_SHORT,
}


_OF_EVERY_CALL: Mapping[str, Any] = {
    "user_id": first("$.userId"),
    "device_id": first("$.context.device.id", "$.anonymousId"),
    "time": first("$.timestamp"),
    "session_id": first("$.integrations.Amplitude.session_id", "$.integrations.Actions Amplitude.session_id"),
    "app_version": first("$.context.app.version"),
    "platform": first("$.context.device.type"),
    "os_name": first("$.context.os.name"),
    "os_version": first("$.context.os.version"),
    "device_manufacturer": first("$.context.device.manufacturer"),
    "device_model": first("$.context.device.model"),
    "carrier": first("$.context.network.carrier"),
    "language": first("$.context.locale"),
    "country": first("$.context.location.country"),
    "region": first("$.context.location.region"),
    "city": first("$.context.location.city"),
    "location_lat": first("$.context.location.latitude"),
    "location_lng": first("$.context.location.longitude"),
    "ip": first("$.context.ip"),
}
_GROUPS = {"groups": {"company": first("$.groupId")}}
_USER_PROPERTIES = first(TRAITS)


def _mapping(name: str, call_type: str, fields: Mapping[str, Any]) -> DefaultMapping:
    return DefaultMapping(name=name, trigger=f'type = "{call_type}"', mapping={**_OF_EVERY_CALL, **fields})


def _event_mapping(call_type: str, event_type: dict[str, Any]) -> DefaultMapping:
    fields = {
        "event_type": event_type,
        "event_properties": first("$.properties"),
        "user_properties": _USER_PROPERTIES,
        "revenue": first("$.properties.revenue"),
    }
    return _mapping(call_type, call_type, fields)


# Placeholders for missing ids; see the API's documentation.
_INVALID_IDS = frozenset(
    "anonymous nil none null n/a na undefined unknown {} lmy47d 0 -1 00000000-0000-0000-0000-000000000000".split()
)
_TEXTS = (
    "user_id device_id app_version platform os_name os_version device_brand device_manufacturer device_model carrier "
    "country region city dma language productId revenueType ip idfa idfv adid android_id insert_id partner_id"
)


_REASONS = reason_table(
    link=_LINK,
    table=f"""
error, destination, retried
    AMPLITUDE_API_KEY | Amplitude refuses the API key. |
        Set api_key to the API key of the project, and region to where the project is. {EVENTS_ARE_KEPT}
error, source
    AMPLITUDE_EVENT_INVALID | Amplitude reports that the event is invalid; the message names the fields if Amplitude
        does. | Correct the events where they are sent, or the mapping; then redrive.
    AMPLITUDE_DAILY_QUOTA | The user or device has used up its daily quota of events at Amplitude (500,000 in 24 hours).
        | Look for ids that many users share, or for a program that sends under one id; correct it, redrive later.
error, destination
    AMPLITUDE_ID_TOO_SHORT | The user_id or device_id is shorter than Amplitude accepts: 5 characters by default. |
        If the ids are correct, set min_id_length of the destination to the length of the shortest; then redrive.
warning, destination
    AMPLITUDE_SILENCED | Amplitude has silenced the device and does not accept its events. |
        Ask Amplitude's support why, if the device is a real user's.
warning, source, retried
    AMPLITUDE_THROTTLED | The user or device sends more events a second than Amplitude accepts. |
        Waybill tries again and continues with other users. If it lasts, look for an id that many users share, or set
        api to batch, which accepts more.
""",
)


class AmplitudeDestination(HttpDestination):
    """Amplitude: product analytics."""

    title: ClassVar[str] = "Amplitude"
    integration_names: ClassVar[tuple[str, ...]] = ("Actions Amplitude", "Amplitude (Actions)")
    link: ClassVar[str] = _LINK
    supported_types: ClassVar[frozenset[str]] = frozenset({"track", "identify", "page", "screen", "group"})
    default_mappings: ClassVar[tuple[DefaultMapping, ...]] = (
        _event_mapping("track", first("$.event")),
        _event_mapping("page", viewed("Page")),
        _event_mapping("screen", viewed("Screen")),
        _mapping("identify", "identify", {"event_type": "$identify", "user_properties": _USER_PROPERTIES}),
        _mapping("group member", "group", {"event_type": "$identify", **_GROUPS}),
        _mapping("group", "group", {"event_type": "$groupidentify", **_GROUPS, "group_properties": first("$.traits")}),
    )
    payload_fields: ClassVar[Mapping[str, FieldSpec]] = {
        "event_type": FieldSpec("string", required=True),
        "time": FieldSpec("datetime"),
        **{name: FieldSpec("string") for name in _TEXTS.split()},
        **{name: FieldSpec("number") for name in ("price", "revenue", "location_lat", "location_lng")},
        **{name: FieldSpec("integer") for name in ("quantity", "event_id", "session_id")},
        **{
            name: FieldSpec("object")
            for name in ("event_properties", "user_properties", "groups", "group_properties", "plan")
        },
        "$skip_user_properties_sync": FieldSpec("boolean"),
    }
    # 1 MB is the limit for the whole body: insert ids add 50 bytes per event to the payloads.
    batch_limits: ClassVar[BatchLimits] = BatchLimits(max_events=2_000, max_bytes=890_000)
    answers_by_item: ClassVar[bool] = True
    failure_rules: ClassVar[tuple[FailureRule, ...]] = (
        FailureRule(
            status=400,
            body=r'"error"\s*:\s*"Invalid API key|"missing_field"\s*:\s*"api_key"',
            failure=FailureClass.SETUP,
            reason="AMPLITUDE_API_KEY",
        ),
        FailureRule(status=400, body=_TOO_SHORT, failure=FailureClass.DISCARD, reason="AMPLITUDE_ID_TOO_SHORT"),
        FailureRule(status=400, body=_SILENCED, failure=FailureClass.DISCARD, reason="AMPLITUDE_SILENCED"),
        FailureRule(status=400, failure=FailureClass.DISCARD, reason="AMPLITUDE_EVENT_INVALID"),
        FailureRule(status=429, body=_QUOTA_USED_UP, failure=FailureClass.DISCARD, reason="AMPLITUDE_DAILY_QUOTA"),
        FailureRule(status=429, body=_TOO_FAST, failure=FailureClass.THROTTLE, reason="AMPLITUDE_THROTTLED"),
    )
    reasons: ClassVar[tuple[Reason, ...]] = _REASONS

    type: Literal["amplitude"]
    """amplitude: events and user properties to Amplitude."""
    api_key: Secret
    """API key of the Amplitude project. Only as ${NAME}."""
    region: Literal["us", "eu"] = "us"
    """Where the project's data is kept: us or eu."""
    api: Literal["http", "batch"] = "http"
    """http: seen in Amplitude within seconds, 30 events a second for each user or device.
    batch: within minutes, 1,000 a second."""
    min_id_length: int | None = Field(default=None, ge=1, le=1_024)
    """Shortest user_id and device_id, in characters, that Amplitude should accept. Not given: its default, 5."""
    url: Url | None = None
    """An address to use instead of Amplitude's, with its path, such as a proxy or a test server."""

    @property
    def endpoint(self) -> EnvString:
        """The address of the API, in the region of the project."""
        if self.url is not None:
            return self.url
        return EnvString.constant(_HOSTS[self.region] + _PATHS[self.api])

    def finish(self, payload: dict[str, Any]) -> dict[str, Any]:
        """See `HttpDestination.finish`. One event without a valid id makes Amplitude refuse all of a request."""
        finished = super().finish(payload)
        ids = {name: str(finished[name]).strip().lower() for name in ("user_id", "device_id") if name in finished}
        problems = [
            PayloadProblem((name,), f"is {quoted(text)}, which Amplitude refuses as an id")
            for name, text in ids.items()
            if text in _INVALID_IDS
        ]
        if not ids:
            problems.append(PayloadProblem(("user_id",), "is required, or device_id; both are missing or empty"))
        if problems:
            raise PayloadInvalid(problems)
        return finished

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build the request; the API key is in the body."""
        content: dict[str, Any] = {"api_key": self.api_key.value, "events": [_event(item) for item in items]}
        if self.min_id_length is not None:
            content["options"] = {"min_id_length": self.min_id_length}
        return self.json_request(items, orjson.dumps(content), url=self.endpoint.value)

    def read(self, response: HttpResponse, items: Sequence[Item]) -> Sequence[ItemAnswer | None] | None:
        """The results of the events that a 400 or 429 names; the others are sent again without them."""
        if response.status not in (400, 429):
            return None
        try:
            said = orjson.loads(response.body)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(said, dict):
            return None
        found = _faults(said, len(items)) if response.status == 400 else _too_many(said, items)
        if not any(found):
            return None
        return [_refused(said, response.status, faults) if faults else RESEND for faults in found]


def _event(item: Item) -> dict[str, Any]:
    event = {"insert_id": item.key, **item.fields}
    moment_ms = read_moment_ms(event.get("time"))
    if moment_ms is not None:
        event["time"] = moment_ms
    return event


def _faults(said: dict[str, Any], count: int) -> list[list[str]]:
    """Return the reported errors of each event."""
    faults: list[list[str]] = [[] for _ in range(count)]
    for name, meaning in _BY_FIELD.items():
        by_field = said.get(name)
        for field, positions in by_field.items() if isinstance(by_field, dict) else ():
            for position in _positions(positions, count):
                faults[position].append(f"{meaning}: {field}")
    for position in _positions(said.get("silenced_events"), count):
        faults[position].append(_SILENCED)
    return faults


def _positions(value: Any, count: int) -> list[int]:
    if not isinstance(value, list):
        return []
    return [index for index in value if is_position(index, count)]


def _too_many(said: dict[str, Any], items: Sequence[Item]) -> list[list[str]]:
    """Return for each event the limit it exceeds: it is named, or its user or device is."""
    throttled = set(_positions(said.get("throttled_events"), len(items)))
    found: list[list[str]] = []
    for place, item in enumerate(items):
        payload = item.fields
        if _is_named(said, "exceeded_daily_quota", payload):
            found.append([_QUOTA_USED_UP])
        elif place in throttled or _is_named(said, "throttled", payload):
            found.append([_TOO_FAST])
        else:
            found.append([])
    return found


def _is_named(said: dict[str, Any], what: str, payload: dict[str, Any]) -> bool:
    for name, field in ((f"{what}_users", "user_id"), (f"{what}_devices", "device_id")):
        ids, own = said.get(name), payload.get(field)
        if isinstance(ids, dict) and isinstance(own, str) and own in ids:
            return True
    return False


def _refused(said: dict[str, Any], status: int, faults: Sequence[str]) -> ItemAnswer:
    error = said.get("error")
    text = ", ".join(faults)
    message = partner_message({}, orjson.dumps({"message": f"{error}: {text}" if isinstance(error, str) else text}))
    if status == 400:
        return ItemAnswer(FailureClass.DISCARD, "AMPLITUDE_EVENT_INVALID", message, status)
    if _QUOTA_USED_UP in faults:
        return ItemAnswer(FailureClass.DISCARD, "AMPLITUDE_DAILY_QUOTA", message, status)
    return ItemAnswer(FailureClass.THROTTLE, "AMPLITUDE_THROTTLED", message, status)
