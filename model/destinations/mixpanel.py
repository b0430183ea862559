"""Mixpanel: product analytics. Events by its Import API, profiles of users and groups by /engage and /groups.

Endpoints: ``POST /import?strict=1``, ``/engage`` and ``/groups`` at api.mixpanel.com, in the EU at api-eu, in India at
api-in. Imports authenticate by Basic auth with the project token as the user name, or with a service account and its
project_id; profile updates carry the project token as ``$token``.

The payload decides the endpoint: ``{"event", "properties"}`` is imported, ``{"$group_key", "$group_id",
"$set"}`` updates a group, ``{"$distinct_id", "$set"}`` a user. A request carries only one of these kinds.

Default mappings: a track call is an event of its name; a page or screen call is "Viewed <name>"; identify sets the
user's profile by the traits of the call and of its context; group sets the group's profile under the group key
``$group_id``; alias is a ``$create_alias`` event, which projects with Simplified ID Merge ignore. Events carry
``$user_id`` and ``$device_id`` (the anonymous id), by which these projects merge ids. Every event carries the
delivery's key as ``$insert_id``, unless the mapping gives one, so that repeated requests do not count twice.
``properties.time`` may be any date. An event without context.ip is sent with an empty address, because Mixpanel
would otherwise locate the user at this machine. What Mixpanel adds up (``$add`` and ``$amount`` of ``$transactions``)
must be a number or a numeric text; other properties are not converted.

Batching: up to 2,000 records. Mixpanel accepts 10 MB; Waybill sends at most 2 MB in a request, which is enough for
2,000 usual events. Mixpanel recommends 10 to 20 concurrent requests.

Responses: 200 accepts everything. 400 lists the refused records in ``failed_records`` and accepts the rest; if its
count does not confirm that, the batch is split and sent again, which ``$insert_id`` makes safe. A 200 may refuse
profile updates (``{"status": 0, "error": …}``). A 200 for several records, or for updates, is therefore a failure when
its body cannot be read.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import Field

from model.config.env_string import EnvString, require
from model.config.fields import HeaderValue, Secret, Url
from model.config.section import Section
from model.destinations.default_mappings import TRAITS, first, merged, trait, viewed
from model.destinations.destination import BatchLimits, DefaultMapping, HttpDestination, Item, ItemAnswer
from model.destinations.multi_status import MISSING, Unread, is_position, parsed, unreadable
from model.destinations.signing import basic_authorization
from model.http.failure import FailureClass, partner_message
from model.http.failure_rules import FailureRule
from model.http.messages import HttpRequest, HttpResponse
from model.mapping.fields import FieldSpec, PayloadInvalid, PayloadProblem
from model.mapping.times import read_moment_ms
from model.mapping.values import is_empty
from model.reason_codes.reason import Reason, reason_table

_LINK = "https://docs.mixpanel.com/reference/import-events"
_HOSTS = {"us": "https://api.mixpanel.com", "eu": "https://api-eu.mixpanel.com", "in": "https://api-in.mixpanel.com"}
_IMPORT, _ENGAGE, _GROUPS = "/import?strict=1", "/engage?strict=1&verbose=1&ip=0", "/groups?strict=1&verbose=1"
_TAKEN = ItemAnswer(FailureClass.DELIVERED)


_DISTINCT_ID = first("$.userId", "$.anonymousId")
_IP = first("$.context.ip", "0")
_OF_EVERY_EVENT: Mapping[str, Any] = {
    "time": first("$.timestamp"),
    "distinct_id": _DISTINCT_ID,
    "$user_id": first("$.userId"),
    "$device_id": first("$.anonymousId"),
    "ip": _IP,
    "$app_build_number": first("$.context.app.build"),
    "$app_version_string": first("$.context.app.version"),
    "$os": first("$.context.os.name"),
    "$os_version": first("$.context.os.version"),
    "$manufacturer": first("$.context.device.manufacturer"),
    "$model": first("$.context.device.model"),
    "$carrier": first("$.context.network.carrier"),
    "$screen_height": first("$.context.screen.height"),
    "$screen_width": first("$.context.screen.width"),
    "$current_url": first("$.context.page.url"),
    "$referrer": first("$.context.page.referrer"),
    "mp_lib": first("$.context.library.name"),
    "$lib_version": first("$.context.library.version"),
    "$group_id": first("$.context.groupId"),
    "utm_source": first("$.context.campaign.source"),
    "utm_medium": first("$.context.campaign.medium"),
    "utm_campaign": first("$.context.campaign.name"),
    "utm_term": first("$.context.campaign.term"),
    "utm_content": first("$.context.campaign.content"),
}
_PERSON: Mapping[str, Any] = {
    "$email": trait("email"),
    "$name": trait("name"),
    "$first_name": trait("firstName"),
    "$last_name": trait("lastName"),
    "$phone": trait("phone"),
    "$avatar": trait("avatar"),
    "$created": trait("createdAt"),
}
_MAPPINGS: Mapping[str, Mapping[str, Any]] = {
    "track": {"event": first("$.event"), "properties": merged("$.properties", _OF_EVERY_EVENT)},
    "page": {"event": viewed("Page"), "properties": merged("$.properties", _OF_EVERY_EVENT)},
    "screen": {"event": viewed("Screen"), "properties": merged("$.properties", _OF_EVERY_EVENT)},
    "identify": {"$distinct_id": _DISTINCT_ID, "$ip": _IP, "$set": merged(TRAITS, _PERSON)},
    "group": {
        "$group_key": "$group_id",
        "$group_id": first("$.groupId"),
        "$set": merged("$.traits", {"$name": first("$.traits.name")}),
    },
    "alias": {
        "event": "$create_alias",
        "properties": {
            "time": first("$.timestamp"),
            "distinct_id": first("$.previousId", "$.anonymousId"),
            "alias": first("$.userId"),
        },
    },
}


_ANY = FieldSpec(allow_null=True, allow_empty=True)
_TRANSACTION = FieldSpec("object", properties={"$amount": FieldSpec("number")}, others=_ANY)
# The required field of each endpoint.
_REQUIRED: Mapping[str, str] = {_IMPORT: "event", _GROUPS: "$group_id", _ENGAGE: "$distinct_id"}


_BaseUrl = Annotated[
    Url,
    require(
        lambda url: "?" not in url.value,
        "the URL has a query ('?…')",
        "Leave it out: Waybill adds /import, /engage and /groups to the URL",
    ),
]


class ServiceAccount(Section):
    """A service account of Mixpanel, an owner or admin of the project."""

    username: HeaderValue
    """Its user name."""
    secret: Secret
    """Its secret. Only as ${NAME}."""
    project_id: int = Field(ge=1)
    """The number of the project."""


_REASONS = reason_table(
    link=_LINK,
    table="""
