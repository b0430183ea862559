"""What requests about alerts carry: bodies and query strings, with their limits."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from model.config.problems import format_path
from sinks.clickhouse.rows import LATEST_TIME_MS

Medium = Literal["in-app", "email"]
Given = TypeVar("Given", bound="Body")
LONGEST_BACKTEST_DAYS = 90  # minutes are kept no longer by default
ROWS_LIMIT = 1_000
NAME_LIMIT_CHARS = 256

TimeMs = Annotated[int, Field(ge=0, le=LATEST_TIME_MS)]
Name = Annotated[str, Field(max_length=NAME_LIMIT_CHARS)]


def _number(value: Any) -> Any:
    """A query string has text only; a body has numbers."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20 else value


Version = Annotated[int, BeforeValidator(_number), Field(ge=1, le=2**32 - 1)]
QueryTimeMs = Annotated[int, BeforeValidator(_number), Field(ge=0, le=LATEST_TIME_MS)]
Limit = Annotated[int, BeforeValidator(_number), Field(ge=1, le=ROWS_LIMIT)]


class Body(BaseModel):
    """Unknown fields and values of another type are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    @classmethod
    def read(cls: type[Given], data: Any) -> Given:
        """Raises ValueError with a line for each thing that is wrong."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_input=False)[:20]
            lines = [f"{format_path(fault['loc'])}: {fault['msg']}" for fault in faults]
            raise ValueError("\n".join(lines) + f". Known here: {', '.join(cls.model_fields) or 'nothing'}") from None


class Edit(Body):
    """A rule made another one."""

    version: Version
    """The version it was made from; refused when it is not the newest any more."""
    rule: dict[str, Any]
    """The whole rule."""


class Mute(Body):
    """How long nothing is told."""

    until_ms: TimeMs
    """Unix ms."""


class Subscription(Body):
    """Who asks is told of every hour in which deliveries to a destination failed."""

    destination: Name
    """The destination's id."""
    channel: Medium
    """in-app, or email to the address of who asks."""


class Backtest(Body):
    """A rule to try on the past: one that there is, or one that is to be."""

    rule_id: Name = ""
    """A rule that there is; or:"""
    rule: dict[str, Any] | None = None
    """The whole rule."""
    days: int = Field(default=14, ge=1, le=LONGEST_BACKTEST_DAYS)
    """How far back."""


class ChannelTest(Body):
    """A channel to try."""

    channel: Name
    """in-app, email:me, email:ADDRESS, or an id of alerts.channels."""


class Nothing(Body):
    """No parameters."""


class RulesQuery(Body):
    """Which rules."""

    source: Name = ""
    """Only those of this source."""
    destination: Name = ""
    """Only those of this destination."""


class DeleteQuery(Body):
    """Which version is deleted."""

    version: Version
    """The version that was looked at; refused when it is not the newest any more."""


class PeriodQuery(Body):
    """Which period."""

    from_ms: QueryTimeMs = 0
    """Unix ms, included."""
    to_ms: QueryTimeMs = LATEST_TIME_MS
    """Unix ms, not included."""
    limit: Limit = 100
    """How many at most, newest first."""


class HistoryQuery(PeriodQuery):
    """What rules did, and when."""

    rule_id: Name = ""
    """Only this rule."""
    source: Name = ""
    """Only rules of this source."""
    destination: Name = ""
    """Only rules of this destination."""


class UnsubscribeQuery(Body):
    """What is told no more."""

    destination: Name
    """The destination's id."""
    channel: Medium | None = None
    """Only on this one; not given: on none."""
