"""The workspace: its sources, its destinations, what is connected to what, and how the installation runs.

These are the shapes of ``workspace.yaml``. `model.workspace_reading` makes a `Workspace` from the text of the file and
checks what no single field can know; a `Workspace` made by hand skips those checks.
"""

import json
import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from model.environment_text import EnvironmentText, fault
from model.workspace_settings import (
    DeliveryConfig,
    DiskConfig,
    IngestConfig,
    RetentionConfig,
    Section,
    StoreConfig,
    TopicsConfig,
)

URL_LIMIT_CHARS = 2048
# Set for every call by Waybill or by HTTP itself; another value would break the call or the promise to receivers.
RESERVED_HEADERS = frozenset({"connection", "content-length", "host", "idempotency-key", "te", "transfer-encoding"})
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[!-~]([ -~\t]*[!-~])?|")
_WRITE_KEY = re.compile(r"[!-9;-~]{1,256}")  # printable ASCII; HTTP Basic auth leaves no room for a colon


def _check_name(name: str) -> str:
    if not name.isprintable():
        raise fault("the name has characters that cannot be shown", "Write it in one line of plain text")
    return name


def _check_write_key(key: EnvironmentText) -> EnvironmentText:
    if not _WRITE_KEY.fullmatch(key.value):
        raise fault("this is no write key", "Use 1 to 256 ASCII letters, digits and signs; no spaces, no colon")
    return key


def _check_write_keys(keys: tuple[EnvironmentText, ...]) -> tuple[EnvironmentText, ...]:
    if not keys:
        raise fault("there is no write key", "Write at least one: SDKs authenticate with it")
    return keys


def _check_url(url: EnvironmentText) -> EnvironmentText:
    text = url.value
    if len(text) > URL_LIMIT_CHARS or not text.isascii() or not text.isprintable() or " " in text:
        raise fault(
            "the URL is too long or has spaces, control or non-ASCII characters",
            f"Use at most {URL_LIMIT_CHARS} characters; percent-encode others and write hosts in punycode (xn--…)",
        )
    try:
        parts = urlsplit(text)
        complete = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise fault("this is no http or https URL", "Write the whole address, such as https://example.com/hook")
    if "@" in parts.netloc:
        raise fault("the URL carries a user name or password", "Put credentials in a header as ${NAME}")
    if "#" in text:
        raise fault("the URL has a fragment ('#…'), which is never sent", "Remove it, or percent-encode it as %23")
    return url


def _check_header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise fault("this is no header name", "Use letters, digits and hyphens, such as X-Api-Key")
    if name.lower() in RESERVED_HEADERS:
        raise fault("Waybill sets this header itself", "Remove it")
    return name


def _check_header_value(value: EnvironmentText) -> EnvironmentText:
    if not _HEADER_VALUE.fullmatch(value.value):
        raise fault(
            "the header value has line breaks, non-ASCII characters, or spaces at its ends",
            "Use ASCII text in one line; look for a line break at the end of the environment variable",
        )
    return value


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Name = Annotated[str, Field(max_length=200), AfterValidator(_check_name)]
WriteKey = Annotated[EnvironmentText, AfterValidator(_check_write_key)]
# A length bound of pydantic's own would call a list empty whose only key has an error.
WriteKeys = Annotated[
    tuple[WriteKey, ...], Field(max_length=100, json_schema_extra={"minItems": 1}), AfterValidator(_check_write_keys)
]
HeaderName = Annotated[str, AfterValidator(_check_header_name)]
HeaderValue = Annotated[EnvironmentText, AfterValidator(_check_header_value)]


class Source(Section):
    """Something that sends events: a site, an app, a server."""

    id: Slug
    """Short name used in reports and connections: lower-case letters, digits, '_' and '-'."""
    name: Name = ""
    """Name for people; not given: the id."""
    enabled: bool = True
    """false: events with its write keys are refused."""
    write_keys: WriteKeys
    """What its SDK authenticates with; several, so that a key can be replaced without a gap. ${NAME} is allowed."""


