"""Which alerts belong to the picked source and destination, their names, and their links."""

from dashboards import columns as c
from dashboards.links import address_of_period, field
from dashboards.queries import picked

# A rule that watches all sources concerns each of them. So does one of a source that feeds the destination picked.
WHERE_PICKED = f"""(source = '' OR {picked("source")} IN ('', source))
  AND (destination = '' OR {picked("destination")} IN ('', destination))"""

# A source, or deliveries to a destination, which may be those of one source, or of one mapping of a connection.
WATCHES = """multiIf(destination != '', trim(concat(source, ' → ', destination, if(mapping = '', '', ', '), mapping)),
               source != '', source, 'alerting itself')"""
_PICKS = """if(source = '', concat('$', '__all'), source) AS `Pick source`,
       if(destination = '', concat('$', '__all'), destination) AS `Pick destination`"""
# Hidden columns for links: the pickers, and the time in Unix ms (as text: numbers come formatted).
SINCE = f"""{_PICKS}, '' AS `Failed with`,
       toString(toUnixTimestamp64Milli(since) - 3600000) AS `From`"""
THEN = f"""{_PICKS}, code AS `Failed with`,
       toString(toUnixTimestamp64Milli(if(window_from > '1970-01-02', least(window_from, at - INTERVAL 1 HOUR),
                                          at - INTERVAL 1 HOUR))) AS `From`,
       toString(toUnixTimestamp64Milli(greatest(at, window_to) + INTERVAL 1 MINUTE)) AS `To`"""


def rule_name(name: str, rule_id: str) -> str:
    """The name of a rule for people, also of those that Waybill has itself, as an expression."""
    return (
        f"multiIf(startsWith({rule_id}, 'setup:'),\n"
        f"               concat('Destination ', substring({rule_id}, 7), ' needs a person'),\n"
        f"               {rule_id} = 'monitor-blind', 'Alerting is blind',\n"
        f"               {name} = '', concat('A rule that was deleted: ', {rule_id}), {name})"
    )


def leads_to_numbers(to: str) -> c.Properties:
    """Links of a row to its deliveries and errors, from its column From to ``to``."""
    picks = (field("source", "Pick source"), field("destination", "Pick destination"))
    return c.links(
        ("What was delivered then", address_of_period("event-delivery", *picks, to=to)),
        ("Errors then", address_of_period("error-detail", field("code", "Failed with"), *picks, to=to)),
    )
