"""Section ``alerts`` of the workspace file: notification channels, and the rules that the file owns.

A Slack incoming webhook and a Slack workflow trigger accept different messages; the path of the URL tells them apart.
Anybody who has the URL can post with it: it is a secret, and only its beginning is shown.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from model.alerts.rule import EMAIL_PREFIX, IN_APP, RULE, ChannelName, DeliveryRate, FailedEvents, Rule, SourceVolume
from model.config.env_string import EnvString, config_error, require
from model.config.fields import FROM_ENVIRONMENT, HeaderValue, Name, Secret, Slug, Url
from model.config.mail_address import MailAddress
from model.config.section import Section

EMAIL = "email"
SlackKind = Literal["slack-webhook", "slack-workflow"]
_SLACK_HOSTS = ("hooks.slack.com", "hooks.slack-gov.com")
_SLACK_PATHS: dict[SlackKind, re.Pattern[str]] = {
    "slack-webhook": re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+"),
    "slack-workflow": re.compile(r"/(workflows|triggers)/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)+"),
}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_SHORTEST_TOKEN_CHARS = 8
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(frozen=True, slots=True)
class ChannelDescription:
    """A channel as shown to people. ``target``: its address without credentials."""

    id: str
    type: str
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class Target:
    """The channel a name in a rule stands for and, for email, the address; '' for other channels."""

    channel: str
    recipient: str = ""


def target_of(name: str, my_address: str | None) -> Target | None:
    """Resolve a `ChannelName`; None for email:me when the rule's author has no address."""
    if not name.startswith(EMAIL_PREFIX):
        return Target(name)
    address = name.removeprefix(EMAIL_PREFIX)
    recipient = my_address if address == "me" else address
    return Target(EMAIL, recipient) if recipient else None


def _slack_kind(url: str) -> SlackKind | None:
    """The kind of a Slack URL; None for any other URL."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.netloc.lower() not in _SLACK_HOSTS or parts.query:
        return None
    return next((kind for kind, path in _SLACK_PATHS.items() if path.fullmatch(parts.path)), None)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


ChannelId = Annotated[
    Slug, require(lambda name: name not in {IN_APP, EMAIL}, "this channel id is reserved", "Choose another id")
]
_Host = Annotated[
    str,
    Field(max_length=253),
    require(_HOST.fullmatch, "this is no host name", "Write a name or an address alone, such as mail.example.com"),
]
_BaseUrl = Annotated[
    Url,
    require(
        lambda url: "?" not in url.value,
        "the address of links has a query",
        "Write only the beginning, such as https://waybill.example.com",
    ),
]


class _Channel(Section):
    id: ChannelId
    """Short name used in rules: lower-case letters, digits, '_' and '-'."""
    name: Name = ""
    """Name for people, such as the Slack channel; not given: the id."""


class SlackChannel(_Channel):
    """A Slack channel, by an incoming webhook or by the web request that starts a workflow."""

    type: Literal["slack", "slack-webhook", "slack-workflow"]
    """slack: the path of the URL decides between webhook and workflow. slack-webhook, slack-workflow: for servers that
    implement the same API under other paths."""
    url: Annotated[Url, FROM_ENVIRONMENT]
    """https://hooks.slack.com/services/… (incoming webhook) or /triggers/… (workflow). Only as ${NAME}."""

    @field_validator("url")
    @classmethod
    def _check_slack_url(cls, url: EnvString, info: ValidationInfo) -> EnvString:
        given, seen = info.data.get("type"), _slack_kind(url.value)
        parts = urlsplit(url.value)
        if seen is None and (given == "slack" or parts.hostname in _SLACK_HOSTS):
            raise config_error(
                "this is not a Slack webhook or workflow URL",
                "Copy it whole: https://hooks.slack.com/services/T…/B…/… of an incoming webhook, or "
                "https://hooks.slack.com/triggers/… of a workflow",
            )
        if seen is not None and given not in {"slack", seen, None}:
            raise config_error(f"this is the URL of a {seen}", f"Write type: slack, or type: {seen}")
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise config_error("the URL is a secret, and http sends it unencrypted", "Use https")
        return url

    @property
    def kind(self) -> SlackKind:
        """The kind of its messages."""
        return (_slack_kind(self.url.value) or "slack-webhook") if self.type == "slack" else self.type

    @property
    def target(self) -> str:
        """Its address without secrets, such as hooks.slack.com/services/…"""
        parts = urlsplit(self.url.value)
        first = parts.path.split("/")[1] if _slack_kind(self.url.value) else ""
        return f"{parts.netloc}/{first}/…" if first else f"{parts.netloc}/…"

    def secret_values(self) -> frozenset[str]:
        """Return every secret, for redaction: a server may repeat only the path, or only its last part."""
        path = urlsplit(self.url.value).path
        token = path.rstrip("/").rpartition("/")[2]
        return self.url.secrets | {path for path in (path, token) if len(path) >= _SHORTEST_TOKEN_CHARS}