class Destination(Section):
    """What every destination has."""

    id: Slug
    """Short name used in reports and connections: lower-case letters, digits, '_' and '-'."""
    name: Name = ""
    """Name for people; not given: the id."""
    enabled: bool = True
    """false: nothing is sent; deliveries are filtered."""


class WebhookDestination(Destination):
    """Takes one HTTP request per event, its JSON as the body."""

    type: Literal["webhook"]
    """webhook: one HTTP request per event."""
    url: Annotated[EnvironmentText, AfterValidator(_check_url)]
    """Where events are sent: http or https, no user name or password. ${NAME} is allowed."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """HTTP method."""
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=50)
    """Headers added to every request. Credentials only as ${NAME}."""
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)
    """The whole call, from connecting to the last byte of the answer."""
    concurrency: int = Field(default=64, ge=1, le=1024)
    """Calls under way at the same time at most."""

    def request_headers(self) -> dict[str, str]:
        """Return the headers with their secrets, for the request only: never for logs, facts or snapshots."""
        return {name: value.value for name, value in self.headers.items()}

    @property
    def origin(self) -> str:
        """Scheme, host and port as written: paths and queries of webhooks are often secrets themselves."""
        scheme, separator, rest = self.url.written.partition("://")
        return scheme + separator + re.split(r"[/?]", rest, maxsplit=1)[0]


class StorageDestination(Destination):
    """Loaded in bulk by other means; listed so that reports can say that it is not theirs to count."""

    type: Literal["s3", "gcs", "bigquery", "snowflake", "redshift"]
    """A storage destination: not reportable here."""


AnyDestination = Annotated[WebhookDestination | StorageDestination, Field(discriminator="type")]


class Connection(Section):
    """Events of one source go to one destination."""

    source: Slug
    """Id of a source."""
    destination: Slug
    """Id of a destination."""
    enabled: bool = True
    """false: nothing is sent; deliveries are filtered."""
    mode: Literal["cloud", "device"] = "cloud"
    """cloud: Waybill delivers. device: the SDK sends by itself, so it is not reportable here."""


class Workspace(Section):
    """The whole file."""

    version: Literal[1]
    """Format of this file."""
    topics: TopicsConfig = TopicsConfig()
    store: StoreConfig = StoreConfig()
    ingest: IngestConfig = IngestConfig()
    sources: tuple[Source, ...] = ()
    destinations: tuple[AnyDestination, ...] = ()
    connections: tuple[Connection, ...] = ()
    delivery: DeliveryConfig = DeliveryConfig()
    retention: RetentionConfig = RetentionConfig()
    disk: DiskConfig = DiskConfig()

    def webhooks(self) -> dict[str, WebhookDestination]:
        """Return the destinations Waybill delivers to, by id."""
        return {d.id: d for d in self.destinations if isinstance(d, WebhookDestination)}

    def sources_by_write_key(self) -> dict[str, Source]:
        """Return whose each (real) write key is; disabled sources included."""
        return {key.value: source for source in self.sources for key in source.write_keys}

    def not_reportable(self) -> list[tuple[Connection, str]]:
        """Return the connections whose deliveries Waybill cannot know, each with the reason."""
        storage = {d.id: d.type for d in self.destinations if isinstance(d, StorageDestination)}
        reasons = []
        for connection in self.connections:
            if connection.destination in storage:
                reasons.append((connection, f"{storage[connection.destination]} is loaded in bulk, not event by event"))
            elif connection.mode == "device":
                reasons.append((connection, "device mode: the SDK sends it from the device, past Waybill"))
        return reasons

    def secret_values(self) -> frozenset[str]:
        """Return every text that came from the environment, for redaction."""
        texts = [key for source in self.sources for key in source.write_keys]
        for webhook in self.webhooks().values():
            texts += [webhook.url, *webhook.headers.values()]
        if self.store.url:
            texts.append(self.store.url)
        return frozenset().union(*(text.secrets for text in texts))


def workspace_schema() -> dict[str, Any]:
    """Return the JSON Schema of the workspace file."""
    schema = Workspace.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Waybill workspace"}


def workspace_schema_text() -> str:
    """Return the schema as published for editors in ``workspace.schema.json``."""
    return json.dumps(workspace_schema(), indent=2, ensure_ascii=False) + "\n"
