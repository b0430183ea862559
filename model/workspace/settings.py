"""How a deployment runs, section by section of the workspace file: topics, store, ingest, delivery, retention,
redaction."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, StrictBool, StrictInt, WithJsonSchema

from model.config.env_string import EnvString, config_error, refers_to_environment, require
from model.config.fields import AnyHeaderName
from model.config.patterns import PATTERN_LIMIT_CHARS, compile_pattern
from model.config.section import Section
from model.delivery.retry_policy import RetryPolicy
from model.redaction.detectors import plain_name
from model.redaction.redactor import RedactionRules

KIB = 1024
MIB = 1024 * KIB
DAY_SECONDS = 86_400
_SQLITE = re.compile(r"sqlite:///.+")
_KAFKA = re.compile(
    r"kafka://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}(?:,(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5})*"
    r"(?:/[A-Za-z0-9._-]{0,100})?"
)
# What may be set of the client library. All the rest decides whether records are lost, and is not for choosing.
_SETTABLE = tuple("security.protocol sasl. ssl. enable.ssl. enable.sasl. socket. broker.address. client.".split())
_SECRET = re.compile(r"password|secret|\.pem$|sasl\.oauthbearer\.config")


def _check_store_url(url: EnvString) -> EnvString:
    try:
        parts, written = urlsplit(url.value), urlsplit(url.raw)
        usable = bool(parts.path.strip("/")) if parts.scheme == "chdb" else bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in {"chdb", "http", "https"}:
        raise config_error(
            "this is no store URL", "Write chdb:///directory, or http(s)://user:${PASSWORD}@host:8123/database"
        )
    if written.password and not refers_to_environment(written.password):
        raise config_error("the password is written in the file", "Secrets only as ${NAME}: write user:${NAME}@host")
    return url


def _check_proxy(url: EnvString) -> EnvString:
    try:
        parts, written = urlsplit(url.value), urlsplit(url.raw)
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        usable = usable and not (parts.path.strip("/") or parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable or not url.value.isascii() or not url.value.isprintable() or " " in url.value:
        raise config_error("this is no http proxy", "Write http://host:port, or http://user:${PASSWORD}@host:port")
    if written.password and not refers_to_environment(written.password):
        raise config_error("the password is written in the file", "Secrets only as ${NAME}: write user:${NAME}@host")
    return url


def _network(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise config_error(
            "this is no IP address or network", "Write an address or the first of a network, such as 10.0.0.0/8"
        ) from None


Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(_network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "description": "An IP address, or a network such as 10.0.0.0/8."}),
]


_TopicsUrl = Annotated[
    str,
    Field(max_length=1024),
    require(
        lambda url: _SQLITE.fullmatch(url) or _KAFKA.fullmatch(url),
        "this is no topics URL",
        "Write sqlite:///relative/directory, sqlite:////absolute/directory or kafka://host:9092,host:9092/prefix",
    ),
]
Setting = EnvString | StrictInt | StrictBool


def _check_settings(settings: dict[str, Setting]) -> dict[str, Setting]:
    for name, value in settings.items():
        if not name.startswith(_SETTABLE):
            raise config_error(
                f"{name[:100]!r} is not for choosing", f"Only settings that begin with {', '.join(_SETTABLE)}"
            )
        if isinstance(value, EnvString) and _SECRET.search(name) and not refers_to_environment(value.raw):
            raise config_error(
                f"{name} is a secret written in the file", "Secrets only as ${NAME}, with NAME in the environment"
            )
    return settings


class TopicsConfig(Section):
    """Where events, retries, facts and dead letters are kept."""

    url: _TopicsUrl | None = None
    """sqlite:///relative/directory, sqlite:////absolute/directory, or kafka://host:9092,host:9092/prefix for Apache
    Kafka (topics prefix.events and so on; the prefix is "waybill" if none is given).
    Not given: SQLite under the data directory."""
    partitions: int = Field(default=2, ge=1, le=64)
    """Partitions of every topic. They cannot be changed once the topics exist."""
    fsync: bool = False
    """SQLite: wait for the disk before answering success, so that accepted events survive loss of power too."""
    replication: int | None = Field(default=None, ge=1, le=32)
    """Kafka: replicas of each topic. Not given: as the brokers have it."""
    kafka: Annotated[dict[str, Setting], AfterValidator(_check_settings)] = {}
    """Kafka: settings of librdkafka for TLS and SASL, such as security.protocol, sasl.mechanism, sasl.username,
    sasl.password and ssl.ca.location; secrets only as ${NAME}."""

    def kafka_settings(self) -> dict[str, str | int | bool]:
        """The settings with their secrets, for the client library alone."""
        return {name: value.value if isinstance(value, EnvString) else value for name, value in self.kafka.items()}

    @property
    def on_kafka(self) -> bool:
        """Whether the topics are on brokers."""
        return self.url is not None and self.url.startswith("kafka:")


class StoreConfig(Section):
    """Where outcomes and counts are kept for reports."""

    url: Annotated[EnvString, AfterValidator(_check_store_url)] | None = None
    """chdb:///directory, or http(s)://user:${PASSWORD}@host:8123/database for a ClickHouse server.
    Not given: chDB under the data directory."""
    cluster: str | None = Field(default=None, min_length=1, max_length=255)
    """The ClickHouse cluster whose replicas keep the tables (one shard); as the server's configuration names it."""