error, source
    MIXPANEL_RECORD_INVALID | Mixpanel reports that the event or profile update is invalid; the message names the field.
        | Correct the events where they are sent, or the mapping; then redrive. Ids such as 'null' or 'anonymous', times
        before 1971 or more than an hour ahead, and deeply nested properties are refused.
""",
)


class MixpanelDestination(HttpDestination):
    """Mixpanel: product analytics."""

    title: ClassVar[str] = "Mixpanel"
    integration_names: ClassVar[tuple[str, ...]] = ("Actions Mixpanel", "Mixpanel (Actions)")
    link: ClassVar[str] = _LINK
    default_mappings: ClassVar[tuple[DefaultMapping, ...]] = tuple(
        DefaultMapping(name=name, trigger=f'type = "{name}"', mapping=mapping) for name, mapping in _MAPPINGS.items()
    )
    payload_fields: ClassVar[Mapping[str, FieldSpec]] = {
        **{name: FieldSpec("string") for name in ("event", "$distinct_id", "$group_key", "$group_id", "$ip")},
        **{name: FieldSpec("object") for name in ("properties", "$set", "$set_once", "$union", "$remove")},
        "$add": FieldSpec("object", properties={}, others=FieldSpec("number")),
        "$append": FieldSpec("object", properties={"$transactions": _TRANSACTION}, others=_ANY),
        "$unset": FieldSpec("string", multiple=True),
    }
    batch_limits: ClassVar[BatchLimits] = BatchLimits(max_events=2_000, max_bytes=1_900_000)
    answers_by_item: ClassVar[bool] = True
    failure_rules: ClassVar[tuple[FailureRule, ...]] = (
        FailureRule(status=400, failure=FailureClass.DISCARD, reason="MIXPANEL_RECORD_INVALID"),
    )
    reasons: ClassVar[tuple[Reason, ...]] = _REASONS

    type: Literal["mixpanel"]
    """mixpanel: events and profiles to Mixpanel."""
    project_token: Secret
    """Token of the Mixpanel project. Only as ${NAME}."""
    service_account: ServiceAccount | None = None
    """Authenticates imports instead of the project token."""
    region: Literal["us", "eu", "in"] = "us"
    """Where the project's data is kept: us, eu or in (India)."""
    url: _BaseUrl | None = None
    """An address to use instead of Mixpanel's, without /import, such as a proxy or a test server."""
    concurrency: int = Field(default=16, ge=1, le=1024)
    """Most concurrent calls."""

    @property
    def reads_bodies(self) -> bool:
        """A response with status 200 may refuse profile updates."""
        return True

    @property
    def endpoint(self) -> EnvString:
        """The address of the API, in the region of the project; the paths come after it."""
        return self.url or EnvString.constant(_HOSTS[self.region])

    def finish(self, payload: dict[str, Any]) -> dict[str, Any]:
        """See `HttpDestination.finish`. A record must name its event or its profile."""
        finished = super().finish(payload)
        required = _REQUIRED[self.batch_key(finished)]
        if required not in finished:
            raise PayloadInvalid([PayloadProblem((required,), "is required and is missing or empty")])
        return finished

    def batch_key(self, payload: dict[str, Any] | None) -> str:
        """Events, users and groups have separate endpoints."""
        if payload is None or "event" in payload or "properties" in payload:
            return _IMPORT
        return _GROUPS if "$group_key" in payload else _ENGAGE

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build the request to the endpoint of its items, with the secrets in the place that it requires."""
        path = self.batch_key(items[0].payload)
        address = self.endpoint.value.rstrip("/") + path
        token = self.project_token.value
        if path != _IMPORT:
            updates = [{**item.fields, "$token": token} for item in items]
            return self.json_request(items, orjson.dumps(updates), url=address)
        user, account = f"{token}:", self.service_account
        if account is not None:
            user = f"{account.username.value}:{account.secret.value}"
            address += f"&project_id={account.project_id}"
        headers = {"authorization": basic_authorization(user)}
        events = [_event(item, token) for item in items]
        return self.json_request(items, orjson.dumps(events), url=address, headers=headers)

    def read(self, response: HttpResponse, items: Sequence[Item]) -> Sequence[ItemAnswer | None] | None:
        """The named records were refused; the others were accepted if the reported count agrees."""
        success = response.status // 100 == 2
        if not success and response.status != 400:
            return None
        said = parsed(response)
        if isinstance(said, Unread):
            # A 200 accepts a single import whatever its body; for several records or updates the body decides.
            by_body = len(items) > 1 or self.batch_key(items[0].payload) != _IMPORT
            silent = not response.body and not response.body_fault
            return unreadable(said, len(items)) if success and by_body and not silent else None
        if success and _took_nothing(said):
            return [_refused(said)] * len(items)
        if not isinstance(said, dict):
            return None
        failed = _failed(said, len(items))
        taken = said.get("num_records_imported", said.get("num_good_events"))
        if len(failed) == len(items) or (failed and taken == len(items) - len(failed)):
            return [failed.get(index, _TAKEN) for index in range(len(items))]
        if success and (failed or (isinstance(taken, int) and taken < len(items))):
            return [failed.get(index, MISSING) for index in range(len(items))]
        return None


def _event(item: Item, token: str) -> dict[str, Any]:
    event = item.fields
    found = event.get("properties")
    given = found if isinstance(found, dict) else {}
    # Without a distinct_id Mixpanel derives one from this machine's address; '' means that there is no user.
    ids = {"distinct_id": "", "$insert_id": item.key}
    properties = given | {name: text for name, text in ids.items() if is_empty(given.get(name))}
    moment_ms = read_moment_ms(properties.get("time"))
    if moment_ms is not None:
        properties["time"] = moment_ms
    if event.get("event") == "$create_alias":
        properties["token"] = token
    return {**event, "properties": properties}


def _took_nothing(said: Any) -> bool:
    """Profile updates: 0 or ``{"status": 0}`` when all were refused, 1 or ``{"status": 1}`` otherwise."""
    status = said.get("status") if isinstance(said, dict) else said
    return isinstance(status, int) and status == 0


def _failed(said: dict[str, Any], count: int) -> dict[int, ItemAnswer]:
    """Return the results of the refused records, by position."""
    records = said.get("failed_records")
    failed: dict[int, ItemAnswer] = {}
    for record in records if isinstance(records, list) else ():
        index = record.get("index") if isinstance(record, dict) else None
        if is_position(index, count):
            failed.setdefault(index, _refused(record))
    return failed


def _refused(said: Any) -> ItemAnswer:
    message = partner_message({}, orjson.dumps(said)) if isinstance(said, dict) else ""
    return ItemAnswer(FailureClass.DISCARD, "MIXPANEL_RECORD_INVALID", message, 400)
