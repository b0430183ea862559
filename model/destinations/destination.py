"""What every destination is: settings a person writes, requests made of deliveries, answers read item by item.

A destination type is one class in one file of this package. Class variables describe it, fields are its settings in
the workspace file, `request` makes the call and `read` finds the items in the answer. All of it is pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import orjson
from pydantic import Field

from model.config.env_string import EnvString
from model.config.fields import FormerIds, Name, Slug
from model.config.section import Section
from model.events.ids import request_key
from model.events.validation import CALL_TYPES
from model.http.failure import FailureClass
from model.http.failure_rules import FailureRule, FailureRuleConfig
from model.http.messages import RESPONSE_BODY_LIMIT_BYTES, HttpRequest, HttpResponse, read_limit_bytes
from model.mapping.fields import FieldSpec, finish
from model.reason_codes.catalogue import Reason
from model.version import VERSION

USER_AGENT = f"Waybill/{VERSION}"


class Item(msgspec.Struct, frozen=True):
    """One delivery as part of a request. ``payload``: what the mapping made; None when the event goes as it is.

    ``key`` is the same in every call for the delivery, redrives included: partners recognise repetitions by it.
    """

    key: str
    event: bytes
    payload: dict[str, Any] | None = None

    @property
    def json(self) -> bytes:
        """The payload encoded, or the event's own bytes."""
        return self.event if self.payload is None else orjson.dumps(self.payload)

    @property
    def fields(self) -> dict[str, Any]:
        """The payload, or the fields of the event."""
        if self.payload is not None:
            return self.payload
        event = orjson.loads(self.event)
        return event if isinstance(event, dict) else {}


@dataclass(frozen=True, slots=True)
class ItemAnswer:
    """What an answer says of one item of a request. ``code`` '' when delivered; ``message`` in the partner's words.

    ``status``: an HTTP status of its own, which the destination's rules about answers may see otherwise. ``resend``: it
    was refused only for others of the request, and is sent again without them; the rest then says nothing.
    """

    failure: FailureClass
    code: str = ""
    message: str = ""
    status: int = 0
    resend: bool = False


