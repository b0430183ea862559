"""Rules in a real store: every change a version, refused on an old one, allowed by role and maker, and audited."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from console.access import Caller
from console.alerts.rules import FILE, LONGEST_MUTE_MS, RULES_LIMIT, NoSuchRule, NotAllowed, Outdated
from console.alerts.subscriptions import subscribe, unsubscribe
from model.alerts.rule import SourceVolume
from model.alerts.version import RuleChange, RuleOwner, RuleVersion
from sinks.clickhouse.store import Store
from tests.kit.alert_rules import ADA, BOB, FILE_RULE, OWNER, READER, Kit, config, empty, rate
from tests.kit.recording import BASE_MS


@pytest.fixture
def kit(store: Store) -> Kit:
    return Kit(empty(store))


def test_every_change_is_a_version_with_author_and_time(kit: Kit) -> None:
    rules = kit.rules()
    made = rules.create(rate(), ADA)
    kit.now_ms += 1_000
    rules.edit(made.rule_id, 1, rate(below_percent=99), ADA)
    rules.mute(made.rule_id, kit.now_ms + 60_000, ADA)
    rules.unmute(made.rule_id, ADA)
    rules.acknowledge(made.rule_id, BOB)
    rules.delete(made.rule_id, 5, OWNER)
    rows = kit.store.view("alert_rule_versions", from_ms=0, rule_id=made.rule_id)
    versions = [RuleVersion.from_row(row) for row in rows]
    assert [one.change for one in versions] == list(
        (RuleChange.CREATED, RuleChange.EDITED, RuleChange.MUTED, RuleChange.UNMUTED, RuleChange.ACKNOWLEDGED,
         RuleChange.DELETED)
    )  # fmt: skip
    assert [one.author for one in versions] == ["ada", "ada", "ada", "ada", "bob", "olga"]
    assert {one.creator for one in versions} == {"ada"} and versions[0].at_ms == BASE_MS
    assert (versions[1].rule.kind, versions[2].muted_until_ms, versions[3].muted_until_ms) == (
        "delivery-rate", kit.now_ms + 60_000, 0,
    )  # fmt: skip
    assert versions[4].acknowledged_ms == kit.now_ms
    assert rules.all() == []
    with pytest.raises(NoSuchRule, match="olga deleted it"):
        rules.get(made.rule_id)


def test_every_change_is_audited_before_it_is_made(kit: Kit) -> None:
    rules = kit.rules()
    made = rules.create(rate(channels=("email:secret-person@example.com",)), ADA)
    rules.acknowledge(made.rule_id, BOB)
    assert [(said.action, said.author, said.role, said.subject) for said in kit.audited] == [
        ("create-alert", "ada", "write", made.rule_id),
        ("acknowledge-alert", "bob", "write", made.rule_id),
    ]
    assert "secret-person" not in str(kit.audited)

    def away(said: object) -> None:
        raise OSError("the topics are away")

    kit.audited = type("Away", (list,), {"append": staticmethod(away)})()
    with pytest.raises(OSError, match="away"):
        kit.rules().delete(made.rule_id, 2, ADA)
    assert kit.rules().get(made.rule_id).version == 2


def test_an_edit_of_an_old_version_is_refused_with_the_current_one(kit: Kit) -> None:
    rules = kit.rules()
    made = rules.create(rate(), ADA)
    second = rules.edit(made.rule_id, 1, rate(name="Arrived"), ADA)
    with pytest.raises(Outdated, match="at version 2, not 1") as refused:
        rules.edit(made.rule_id, 1, rate(name="Arriving"), ADA)
    assert refused.value.current == second
    with pytest.raises(Outdated):
        rules.delete(made.rule_id, 1, ADA)
    assert rules.get(made.rule_id) == second


def test_of_many_edits_at_once_one_is_made(kit: Kit) -> None:
    rules = kit.rules()
    made = rules.create(rate(), ADA)
    outcomes: list[str] = []

    def edit(number: int) -> None:
        try:
            rules.edit(made.rule_id, 1, rate(name=f"Name {number}"), ADA)
            outcomes.append("made")
        except Outdated:
            outcomes.append("refused")

    threads = [threading.Thread(target=edit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["made", *["refused"] * 5]
    assert rules.get(made.rule_id).version == 2


@pytest.mark.parametrize(
    ("who", "allowed"),
    [(ADA, "edit mute acknowledge delete"), (BOB, "acknowledge"), (OWNER, "mute acknowledge delete"), (READER, "")],
)
def test_who_may_change_what_ada_made(kit: Kit, who: Caller, allowed: str) -> None:
    rules = kit.rules()
    for action in ("edit", "mute", "acknowledge", "delete"):
        made = rules.create(rate(), ADA)
        of = made.rule_id
        change: Callable[[], RuleVersion] = {
            "edit": partial(rules.edit, of, 1, rate(name="x"), who),
            "mute": partial(rules.mute, of, kit.now_ms + 1, who),
            "acknowledge": partial(rules.acknowledge, of, who),
            "delete": partial(rules.delete, of, 1, who),
        }[action]
        if action in allowed.split():
            assert change().author == who.name
        else:
            with pytest.raises(NotAllowed, match="ada made this rule|role read"):
                change()
            assert rules.get(made.rule_id) == made
    with pytest.raises(NotAllowed, match="role read may not create-alert"):
        rules.create(rate(), READER)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"destination": "crn"}, "destination: there is no destination 'crn'. Did you mean 'crm'?"),
        ({"destination": "lake"}, "loaded in bulk"),
        ({"destination": "mail", "source": "ios"}, "device mode"),
        ({"source": "wep"}, "source: there is no source 'wep'. Did you mean 'web'?"),
        ({"source": "ios"}, "no connection from 'ios' to 'crm'. Connected to it are web"),
        ({"mapping": "orders"}, "Name its source too"),
        ({"source": "web", "mapping": "order"}, "mapping: there is no mapping 'order'. Did you mean 'orders'?"),
        ({"channels": ("teem",)}, "channels: there is no channel 'teem'. Did you mean 'team'?"),
        ({"channels": ("email",)}, "channels: there is no channel 'email'"),
        ({"channels": ("email:me",)}, "the mail address of 'bob' is not known"),
    ],
)
def test_what_a_rule_names_must_be_there(kit: Kit, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        kit.rules().create(rate(**settings), BOB)
    assert kit.rules().all() == [] and kit.audited == []


def test_a_rule_may_name_what_is_there(kit: Kit) -> None:
    rules = kit.rules()
    told = ("in-app", "team", "email:me", "email:x@example.com")
    rules.create(rate(source="web", mapping="orders", channels=told), ADA)
    volume = SourceVolume(kind="source-volume", name="Web", source="web", change_percent=4)
    rules.create(volume, ADA)
    assert [version.rule.kind for version in rules.all()] == ["delivery-rate", "source-volume"]
    kit.alerts_config = config(smtp=False)
    with pytest.raises(ValueError, match="alerts.smtp"):
        rules.create(rate(channels=("email:x@example.com",)), ADA)
    with pytest.raises(ValueError, match="a rule keeps its kind"):
        rules.edit("r1", 1, volume, ADA)


@pytest.mark.parametrize("after_ms", [-1, 0, LONGEST_MUTE_MS + 1])
def test_a_mute_ends_within_a_year(kit: Kit, after_ms: int) -> None:
    made = kit.rules().create(rate(), ADA)
    with pytest.raises(ValueError, match="within a year"):
        kit.rules().mute(made.rule_id, kit.now_ms + after_ms, ADA)


def test_a_clock_set_back_does_not_put_a_change_before_what_it_changes(kit: Kit) -> None:
    made = kit.rules().create(rate(), ADA)
    kit.now_ms -= 60_000
    assert kit.rules().edit(made.rule_id, 1, rate(name="x"), ADA).at_ms == made.at_ms


def test_there_are_not_more_rules_than_can_be_evaluated(kit: Kit) -> None:
    row = kit.rules().create(rate(), ADA).as_row()
    kit.store.insert("alert_rules", [{**row, "rule_id": f"n{number}"} for number in range(RULES_LIMIT)])
    with pytest.raises(ValueError, match="10,000"):
        kit.rules().create(rate(), ADA)


def test_a_rule_of_a_later_version_does_not_hide_the_others(kit: Kit) -> None:
    made = kit.rules().create(rate(), ADA)
    kit.store.insert("alert_rules", [{**made.as_row(), "rule_id": "later", "definition": '{"kind": "phase-of-moon"}'}])
    assert kit.rules().all() == [made]


def test_rules_of_the_file_are_versions_too_and_the_file_alone_says_what_they_are(kit: Kit) -> None:
    kit.alerts_config = config(FILE_RULE)
    rules = kit.rules()
    assert (rules.sync_workspace_rules(), rules.sync_workspace_rules()) == (1, 0)
    [made] = rules.all()
    assert (made.rule_id, made.owner, made.author) == ("workspace:file-rule", RuleOwner.WORKSPACE, FILE.name)
    with pytest.raises(NotAllowed, match="workspace file"):
        rules.edit(made.rule_id, 1, made.rule, OWNER)
    with pytest.raises(NotAllowed, match="workspace file"):
        rules.delete(made.rule_id, 1, OWNER)
    rules.mute(made.rule_id, kit.now_ms + 1_000, OWNER)
    rules.acknowledge(made.rule_id, ADA)
    kit.alerts_config = config({**FILE_RULE, "name": "Otherwise"})
    assert rules.sync_workspace_rules() == 1
    changed = rules.get(made.rule_id)
    assert (changed.rule.name, changed.muted_until_ms) == ("Otherwise", kit.now_ms + 1_000)
    kit.alerts_config = config()
    assert rules.sync_workspace_rules() == 1 and rules.all() == []
    kit.alerts_config = config(FILE_RULE)
    assert rules.sync_workspace_rules() == 1
    again = rules.get(made.rule_id)
    assert (again.version, again.muted_until_ms, again.acknowledged_ms) == (6, 0, 0)


def test_anybody_subscribes_for_themselves_and_gets_one_rule(kit: Kit) -> None:
    rules = kit.rules()
    made = subscribe(rules, "crm", "in-app", READER)
    assert subscribe(rules, "crm", "in-app", READER) == made
    both = subscribe(rules, "crm", "email", READER)
    assert both.rule_id == made.rule_id and both.rule.channels == ("in-app", "email:me")
    assert subscribe(rules, "crm", "in-app", BOB).rule_id != made.rule_id
    with pytest.raises(ValueError, match="mail address of 'bob'"):
        subscribe(rules, "crm", "email", BOB)
    assert unsubscribe(rules, "crm", "in-app", READER).rule.channels == ("email:me",)
    assert unsubscribe(rules, "crm", None, READER).deleted
    with pytest.raises(NoSuchRule, match="not notified"):
        unsubscribe(rules, "crm", None, READER)
    with pytest.raises(ValueError, match="no destination"):
        subscribe(rules, "nowhere", "in-app", READER)
    assert [version.creator for version in rules.all()] == ["bob"]
