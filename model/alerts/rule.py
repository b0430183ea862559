"""Alert rules: the schema used by the workspace file, the API and the stored versions.

    source-volume   a source sends more or less than in the 24 hours before
    delivery-rate   too few of a destination's deliveries arrive
    failed-events   a delivery to a destination failed within an hour (opt-in)

Thresholds are exact: a percentage with at most two decimals, kept as whole basis points (4 % is 400).
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, TypeAdapter, WithJsonSchema

from model.config.env_string import config_error, require
from model.config.fields import Slug
from model.config.mail_address import is_mail_address
from model.config.section import Section

HOUR_SECONDS = 3_600
IN_APP = "in-app"
EMAIL_PREFIX = "email:"
_CHANNEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _basis_points(value: Any) -> int:
    remedy = "Write a percentage with at most two decimals, such as 4 or 99.5"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise config_error("this is not a percentage", remedy)
    try:
        points = Decimal(str(value)) * 100
    except ArithmeticError:
        raise config_error("this is not a percentage", remedy) from None
    if not points.is_finite() or points != points.to_integral_value():
        raise config_error("this is not a percentage with at most two decimals", remedy)
    if not 1 <= points <= 1_000_000:
        raise config_error("the percentage is out of range", "Write one from 0.01 to 10000")
    return int(points)


def _percent(points: int) -> float | int:
    return points // 100 if points % 100 == 0 else points / 100


def _check_channel(name: str) -> str:
    if name.startswith(EMAIL_PREFIX):
        address = name.removeprefix(EMAIL_PREFIX)
        if address != "me" and not is_mail_address(address):
            raise config_error(
                "this is not a mail address", "Write email:me, or an address such as email:ada@example.com"
            )
    elif not _CHANNEL.fullmatch(name):
        raise config_error(
            "this is no channel", "Write in-app, email:me, email:ADDRESS, or the id of one of alerts.channels"
        )
    return name


BasisPoints = Annotated[
    int,
    PlainValidator(_basis_points),
    PlainSerializer(_percent),
    WithJsonSchema({"type": "number", "minimum": 0.01, "maximum": 10_000, "description": "Percent, two decimals."}),
]
RateBasisPoints = Annotated[
    BasisPoints,
    require(lambda points: points <= 10_000, "a rate is at most 100 %", "Write a percentage from 0.01 to 100"),
]
RuleName = Annotated[
    str,
    Field(min_length=1, max_length=100),
    require(
        lambda name: name.isprintable() and name.strip(),
        "the name is empty or has characters that cannot be shown",
        "Write it in one line of plain text",
    ),
]
ChannelName = Annotated[str, AfterValidator(_check_channel)]
ChannelNames = Annotated[
    tuple[ChannelName, ...],
    Field(min_length=1, max_length=10),
    require(lambda names: len({*names}) == len(names), "a channel is listed twice", "Name each channel once"),
]


class _AnyRule(Section):
    name: RuleName
    """Name for people; the title of every message."""
    channels: ChannelNames = (IN_APP,)
    """Channels to notify: in-app, email:me (the address of the rule's author), email:ADDRESS, or ids of
    alerts.channels. In-app is always notified."""
    remind_after_seconds: int | None = Field(default=86_400, ge=HOUR_SECONDS, le=30 * 86_400)
    """While the rule fires and nobody has acknowledged it, remind after this long. null: no reminder."""
    enabled: bool = True
    """false: not evaluated."""


class SourceVolume(_AnyRule):
    """Fires when |now - before| * 10,000 > change_percent in basis points * before; accepted events of 24 hours."""

    kind: Literal["source-volume"]
    source: Slug
    """The source whose events are counted: received and not duplicates."""
    change_percent: BasisPoints
    """Largest change from the baseline that does not fire: with 4, 105 after 100 fires."""
    direction: Literal["up", "down", "both"] = "both"
    """Which changes fire: a rise, a fall, or both."""
    minimum_events: int = Field(default=100, ge=1, le=10**12)
    """Does not fire with fewer events than this in the larger of the two periods. After a period without events, a rise
    fires from this many on."""
    baseline: Literal["day", "week"] = "day"
    """The baseline: the 24 hours before, or the same 24 hours one week ago."""


class DeliveryRate(_AnyRule):
    """Fires when delivered * 10,000 < below_percent in basis points * (delivered + not delivered) of 24 hours."""

    kind: Literal["delivery-rate"]
    destination: Slug
    """Where events are delivered."""
    source: Slug | Literal[""] = ""
    """Only deliveries of this source's events; "" for all."""
    mapping: str = Field(default="", max_length=200)
    """Only deliveries of this mapping of the connection; "" for all. Needs a source."""
    below_percent: RateBasisPoints
    """Fires when the success rate is lower than this; filtered deliveries are not counted."""
    minimum_deliveries: int = Field(default=100, ge=1, le=10**12)
    """Does not fire with fewer deliveries than this."""
    first_attempts_below_percent: RateBasisPoints | None = None
    """Fires within minutes: when the success rate of first attempts is lower than this both over 5 minutes and over an
    hour. Retried deliveries may have no outcome for hours."""
    minimum_first_attempts: int = Field(default=20, ge=1, le=10**12)
    """Does not fire with fewer first attempts than this in 5 minutes."""


class FailedEvents(_AnyRule):
    """Fires when at least one delivery to a destination was discarded or expired within an hour."""

    kind: Literal["failed-events"]
    destination: Slug
    """Where events are delivered."""


Rule = SourceVolume | DeliveryRate | FailedEvents
AnyRule = Annotated[Rule, Field(discriminator="kind")]
RULE: TypeAdapter[Rule] = TypeAdapter(AnyRule)


def scope_of(rule: Rule) -> tuple[str, str, str]:
    """Return the scope of the rule as (source, destination, mapping); '' for all."""
    if isinstance(rule, SourceVolume):
        return rule.source, "", ""
    if isinstance(rule, DeliveryRate):
        return rule.source, rule.destination, rule.mapping
    return "", rule.destination, ""