class WebhookChannel(_Channel):
    """Any HTTP receiver. Waybill posts the JSON described in `sinks.channels.webhook`."""

    type: Literal["webhook"]
    """webhook: a POST of JSON."""
    url: Url
    """Where it goes: http or https, no user name or password. ${NAME} is allowed."""
    secret: Secret | None = None
    """Signs every request by the Standard Webhooks specification. Only as ${NAME}."""

    @property
    def kind(self) -> Literal["webhook"]:
        """The kind of its messages."""
        return "webhook"

    @property
    def target(self) -> str:
        """Host and port, as in the file."""
        rest = self.url.raw.partition("://")[2]
        return re.split(r"[/?]", rest, maxsplit=1)[0] + "/…"


class SmtpConfig(Section):
    """The mail server that sends messages of channel email."""

    host: _Host
    """Its name or address. (Private addresses are allowed: mail servers usually have one.)"""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Not given: 587 with starttls, 465 with tls, 25 with none."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """starttls: upgrade to TLS before sending anything, and fail if the server cannot. tls: TLS from the start. none:
    unencrypted. Certificates are checked against those of the system; SSL_CERT_FILE in the environment names others."""
    username: HeaderValue | None = None
    """Name to log in with. ${NAME} is allowed."""
    password: Secret | None = None
    """Password to log in with. Only as ${NAME}."""
    sender: MailAddress = Field(alias="from")
    """The address messages come from, such as waybill@example.com."""

    @model_validator(mode="after")
    def _check(self) -> "SmtpConfig":
        if (self.username is None) != (self.password is None):
            raise config_error("of username and password one is missing", "Write both, or neither")
        if self.password is not None and self.security == "none":
            raise config_error("the password would be sent without encryption", "Write security: starttls or tls")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or _PORTS[self.security]


class _OfFile(Section):
    id: Slug
    """Short name of the rule: lower-case letters, digits, '_' and '-'. A new id makes a new rule."""


class SourceVolumeOfFile(_OfFile, SourceVolume):
    """A rule on the volume of a source, owned by the file."""


class DeliveryRateOfFile(_OfFile, DeliveryRate):
    """A rule on the rate of success, owned by the file."""


class FailedEventsOfFile(_OfFile, FailedEvents):
    """A rule on failed events, owned by the file."""


AnyChannel = Annotated[SlackChannel | WebhookChannel, Field(discriminator="type")]
AnyRuleOfFile = Annotated[SourceVolumeOfFile | DeliveryRateOfFile | FailedEventsOfFile, Field(discriminator="kind")]


class AlertsConfig(Section):
    """Channels and rules. `model.workspace.validation` checks what spans several fields."""

    channels: tuple[AnyChannel, ...] = Field(default=(), max_length=200)
    """Slack channels and webhooks. Channel in-app is always there, and email:ADDRESS with smtp."""
    smtp: SmtpConfig | None = None
    """The mail server. Not given: there is no channel email."""
    base_url: _BaseUrl | None = None
    """Where Grafana shows the dashboards, such as https://grafana.example.com; not given: messages carry no links."""
    always: tuple[ChannelName, ...] = Field(default=(), max_length=10)
    """Channels notified, besides in-app, when a destination needs a correction of its settings and when Waybill has
    stopped counting."""
    rules: tuple[AnyRuleOfFile, ...] = Field(default=(), max_length=10_000)
    """Rules that only this file changes."""

    def rules_by_id(self) -> dict[str, Rule]:
        """Return the rules of the file in the form of all other rules."""
        return {rule.id: RULE.validate_python(rule.model_dump(exclude={"id"})) for rule in self.rules}

    def described(self) -> list[ChannelDescription]:
        """Return every channel, for people."""
        described = [ChannelDescription(IN_APP, IN_APP, IN_APP, "")]
        if self.smtp:
            described.append(ChannelDescription(EMAIL, EMAIL, EMAIL, f"from {self.smtp.sender} by {self.smtp.host}"))
        return described + [ChannelDescription(c.id, c.kind, c.name or c.id, c.target) for c in self.channels]

    def secret_values(self) -> frozenset[str]:
        """Return every secret, for redaction. Without base_url, because masking it would break the links."""
        return super(AlertsConfig, self.model_copy(update={"base_url": None})).secret_values()
