"""Alerts: what fires now, what is watched, what changed, and who was notified."""

from dashboards import columns as c
from dashboards import variables
from dashboards.alert_scope import SINCE, THEN, WATCHES, WHERE_PICKED, leads_to_numbers, rule_name
from dashboards.colours import ALERT_CHANGES, CHANNEL_STATES, MESSAGE_STATES, PLAIN, RULE_STATES, WORRYING
from dashboards.comparison import COMPARISON, WORDS
from dashboards.links import address, field, kept
from dashboards.page import page
from dashboards.panels import NONE_MAY_BE, grid, number
from dashboards.queries import call, value_of

UID = "alerts"
RULE = value_of("rule")
NO_RULES = "There are no rules with this choice. Create one: waybill alerts create --help"
KINDS = "['source-volume', 'delivery-rate', 'failed-events'], ['source volume', 'delivery rate', 'failed events']"
WINDOWS = "['day', 'fast', 'hour'], ['24 hours', '5 minutes, an hour', 'an hour'], ''"
_ONLY_RULE = address(UID, field("rule", "Rule id"), kept("source"), kept("destination"))
_HISTORY = call("alert_history", source="''", destination="''", rule_id=RULE, limit="10000")
_MESSAGES = call("alert_message_log", rule_id=RULE, limit="10000")


_HEADLINES = (
    number(
        "Firing",
        "Checks that fire now, of all rules and of Waybill's own.",
        "SELECT count() AS `firing` FROM alert_states_now WHERE status = 'firing'", colours=NONE_MAY_BE,
    ),
    number(
        "Rules evaluated",
        "Rules that are not disabled, without Waybill's own checks (destinations to set up, alerting itself).",
        "SELECT countIf(enabled) AS `rules` FROM alert_rules_now",
    ),
    number(
        "Muted",
        "Rules that send no notifications for now. They are evaluated, and their changes are recorded.",
        "SELECT countIf(enabled AND muted_until IS NOT NULL) AS `muted` FROM alert_rules_now",
        colours=((None, PLAIN), (1, WORRYING)),
    ),
    number(
        "Fired in this period",
        "How often a rule started to fire in this period.",
        f"SELECT countIf(change = 'fired') AS `fired`\nFROM {_HISTORY}",
    ),
    number(
        "Channels in trouble",
        "Channels that do not accept messages now.",
        "SELECT countIf(state != 'ok') AS `channels` FROM alert_channel_health", colours=NONE_MAY_BE,
    ),
    number(
        "Messages to be sent",
        "Messages that no channel has accepted yet, however old.",
        "SELECT sum(waiting) AS `waiting` FROM alert_channel_health", colours=((None, PLAIN), (10, WORRYING)),
    ),
)  # fmt: skip