RESEND = ItemAnswer(FailureClass.RETRY, resend=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """The most one request takes; ``max_age_seconds``: how long by default the first event waits for others."""

    max_events: int
    max_bytes: int
    max_age_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultMapping:
    """A mapping used when a connection brings none of its own."""

    name: str
    trigger: str
    mapping: Mapping[str, Any]


class BatchConfig(Section):
    """Several events in one request. What is left out, or above what the destination takes, is what it takes."""

    max_events: int = Field(default=1_000_000, ge=1)
    """Events in one request at most; 1 sends each by itself."""
    max_bytes: int = Field(default=1 << 30, ge=1_024)
    """Bytes of one request at most."""
    max_age_seconds: float | None = Field(default=None, gt=0, le=60)
    """How long the first event of a request waits for others."""


class BreakerConfig(Section):
    """When sending to a destination stops for a while because too many calls fail or take too long."""

    enabled: bool = True
    """false: it never stops."""
    failure_ratio: float = Field(default=0.5, gt=0, le=1)
    """Open when at least this share of the last calls failed."""
    slow_seconds: float | None = Field(default=None, gt=0, le=60)
    """A call longer than this counts as slow. Not given: 80 % of the timeout."""
    slow_ratio: float = Field(default=0.9, gt=0, le=1)
    """Open when at least this share of the last calls was slow."""
    min_calls: int = Field(default=20, ge=1, le=10_000)
    """Fewer calls than this within the window never open it."""
    window_seconds: float = Field(default=30, gt=0, le=600)
    """Calls of this time are judged."""
    pause_seconds: float = Field(default=10, gt=0, le=600)
    """How long it stays open before single calls try again; doubled each time they fail, up to 5 minutes."""


class Destination(Section):
    """What every destination has."""

    id: Slug
    """Short name used in reports and connections: lower-case letters, digits, '_' and '-'."""
    was: FormerIds = ()
    """The id it had before, or several: what waits for that one is sent here."""
    name: Name = ""
    """Name for people; not given: the id."""
    enabled: bool = True
    """false: nothing is sent; deliveries are filtered."""


class HttpDestination(Destination):
    """A destination Waybill delivers to. Subclasses describe themselves in class variables."""

    title: ClassVar[str]
    """Its name for people and in an event's `integrations` object."""
    integration_names: ClassVar[tuple[str, ...]] = ()
    """Other names an event's `integrations` object may call it by."""
    link: ClassVar[str] = ""
    """Where its API is documented."""
    supported_types: ClassVar[frozenset[str]] = CALL_TYPES
    default_mappings: ClassVar[tuple[DefaultMapping, ...]] = ()
    """None: the whole event goes as it is."""
    payload_fields: ClassVar[Mapping[str, FieldSpec]] = {}
    """What a mapped payload must look like; see `model.mapping.fields`."""
    batch_limits: ClassVar[BatchLimits | None] = None
    """None: one event a request."""
    failure_rules: ClassVar[tuple[FailureRule, ...]] = ()
    """Where its answers mean something else than the same status usually does."""
    reasons: ClassVar[tuple[Reason, ...]] = ()
    """Explanations of codes only it gives."""
    answers_by_item: ClassVar[bool] = False
    """Whether its answers may speak of single items; as much of them is read as that takes."""

    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """The whole call, from connecting to the last byte of the answer."""
    concurrency: int = Field(default=64, ge=1, le=1024)
    """Calls under way at the same time at most."""
    calls_per_second: float | None = Field(default=None, gt=0, le=100_000)
    """Calls begun in a second at most. Not given: no limit."""
    use_proxy: bool = True
    """false: called directly, past `delivery.proxy`; for what this machine reaches by itself."""
    batch: BatchConfig = BatchConfig()
    """Several events in one request, where the destination takes that."""
    breaker: BreakerConfig = BreakerConfig()
    """When to stop for a while."""
    failures: Annotated[tuple[FailureRuleConfig, ...], Field(max_length=100)] = ()
    """What answers mean here, first match first, before the usual meaning."""

    def finish(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Bring what a mapping made into the form the partner takes. Raises PayloadInvalid when it would not take it.

        For partners that drop without a word what they do not take, this is where somebody is told.
        """
        return finish(payload, self.payload_fields)

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Make one call for items of one `batch_key`, at most as many as `batch_limits` say. Holds secrets."""
        raise NotImplementedError

    def read(self, response: HttpResponse, items: Sequence[Item]) -> Sequence[ItemAnswer | None] | None:
        """Find what a response says of each item, by position. None for the whole or for an item: its status counts.

        A response that says it and cannot be read is `model.destinations.multi_status.unreadable`: never a success.
        """
        return None

    @property
    def reads_bodies(self) -> bool:
        """Whether the body of an answer may change what it means, for an event sent by itself too."""
        return any(rule.body for rule in self.failures) or any(rule.body for rule in self.failure_rules)

    def test_request(self, items: Sequence[Item], now_ms: int) -> HttpRequest | None:
        """Make the call to the partner's validation service, which stores nothing; None when there is none."""
        return None

    def validation(self, response: HttpResponse) -> list[str]:
        """What the validation service finds wrong, a sentence each; nothing when all is well."""
        return []

    def batch_key(self, payload: dict[str, Any] | None) -> str:
        """Only items with the same key may share a request."""
        return ""

    @property
    def endpoint(self) -> EnvString:
        """Where it is reached."""
        raise NotImplementedError

    @property
    def origin(self) -> str:
        """Scheme, host and port as written: paths and queries of webhooks are often secrets themselves."""
        scheme, separator, rest = self.endpoint.raw.partition("://")
        return scheme + separator + rest.split("/", 1)[0].split("?", 1)[0]

    def secret_values(self) -> frozenset[str]:
        """Return every text of its settings that came from the environment, for redaction."""
        return frozenset().union(
            *(text.secrets for name in type(self).model_fields for text in _texts(getattr(self, name)))
        )

    def batching(self) -> BatchLimits:
        """What one request takes, by the type's limits and the workspace's wishes."""
        limits = self.batch_limits or BatchLimits(max_events=1, max_bytes=1 << 30, max_age_seconds=0)
        age_seconds = self.batch.max_age_seconds
        return BatchLimits(
            max_events=min(self.batch.max_events, limits.max_events),
            max_bytes=min(self.batch.max_bytes, limits.max_bytes),
            max_age_seconds=limits.max_age_seconds if age_seconds is None else age_seconds,
        )

    def json_request(
        self,
        items: Sequence[Item],
        body: bytes,
        *,
        url: str,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """Make a call with a JSON body. ``headers`` win over the usual ones, except for the Idempotency-Key.

        Every call for the same items carries the same key, whatever has failed in between.
        """
        named = {"content-type": "application/json", "user-agent": USER_AGENT}
        named |= {name.lower(): value for name, value in (headers or {}).items()}
        named["idempotency-key"] = request_key([item.key for item in items])
        by_item = self.answers_by_item and len(items) > 1
        return HttpRequest(
            method=method,
            url=url,
            headers=named,
            body=body,
            timeout_seconds=self.timeout_seconds,
            read_limit_bytes=read_limit_bytes(len(items)) if by_item else RESPONSE_BODY_LIMIT_BYTES,
            needs_body=by_item or self.reads_bodies,
            direct=not self.use_proxy,
        )


def _texts(value: Any) -> list[EnvString]:
    if isinstance(value, EnvString):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, tuple | list):
        return [text for inner in value for text in _texts(inner)]
    if isinstance(value, Section):
        return [text for name in type(value).model_fields for text in _texts(getattr(value, name))]
    return []
