"""The base of every destination: its settings, requests made from deliveries, and results read from responses.

A destination type is one class in one file of this package. Class variables describe it, fields are its settings in
the workspace file, `request` builds the request and `read` reads the result of each item. Pure.
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
    """One delivery as part of a request. ``payload``: the result of the mapping; None to send the event unchanged.

    ``key`` is the same in every call for the delivery, redrives included, so that partners can deduplicate.
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
    """The result of one item in a response. ``code`` '' when delivered; ``message``: the destination's.

    ``status``: the item's HTTP status, which failure rules may classify differently. ``resend``: refused only because
    of other items of the request, and sent again without them; the other fields are then unused.
    """

    failure: FailureClass
    code: str = ""
    message: str = ""
    status: int = 0
    resend: bool = False


RESEND = ItemAnswer(FailureClass.RETRY, resend=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Limits of one request; ``max_age_seconds``: default wait of the first event for others."""

    max_events: int
    max_bytes: int
    max_age_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultMapping:
    """A mapping used when a connection has none."""

    name: str
    trigger: str
    mapping: Mapping[str, Any]


class BatchConfig(Section):
    """Several events in one request. Defaults and upper limits are those of the destination."""

    max_events: int = Field(default=1_000_000, ge=1)
    """Most events in one request; 1 sends single events."""
    max_bytes: int = Field(default=1 << 30, ge=1_024)
    """Most bytes of one request."""
    max_age_seconds: float | None = Field(default=None, gt=0, le=60)
    """How long the first event of a request waits for others."""


class BreakerConfig(Section):
    """The circuit breaker: when sending stops for a while because too many calls fail or are slow."""

    enabled: bool = True
    """false: it never opens."""
    failure_ratio: float = Field(default=0.5, gt=0, le=1)
    """Open when at least this share of the last calls failed."""
    slow_seconds: float | None = Field(default=None, gt=0, le=60)
    """A call longer than this counts as slow. Not given: 80 % of the timeout."""
    slow_ratio: float = Field(default=0.9, gt=0, le=1)
    """Open when at least this share of the last calls was slow."""
    min_calls: int = Field(default=20, ge=1, le=10_000)
    """Fewer calls than this within the window never open it."""
    window_seconds: float = Field(default=30, gt=0, le=600)
    """The window of the calls that count."""
    pause_seconds: float = Field(default=10, gt=0, le=600)
    """How long it stays open before probes with single calls; doubled after each failed probe, up to 5 minutes."""


class Destination(Section):
    """The settings of every destination."""

    id: Slug
    """Short name used in reports and connections: lower-case letters, digits, '_' and '-'."""
    was: FormerIds = ()
    """Its former ids: deliveries that wait for them are sent here."""
    name: Name = ""
    """Name for people; not given: the id."""
    enabled: bool = True
    """false: nothing is sent; deliveries are filtered."""


class HttpDestination(Destination):
    """A destination Waybill delivers to. Subclasses describe themselves in class variables."""

    title: ClassVar[str]
    """Its name for people and in an event's `integrations` object."""
    integration_names: ClassVar[tuple[str, ...]] = ()
    """Other names for it in an event's `integrations` object."""
    link: ClassVar[str] = ""
    """Where its API is documented."""
    supported_types: ClassVar[frozenset[str]] = CALL_TYPES
    default_mappings: ClassVar[tuple[DefaultMapping, ...]] = ()
    """Not given: the event is sent unchanged."""
    payload_fields: ClassVar[Mapping[str, FieldSpec]] = {}
    """What a mapped payload must look like; see `model.mapping.fields`."""
    batch_limits: ClassVar[BatchLimits | None] = None
    """None: one event a request."""
    failure_rules: ClassVar[tuple[FailureRule, ...]] = ()
    """Rules where its responses differ from the usual classification."""
    reasons: ClassVar[tuple[Reason, ...]] = ()
    """Explanations of the codes of this type."""
    answers_by_item: ClassVar[bool] = False
    """Whether its responses may have a result per item; raises the read limit."""

    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """Limit of the whole call, from connecting to the last byte of the response."""
    concurrency: int = Field(default=64, ge=1, le=1024)
    """Most concurrent calls."""
    calls_per_second: float | None = Field(default=None, gt=0, le=100_000)
    """Most calls started in a second. Not given: no limit."""
    use_proxy: bool = True
    """false: called directly, without `delivery.proxy`."""
    batch: BatchConfig = BatchConfig()
    """Several events in one request, where the destination accepts that."""
    breaker: BreakerConfig = BreakerConfig()
    """When to stop sending for a while."""
    failures: Annotated[tuple[FailureRuleConfig, ...], Field(max_length=100)] = ()
    """Rules that classify responses of this destination; the first match wins, before the usual classification."""

    def finish(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Convert the result of a mapping to the destination's format. Raises PayloadInvalid when the destination would
        refuse it.

        Some destinations silently drop invalid payloads; this check reports them.
        """
        return finish(payload, self.payload_fields)

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build one request for items of one `batch_key`, within `batch_limits`. Contains secrets."""
        raise NotImplementedError

    def read(self, response: HttpResponse, items: Sequence[Item]) -> Sequence[ItemAnswer | None] | None:
        """Read the result of each item, by position. None for the response or for an item: the HTTP status decides.

        If results per item are expected and cannot be read, return `model.destinations.multi_status.unreadable`.
        """
        return None

    @property
    def reads_bodies(self) -> bool:
        """Whether the body may change the class of a response, also for a single event."""
        return any(rule.body for rule in self.failures) or any(rule.body for rule in self.failure_rules)

    def test_request(self, items: Sequence[Item], now_ms: int) -> HttpRequest | None:
        """Build the request to the destination's validation service, which stores nothing; None without one."""
        return None

    def validation(self, response: HttpResponse) -> list[str]:
        """The errors found by the validation service, a sentence each."""
        return []

    def batch_key(self, payload: dict[str, Any] | None) -> str:
        """Only items with the same key may share a request."""
        return ""

    @property
    def endpoint(self) -> EnvString:
        """Its address."""
        raise NotImplementedError

    @property
    def origin(self) -> str:
        """Scheme, host and port as written: paths and queries of webhooks are often secrets themselves."""
        scheme, separator, rest = self.endpoint.raw.partition("://")
        return scheme + separator + rest.split("/", 1)[0].split("?", 1)[0]

    def batching(self) -> BatchLimits:
        """The limits of one request: the smaller of the type's and the workspace's."""
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

        Every call for the same items carries the same key, also after failures.
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
