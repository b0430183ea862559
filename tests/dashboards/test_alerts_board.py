"""What the dashboard of alerts shows of rules, changes, channels and messages, and where its rows lead."""

from typing import Any

import pytest

from tests.dashboards.boards import BOARDS, panel
from tests.dashboards.data import HOUR, TIME
from tests.dashboards.grafana.choices import resolve
from tests.dashboards.grafana.engine import Run, panel_answers
from tests.dashboards.grafana.links import follow
from tests.dashboards.test_links import opened
from tests.dashboards.test_panels import answers, rows, value
from tests.kit.recording import BASE_MS

pytestmark = pytest.mark.slow  # asks the engine

MINUTE = 60_000


def shown(run: Run, title: str, **given: str) -> list[dict[str, Any]]:
    return rows(answers(run, "alerts", **given)[title])


def test_headlines_count_what_is_there(full: Run) -> None:
    found = answers(full, "alerts")
    titles = (
        "Firing",
        "Rules evaluated",
        "Muted",
        "Fired in this period",
        "Channels in trouble",
        "Messages to be sent",
    )
    assert [value(found[title]) for title in titles] == [4, 2, 1, 4, 2, 1]


def test_what_fires_says_what_is_wrong_since_when_and_who_knows(full: Run) -> None:
    firing = shown(full, "What fires now")
    assert [(row["Rule"], row["Watches"], row["What is wrong"]) for row in firing] == [
        ("CRM <b>arrives</b> & stays", "→ crm", "first attempts delivered 1 of 20 = 5.00 % < 95 %"),
        ("Destination mail needs a person", "→ mail", "takes nothing until a person acts"),
        ("Shop sends", "web", "accepted 1,200 after 1,000 = +20.00 %; 20.00 % > 4 %"),
        ("A rule that was deleted: r4", "alerting itself", "delivered 940 of 1,000 = 94.00 % < 95 %"),
    ]
    assert [row["Acknowledged"] is not None for row in firing] == [True, False, False, False]
    assert [row["Muted until"] is not None for row in firing] == [False, False, True, False]


def test_rules_stand_with_their_state_and_hide_mail_addresses(full: Run) -> None:
    rules = shown(full, "Rules")
    assert [(row["Rule"], row["State"], row["Watches"]) for row in rules] == [
        ("CRM <b>arrives</b> & stays", "firing", "→ crm"),
        ("Shop sends", "firing", "web"),
        ("Mail lost", "disabled", "→ mail"),
    ]
    assert rules[0]["Channels"] == "in-app, team, email:a…@example.com"
    assert rules[0]["Last change"] == "acknowledged by bob"


def test_changes_say_what_was_compared_and_whether_it_was_told(full: Run) -> None:
    changes = shown(full, "What changed")
    assert [(row["Change"], row["Compared"], row["Notified"]) for row in changes] == [
        ("fired", "first attempts delivered 1 of 20 = 5.00 % < 95 %", "0 sent, 1 waiting"),
        ("recovered", "delivered 990 of 1,000 = 99.00 % >= 95 %", "1 sent"),
        ("fired", "takes nothing until a person acts: 401 token revoked", "1 sent"),
        ("fired", "accepted 1,200 after 1,000 = +20.00 %; 20.00 % > 4 %", "no: it is muted"),
        ("fired", "delivered 940 of 1,000 = 94.00 % < 95 %", "2 sent, 1 given up"),
    ]
    assert [row["Lasted"] for row in changes] == [None, 30 * 60, None, None, None]


def test_a_channel_in_trouble_says_what_to_do(full: Run) -> None:
    channels = {row["Channel"]: row for row in shown(full, "Channels")}
    assert list(channels)[-1] == "in-app"
    assert (channels["team"]["Last error"], channels["email"]["Waiting"]) == ("404 no_service", 1)
    assert "waybill alerts test-channel team" in channels["team"]["What to do"]
    assert (channels["in-app"]["Last error"], channels["in-app"]["What to do"]) == ("", "")


def test_messages_that_failed_and_those_in_the_app(full: Run) -> None:
    failed = shown(full, "Messages that failed")
    assert [(row["State"], row["Message"], row["Last error"]) for row in failed] == [
        ("failed", "email a…@example.com: CRM <b>arrives</b> & stays", "451 later"),
        ("dropped", "team: CRM <b>arrives</b> & stays", "404 no_service, 3 tries"),
    ]
    inbox = shown(full, "In the app")
    assert [(row["Change"], row["For"], row["More"] != "") for row in inbox] == [
        ("recovered", "bob", False),
        ("fired", "everybody", True),
        ("fired", "everybody", False),
    ]


@pytest.mark.parametrize(
    ("given", "firing", "changes", "rules"),
    [
        ({"destination": "crm"}, 3, 4, 2),  # the rule of source web concerns every destination it feeds
        ({"destination": "mail"}, 3, 2, 2),
        ({"source": "ios"}, 3, 4, 2),
        ({"source": "web", "destination": "crm"}, 3, 4, 2),
        ({"rule": "r1"}, 1, 3, 1),
        ({"rule": "setup:mail"}, 1, 1, 0),
        ({"rule": "nobody"}, 0, 0, 0),
    ],
)
def test_what_is_picked_narrows_every_list(
    full: Run, given: dict[str, str], firing: int, changes: int, rules: int
) -> None:
    found = answers(full, "alerts", **given)
    titles = ("What fires now", "What changed", "Rules")
    assert [len(found[title].rows) for title in titles] == [firing, changes, rules]


def click(run: Run, title: str, link_title: str, row: int) -> Any:
    choices = resolve(BOARDS["alerts"], run, TIME)
    answer = panel_answers(panel("alerts", title), run, choices, TIME)["A"]
    [link] = [link for link in panel("alerts", title).links if link.title == link_title]
    landing = follow(link, choices, TIME, dict(zip(answer.names, answer.rows[row], strict=True)))
    assert landing is not None
    return landing


def test_a_change_leads_to_the_numbers_and_errors_of_its_window(full: Run) -> None:
    landing = click(full, "What changed", "What was delivered then", 1)
    assert landing.uid == "event-delivery"
    assert dict(landing.variables) == {"source": ("$__all",), "destination": ("crm",)}
    at_ms = BASE_MS + 40 * MINUTE
    assert (int(landing.from_ms), int(landing.to_ms)) == (at_ms - 24 * HOUR, at_ms + MINUTE)
    assert opened(full, landing)["Delivered"] == 1
    landing = click(full, "What changed", "Errors then", 2)
    assert landing.uid == "error-detail"
    assert dict(landing.variables) == {"code": ("401",), "source": ("$__all",), "destination": ("mail",)}
    at_ms = BASE_MS + 30 * MINUTE
    assert (int(landing.from_ms), int(landing.to_ms)) == (at_ms - HOUR, at_ms + MINUTE)


def test_what_fires_leads_to_what_happened_since(full: Run) -> None:
    landing = click(full, "What fires now", "What was delivered then", 2)
    assert (landing.uid, dict(landing.variables)) == (
        "event-delivery", {"source": ("web",), "destination": ("$__all",)},
    )  # fmt: skip
    assert (int(landing.from_ms), landing.to_ms) == (BASE_MS + 20 * MINUTE - HOUR, "now")


def test_a_rule_leads_to_its_own_history(full: Run) -> None:
    landing = click(full, "Rules", "Only this rule", 0)
    assert (landing.uid, landing.variables["rule"]) == ("alerts", ("r1",))
    assert opened(full, landing)["What changed"] == 3