class IngestConfig(Section):
    """Where apps and SDKs send their events."""

    host: str = Field(default="127.0.0.1", min_length=1, max_length=255)
    """Address to listen on; 0.0.0.0 for every network of the machine."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes any free one."""
    max_requests_per_second: int | None = Field(default=None, ge=1)
    """Requests above this are answered 429 with Retry-After. Not given: no limit."""
    max_request_bytes: int = Field(default=500 * KIB, ge=KIB, le=16 * MIB)
    """A request may be this large, decompressed; 512000 is Segment's limit."""
    max_items: int = Field(default=2_500, ge=1, le=100_000)
    """A batch may hold so many events; 2500 is Segment's limit."""
    max_event_bytes: int = Field(default=32 * KIB, ge=KIB, le=MIB // 2)
    """An event may be this large as JSON; 32768 is Segment's limit."""
    trusted_proxies: Annotated[tuple[Network, ...], Field(max_length=100)] = ()
    """Networks of the load balancers and reverse proxies in front, whose X-Forwarded-For, X-Forwarded-Proto and
    Forwarded are believed: context.ip is then the client's address. Not given: these headers are ignored."""


class DeliveryConfig(Section):
    """How deliveries are made and repeated."""

    attempts: int = Field(default=10, ge=1, le=100)
    """Calls made for one delivery at most; throttling and setup failures do not count."""
    window_seconds: float = Field(default=14_400, gt=0, le=30 * DAY_SECONDS)
    """A delivery that has not succeeded this long after it was first read expires."""
    first_wait_seconds: float = Field(default=45, gt=0, le=DAY_SECONDS)
    """Wait after the first failed call."""
    wait_factor: float = Field(default=2, ge=1, le=10)
    """Each wait is this many times the one before."""
    max_wait_seconds: float = Field(default=3_600, gt=0, le=DAY_SECONDS)
    """No wait is longer."""
    jitter: float = Field(default=0.2, ge=0, le=1)
    """0.2 spreads a wait over 80 % to 120 % of itself."""
    setup_probe_seconds: float = Field(default=60, gt=0, le=3_600)
    """How often a destination that refuses us (401, 403, unknown host, bad TLS) is tried again."""
    max_in_flight_deliveries: int = Field(default=2_000, ge=1, le=1_000_000)
    """Deliveries that one process has read and not finished; with as many it stops reading."""
    max_in_flight_bytes: int = Field(default=16 * MIB, ge=MIB)
    """Bytes of the events of deliveries that one process has read and not finished; with as many it stops reading."""
    max_wait_in_queue_seconds: float = Field(default=30, gt=0, le=3_600)
    """A delivery that waited this long for its turn goes back to a retry topic."""
    keep_removed_seconds: float = Field(default=30, ge=0, le=DAY_SECONDS)
    """How long what waits for a connection that was removed or disabled is kept, in case the change was a mistake."""
    shards: int = Field(default=4, ge=1, le=64)
    """Destinations are spread over this many shards."""
    duplicate_window_seconds: int = Field(default=DAY_SECONDS, ge=1, le=30 * DAY_SECONDS)
    """The same messageId from the same source within this time is a duplicate."""
    allow_addresses: tuple[Network, ...] = ()
    """Private, loopback and link-local networks that destinations may be reached at; all others are refused."""
    proxy: Annotated[EnvString, AfterValidator(_check_proxy)] | None = None
    """http://host:port or http://user:${PASSWORD}@host:port (percent-encoded) of an http proxy that calls go through:
    https by CONNECT. Waybill still resolves and checks the hosts itself. Not given: called directly."""
    ca_file: str | None = Field(default=None, min_length=1, max_length=4_096)
    """A PEM file of certificate authorities to trust besides the system's; a relative path begins where Waybill is
    started. Read at the start."""

    def retry_policy(self) -> RetryPolicy:
        """Return the schedule of attempts, in ms."""
        return RetryPolicy(
            attempts=self.attempts,
            window_ms=round(self.window_seconds * 1000),
            first_wait_ms=round(self.first_wait_seconds * 1000),
            wait_factor=self.wait_factor,
            max_wait_ms=round(self.max_wait_seconds * 1000),
            jitter=self.jitter,
        )


class StoreRetention(Section):
    """How long the store keeps the data of reports."""

    facts_days: int = Field(default=30, ge=1, le=3650)
    """Every event, attempt and outcome."""
    samples_days: int = Field(default=14, ge=1, le=3650)
    """Redacted payloads of some attempts."""
    minutes_days: int = Field(default=90, ge=1, le=3650)
    """Counts by the minute."""
    hours_days: int = Field(default=400, ge=1, le=3650)
    """Counts by the hour."""
    alerts_days: int = Field(default=400, ge=1, le=3650)
    """Alert events and notifications."""


class RetentionConfig(Section):
    """How long everything is kept: the topics in seconds, the store in days."""

    events_seconds: int = Field(default=7 * DAY_SECONDS, ge=3_600)
    """Events as received; 604800 is 7 days."""
    retries_seconds: int = Field(default=7 * DAY_SECONDS, ge=3_600)
    """Deliveries waiting for another attempt; at least delivery.window_seconds + 24 hours."""
    outcomes_seconds: int = Field(default=3 * DAY_SECONDS, ge=3_600)
    """Facts on their way to the store; 259200 is 3 days."""
    dead_letters_seconds: int = Field(default=30 * DAY_SECONDS, ge=3_600)
    """Events that could not be delivered; 2592000 is 30 days."""
    minutes_seconds: int = Field(default=7 * DAY_SECONDS, ge=3_600)
    """Closed minutes, for alerting."""
    store: StoreRetention = StoreRetention()
    """What the store keeps."""


class DiskConfig(Section):
    """What may be used of the disk."""

    topics_budget_bytes: int | None = Field(default=None, ge=16 * MIB)
    """All topics together; above it new events are refused with 503. Not given: as much as there is."""


_RedactedKey = Annotated[
    str,
    Field(min_length=1, max_length=128),
    require(
        plain_name,
        "the name has no letters or digits",
        "Write a name such as customer_number, or a part as *_number",
    ),
]
_RedactedValue = Annotated[
    str,
    Field(min_length=1, max_length=PATTERN_LIMIT_CHARS),
    require(
        lambda pattern: compile_pattern(pattern).search("") is None,
        "the pattern matches the empty text",
        "Make it ask for at least one character",
    ),
]


class RedactionConfig(Section):
    """What is hidden of payloads wherever they are shown. Secrets of this file, passwords, tokens, e-mail addresses,
    card and phone numbers are hidden always."""

    payloads: bool = True
    """Keep redacted samples of events, requests and answers; false keeps none."""
    headers: Annotated[tuple[AnyHeaderName, ...], Field(max_length=100)] = ()
    """Names of headers whose values are hidden."""
    keys: Annotated[tuple[_RedactedKey, ...], Field(max_length=100)] = ()
    """Names of fields and parameters whose values are hidden: customer_number also means customerNumber; * stands for
    any letters and digits."""
    values: Annotated[tuple[_RedactedValue, ...], Field(max_length=50)] = ()
    """Regular expressions (RE2) of texts that are hidden wherever they occur; begin with (?i) to ignore case.
    A match should be no longer than 1,024 characters."""

    def rules(self) -> RedactionRules:
        """Return the rules as `Redactor` takes them."""
        return RedactionRules(headers=self.headers, keys=self.keys, values=self.values)
