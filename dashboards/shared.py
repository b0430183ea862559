"""Panels that stand on more than one dashboard."""

from collections.abc import Callable

from grafana_foundation_sdk.builders import stat, table

from dashboards import columns as c
from dashboards.colours import BAD, DESTINATION_STATES, GOOD, STATES, WORRYING
from dashboards.links import address, field, kept
from dashboards.panels import grid, number
from dashboards.queries import call


def banners() -> table.Panel:
    """Destinations that take nothing now."""
    return grid(
        "Destinations that take nothing now",
        "A destination that needs setting up, or that is left alone because it keeps failing. Its deliveries are kept"
        " and wait; they are not in the numbers below until they end. Shown whatever is picked above.",
        "SELECT destination AS `Destination`, state AS `State`, since AS `Since`, pending AS `Waiting`,\n"
        "       description AS `What happened`, action AS `What to do`, link AS `More`, message AS `In its own words`\n"
        f"FROM {call('banners')}\n"
        "ORDER BY state = 'setup' DESC, destination",
        empty="All destinations take deliveries.",
        columns=(
            c.column("Destination", c.width(130) + c.link("Only this destination", only_destination("Destination"))),
            c.column("State", c.words(DESTINATION_STATES, 185)),
            c.column("Since", c.ago()),
            c.column("Waiting", c.count(90)),
            c.column("What happened", c.wrapped()),
            c.column("What to do", c.wrapped()),
            c.column("More", c.read_more()),
            c.column("In its own words", c.wrapped()),
        ),
    )


def complete_to() -> stat.Panel:
    """Up to when the numbers are complete."""
    return number(
        "Complete up to",
        "Everything that happened before this moment is counted; below it, how long ago that is. What is newer may"
        " still change and is shaded in the trends. It lies back while delivery or recording stands still, and while"
        " deliveries that are due are held for a destination that takes nothing.",
        "SELECT toUnixTimestamp64Milli(watermark) AS `complete to`, lag_seconds AS `ago` FROM freshness",
        unit="time:YYYY-MM-DD HH:mm:ss",
        empty="delivery has not reported yet",
    ).override_by_name("ago", c.unit("suffix: s ago", 0) + age_colours(60, 300))


def age_colours(worrying_seconds: int, bad_seconds: int) -> c.Properties:
    """Green below the first age, red from the second on."""
    found = c.steps((None, GOOD), (worrying_seconds, WORRYING), (bad_seconds, BAD))
    return c.prop("thresholds", {"mode": "absolute", "steps": found})


def only_destination(column: str) -> str:
    """Event delivery of the destination in a column."""
    return address("event-delivery", kept("source"), field("destination", column))


def error_columns(detail: str) -> tuple[c.Column, ...]:
    """Columns of tables of errors; ``detail``: where the code leads."""
    return (
        c.column("Code", c.width(150) + c.link("All about this error", detail)),
        c.column("Destination", c.width(115)),
        c.column("State", c.words(STATES)),
        c.column("Deliveries", c.count()),
        c.column("Share", c.share(BAD)),
        c.column("First seen", c.time()),
        c.column("Last seen", c.time()),
        c.column("What happened", c.wrapped()),
    )


def sample_columns(column: Callable[[str, c.Properties], c.Column] = c.nested_column) -> tuple[c.Column, ...]:
    """Columns of samples, inside rows that open or in a table of their own."""
    return (
        column("Sampled at", c.time()),
        column("Message id", c.width(170) + c.link("What became of this event", trace("Message id"))),
        column("Answer in its own words", c.wrapped()),
        column("You sent", c.payload()),
        column("Request", c.payload()),
        column("Response", c.payload()),
    )


def trace(column: str) -> str:
    """The trace of the messageId in a column."""
    return address("event-trace", field("message_id", column))


SAMPLE = """\
s.message_id AS `Message id`,
       if(s.delivery_id = '', 'no sample of it is kept', s.message) AS `Answer in its own words`, s.event AS `You sent`,
       s.request AS `Request`, s.response AS `Response`"""
