"""Panels and columns that several dashboards share."""

from grafana_foundation_sdk.builders import stat, table

from dashboards import columns as c
from dashboards.colours import BAD, DESTINATION_STATES, GOOD, STATES, WORRYING
from dashboards.links import address, field, kept
from dashboards.panels import Steps, grid, number
from dashboards.queries import call

AGES: Steps = ((None, GOOD), (60, WORRYING), (300, BAD))  # of what should be recent, in seconds


def banners() -> table.Panel:
    """Stopped destinations."""
    return grid(
        "Stopped destinations",
        "Destinations that need setting up, or that are paused because they keep failing. Their deliveries are kept and"
        " wait; the numbers below include them only once they have an outcome. Independent of the pickers above.",
        "SELECT destination AS `Destination`, state AS `State`, since AS `Since`, pending AS `Waiting`,\n"
        "       description AS `What happened`, action AS `What to do`, link AS `More`, message AS `In its own words`\n"
        f"FROM {call('banners')}\n"
        "ORDER BY state = 'setup' DESC, destination",
        empty="All destinations accept deliveries.",
        columns={
            "Destination": c.width(130) + link_to_destination("Destination"),
            "State": c.words(DESTINATION_STATES, 185),
            "Waiting": c.count(90),
            "In its own words": c.wrapped(),
        },
    )


def complete_to() -> stat.Panel:
    """The time up to which the numbers are complete."""
    return number(
        "Complete up to",
        "Everything before this time is counted; below it, how long ago that is. Newer numbers may still change and are"
        " shaded in the trends. It stops while delivery or recording is stopped, and while deliveries that are due wait"
        " for a stopped destination.",
        "SELECT toUnixTimestamp64Milli(watermark) AS `complete to`, lag_seconds AS `ago` FROM freshness",
        unit="time:YYYY-MM-DD HH:mm:ss",
        empty="delivery has not reported yet",
    ).override_by_name("ago", c.unit("suffix: s ago", 0) + c.thresholds(*AGES))


def link_to_destination(column: str) -> c.Properties:
    """A link to event delivery of the destination in a column."""
    return c.links(("Only this destination", address("event-delivery", kept("source"), field("destination", column))))


def link_to_error(*variables: str) -> c.Properties:
    """A link to all about the code in column Code; ``variables`` as for `address`, by default those of the row."""
    of_row = variables or (field("destination", "Destination"), kept("source"))
    return c.links(("All about this error", address("error-detail", field("code", "Code"), *of_row)))


ERROR_COLUMNS: c.Looks = {
    "Code": c.width(150) + link_to_error(),
    "Destination": c.width(115),
    "State": c.words(STATES),
}
MESSAGE_ID = c.width(170) + c.links(("Trace of this event", address("event-trace", field("message_id", "Message id"))))
SAMPLE_COLUMNS: c.Looks = {
    "Message id": MESSAGE_ID,
    "Answer in its own words": c.wrapped(),
    ("You sent", "Request", "Response"): c.payload(),
}
SAMPLE = """\
s.message_id AS `Message id`,
       if(s.delivery_id = '', 'no sample of it is kept', s.message) AS `Answer in its own words`, s.event AS `You sent`,
       s.request AS `Request`, s.response AS `Response`"""