# States hold only numbers; what the sentence needs besides follows from the state being firing.
_FIRING = """(
    SELECT states.rule_id AS rule_id, states.check AS `check`, states.since AS since, 'fired' AS change,
           '<' AS operator, states.numerator AS numerator, states.denominator AS denominator,
           states.threshold_bp AS threshold_bp, toInt64(0) AS minimum, '' AS code, '' AS message,
           CAST([], 'Array(String)') AS notes, rules.name AS name, rules.kind AS kind, rules.source AS source,
           if(startsWith(states.rule_id, 'setup:'), substring(states.rule_id, 7), rules.destination) AS destination,
           rules.mapping AS mapping, rules.muted_until AS muted_until, rules.acknowledged_at AS acknowledged_at,
           rules.channels AS channels
    FROM alert_states_now AS states
    LEFT JOIN alert_rules_now AS rules ON rules.rule_id = states.rule_id
    WHERE states.status = 'firing'
)"""
_NOW = grid(
    "What fires now",
    "The rule, since when, what it compared when it started to fire or last notified, and what it watches: a source, or"
    " deliveries → to a destination. Click a rule for the numbers and the errors since then.",
    f"{WORDS}SELECT {rule_name('name', 'rule_id')} AS `Rule`, since AS `Since`, {COMPARISON} AS `What is wrong`,\n"
    f"       {WATCHES} AS `Watches`,\n"
    f"       transform(toString(check), {WINDOWS}) AS `Window`,\n"
    "       if(acknowledged_at >= since, acknowledged_at, NULL) AS `Acknowledged`, muted_until AS `Muted until`,\n"
    f"       rule_id AS `Rule id`, {SINCE}\n"
    f"FROM {_FIRING}\n"
    f"WHERE {RULE} IN ('', rule_id) AND {WHERE_PICKED}\n"
    "ORDER BY since DESC, `Rule`, check\n"
    "LIMIT 200",
    empty="Nothing fires with this choice: everything watched is within its bounds.",
    columns={
        "Rule": c.wrapped() + c.width(250) + leads_to_numbers("now"),
        "What is wrong": c.wrapped(),
        "Window": c.width(135),
    },
)
_RULES = grid(
    "Rules",
    "Every rule and its state: firing, ok, or never fired since it was created. Click one to see its history alone."
    " Rules of the workspace file are changed there.",
    f"SELECT {rule_name('name', 'rule_id')} AS `Rule`, transform(kind, {KINDS}, kind) AS `Kind`,\n"
    "       multiIf(NOT enabled, 'disabled', status IS NULL, 'never fired', status) AS `State`, since AS `Since`,\n"
    f"       {WATCHES} AS `Watches`,\n"
    "       arrayStringConcat(arrayDistinct(arrayConcat(['in-app'], channels)), ', ') AS `Channels`,\n"
    "       muted_until AS `Muted until`, if(owner = 'workspace', 'workspace file', creator) AS `Made by`,\n"
    "       if(owner = 'workspace', change, concat(change, ' by ', author)) AS `Last change`, changed_at AS `When`,\n"
    "       rule_id AS `Rule id`\n"
    "FROM alert_rules_now\n"
    f"WHERE {RULE} IN ('', rule_id) AND {WHERE_PICKED}\n"
    "ORDER BY `State` = 'firing' DESC, `Rule`, rule_id\n"
    "LIMIT 1000",
    empty=NO_RULES,
    columns={
        "Rule": c.wrapped() + c.width(220) + c.links(("Only this rule", _ONLY_RULE)),
        "Kind": c.width(110),
        "State": c.words(RULE_STATES, 110),
        "Channels": c.wrapped(),
        "Made by": c.width(115),
        "Last change": c.wrapped() + c.width(175),
        "When": c.USUAL["Since"],
    },
)
_CHANGES = grid(
    "What changed",
    "When rules started to fire, sent reminders and recovered in this period, and whether anybody was notified. Click"
    " a rule for the numbers and the errors of the window it compared.",
    f"{WORDS}SELECT at AS `At`, change AS `Change`, rule_name AS `Rule`, {COMPARISON} AS `Compared`,\n"
    "       if(change = 'fired', NULL, dateDiff('second', since, at)) AS `Lasted`,\n"
    f"       {WATCHES} AS `Watches`,\n"
    "       arrayStringConcat(notes, ' ') AS `Notes`,\n"
    "       multiIf(suppressed_reason = 'muted', 'no: it is muted',\n"
    "               suppressed_reason = 'late', 'no: found more than an hour late',\n"
    "               suppressed_reason = 'never-notified', 'no: nobody was notified that it fired',\n"
    "               suppressed_reason = 'ended', 'no: the rule ended', NOT notified, 'no',\n"
    "               concat(toString(sent), ' sent', if(waiting > 0, concat(', ', toString(waiting), ' waiting'), ''),\n"
    "                      if(dropped > 0, concat(', ', toString(dropped), ' given up'), ''))) AS `Notified`,\n"
    f"       rule_id AS `Rule id`, {THEN}\n"
    f"FROM {_HISTORY}\n"
    f"WHERE {WHERE_PICKED}\n"
    "ORDER BY at DESC, rule_id, id\n"
    "LIMIT 200",
    empty="No rule started to fire or recovered in this period with this choice.",
    columns={
        "Change": c.words(ALERT_CHANGES, 100),
        "Rule": c.wrapped() + c.width(250) + leads_to_numbers("${__data.fields.To}"),
        ("Compared", "Notes"): c.wrapped(),
        "Lasted": c.unit("s", 1) + c.width(90),
        "Notified": c.wrapped() + c.width(150),
        "To": c.hidden(),
    },
)
_CHANNELS = grid(
    "Channels",
    "The channels, those that fail first: the state, since when, and the last error. Sent and given up count the last"
    " 24 hours.",
    "SELECT channel AS `Channel`, state AS `State`, since AS `Since`, sent_24h AS `Sent`, waiting AS `Waiting`,\n"
    "       dropped_24h AS `Given up`, if(state = 'ok', '', trim(concat(code, ' ', message))) AS `Last error`,\n"
    "       multiIf(state = 'failing', 'Nothing yet: messages are kept and retried. If it lasts, check the channel"
    " itself.',\n"
    "               state = 'disabled' AND channel = 'email',\n"
    "               'Correct alerts.smtp of the workspace file, or retry it: waybill alerts test-channel"
    " email:me',\n"
    "               state = 'disabled', concat('Correct it in alerts.channels of the workspace file, or try it again:"
    " waybill alerts test-channel ', channel),\n"
    "               '') AS `What to do`\n"
    "FROM alert_channel_health\n"
    "ORDER BY state = 'ok', channel",
    empty="No channel was used yet: nothing has fired so far.",
    columns={
        "Channel": c.width(120),
        "State": c.words(CHANNEL_STATES, 95),
        "Sent": c.count(75),
        "Waiting": c.count(85),
        "Given up": c.red_unless_zero(80),
    },
)
_FAILED = grid(
    "Messages that failed",
    "Messages of this period that a channel did not accept: those retried, and those given up. The app shows the same.",
    "SELECT at AS `At`, state AS `State`, concat(channel, if(recipient = '', '', ' '), recipient, ': ', title)\n"
    "           AS `Message`,\n"
    "       concat(trim(concat(code, ' ', message)),\n"
    "              if(attempts > 1, concat(', ', toString(attempts), ' tries'), '')) AS `Last error`\n"
    f"FROM {_MESSAGES}\n"
    "WHERE state IN ('failed', 'dropped')\n"
    "ORDER BY at DESC, message_id\n"
    "LIMIT 100",
    empty="Every message of this period was accepted by its channel.",
    columns={
        "State": c.words(MESSAGE_STATES, 95),
    },
)
_INBOX = grid(
    "In the app",
    "Messages of this period in the app, newest first. For: the user who subscribed, or everybody.",
    "SELECT at AS `At`, change AS `Change`, title AS `Title`, summary AS `Summary`,\n"
    "       if(recipient = '', 'everybody', recipient) AS `For`, link AS `More`\n"
    f"FROM {call('alert_inbox', user=repr(''), limit='100')}\n"
    f"WHERE {RULE} IN ('', rule_id)\n"
    "ORDER BY at DESC, message_id",
    empty="No message was put into the app in this period.",
    columns={
        "Change": c.words(ALERT_CHANGES, 100),
        ("Title", "Summary"): c.wrapped(),
        "For": c.width(100),
    },
)


def build() -> str:
    return page(
        UID,
        "What fires now, what is watched, what changed and when, and whether the channels took the messages.",
        (
            variables.source(),
            variables.destination(),
            variables.text_box("rule", "Rule id", "Set by a click on a rule; empty for all."),
        ),
        (
            (3, tuple((4, panel) for panel in _HEADLINES)),
            (7, ((24, _NOW),)),
            (11, ((24, _CHANGES),)),
            (9, ((24, _RULES),)),
            "Notifications",
            (7, ((24, _CHANNELS),)),
            (8, ((14, _INBOX), (10, _FAILED))),
        ),
    )
