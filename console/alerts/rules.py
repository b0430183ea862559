"""The alert rules of a deployment, kept as versions in the store. Every change is a new version, checked, allowed,
and audited before it is made.

One process changes rules at a time (it holds the data directory's lock), and in it one thread: a lock around reading
the newest version and writing the next one makes "the newest" mean something.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Any

import orjson

from console.access import Caller
from console.alerts.errors import NoSuchRule, NotAllowed, Outdated
from console.alerts.rule_checks import RuleTargets, check_rule
from model.alerts.rule import Rule
from model.alerts.version import RuleChange, RuleOwner, RuleVersion
from model.config.problems import quoted
from model.recording.facts import Audited
from model.workspace.permissions import Action, Role, may
from sinks.clickhouse.rows import LATEST_TIME_MS
from sinks.clickhouse.store import Store, StoreError

RULES_LIMIT = 10_000
LONGEST_MUTE_MS = 366 * 86_400_000
FILE = Caller("workspace file", Role.OWNER)

_ACTIONS = {
    RuleChange.CREATED: Action.CREATE_ALERT,
    RuleChange.EDITED: Action.EDIT_ALERT,
    RuleChange.DELETED: Action.DELETE_ALERT,
    RuleChange.MUTED: Action.MUTE_ALERT,
    RuleChange.UNMUTED: Action.MUTE_ALERT,
    RuleChange.ACKNOWLEDGED: Action.ACKNOWLEDGE_ALERT,
}
log = logging.getLogger("waybill.alerts")


class Rules:
    """All methods raise what the store and ``audit`` raise, and what `console.alerts.errors` has.

    audit: keeps a record of who did what, durable on return. clock: Unix ms. new_id: makes a rule id, never twice.
    """

    def __init__(
        self,
        store: Store,
        audit: Callable[[Audited], None],
        targets: Callable[[], RuleTargets],
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._audit = audit
        self._targets = targets
        self._clock = clock
        self._new_id = new_id
        self._writing = Lock()

    def all(self) -> list[RuleVersion]:
        """Return the newest version of every rule there is, by rule id."""
        return [version for version in self._newest("") if not version.deleted]

    def get(self, rule_id: str) -> RuleVersion:
        """Return the newest version of a rule."""
        found = self._newest(rule_id) if rule_id else []
        if not found or found[0].deleted:
            gone = f": {found[0].author} deleted it" if found else ". `waybill alerts list` shows which there are"
            raise NoSuchRule(f"there is no alert rule {quoted(rule_id)}{gone}")
        return found[0]

    def create(self, rule: Rule, who: Caller, action: Action = Action.CREATE_ALERT) -> RuleVersion:
        """Make a rule. ``action``: what it is allowed as."""
        self._allow(who, action)
        check_rule(rule, self._targets(), who.name)
        with self._writing:
            if len(self.all()) >= RULES_LIMIT:
                raise ValueError(f"there are {RULES_LIMIT:,} alert rules, the most there may be: delete some first")
            made = RuleVersion(
                rule_id=self._new_id(),
                version=1,
                at_ms=self._clock(),
                author=who.name,
                change=RuleChange.CREATED,
                rule=rule,
                creator=who.name,
            )
            return self._write(made, who, action)

    def edit(self, rule_id: str, base: int, rule: Rule, who: Caller, action: Action = Action.EDIT_ALERT) -> RuleVersion:
        """Make a rule another one. ``base``: the version it was made from, which must be the newest."""
        with self._writing:
            current = self._changeable(rule_id, base, who, action)
            if rule.kind != current.rule.kind:
                raise ValueError(f"kind: a rule stays what it is, {current.rule.kind}. Create another rule instead")
            check_rule(rule, self._targets(), who.name)
            return self._write(self._next(current, RuleChange.EDITED, who, rule=rule), who, action)

    def delete(self, rule_id: str, base: int, who: Caller, action: Action = Action.DELETE_ALERT) -> RuleVersion:
        """Delete a rule. ``base``: as in `edit`."""
        with self._writing:
            current = self._changeable(rule_id, base, who, action)
            return self._write(self._next(current, RuleChange.DELETED, who, deleted=True), who, action)

    def mute(self, rule_id: str, until_ms: int, who: Caller) -> RuleVersion:
        """Tell nothing of a rule until then; what happens is recorded."""
        now_ms = self._clock()
        if not now_ms < until_ms <= now_ms + LONGEST_MUTE_MS:
            raise ValueError("until: a mute ends within a year from now. Choose a time to come")
        return self._set(rule_id, RuleChange.MUTED, who, muted_until_ms=until_ms)

    def unmute(self, rule_id: str, who: Caller) -> RuleVersion:
        """Tell of a rule again."""
        return self._set(rule_id, RuleChange.UNMUTED, who, muted_until_ms=0)

    def acknowledge(self, rule_id: str, who: Caller) -> RuleVersion:
        """Take notice of a rule that fires: no reminders until it recovers."""
        return self._set(rule_id, RuleChange.ACKNOWLEDGED, who, acknowledged_ms=self._clock())

    def sync_workspace_rules(self) -> int:
        """Make versions of what the workspace file says otherwise than the store; return how many."""
        with self._writing:
            wanted = dict(self._targets().file_rules)
            changes = []
            for known in self._newest(""):
                if known.owner is RuleOwner.WORKSPACE:
                    rule = wanted.pop(known.rule_id, None)
                    if rule is None and not known.deleted:
                        changes.append(self._next(known, RuleChange.DELETED, FILE, deleted=True))
                    elif rule is not None and known.deleted:
                        again = {"rule": rule, "deleted": False, "muted_until_ms": 0, "acknowledged_ms": 0}
                        changes.append(self._next(known, RuleChange.CREATED, FILE, **again))
                    elif rule is not None and rule != known.rule:
                        changes.append(self._next(known, RuleChange.EDITED, FILE, rule=rule))
            for rule_id, rule in wanted.items():
                changes.append(
                    RuleVersion(
                        rule_id=rule_id,
                        version=1,
                        at_ms=self._clock(),
                        author=FILE.name,
                        change=RuleChange.CREATED,
                        rule=rule,
                        creator=FILE.name,
                        owner=RuleOwner.WORKSPACE,
                    )
                )
            for version in changes:
                self._write(version, FILE, _ACTIONS[version.change])
            return len(changes)

    def _newest(self, rule_id: str) -> list[RuleVersion]:
        versions = []
        for row in self._store.view("alert_rule_versions", from_ms=LATEST_TIME_MS, rule_id=rule_id):
            try:
                versions.append(RuleVersion.from_row(row))
            except ValueError:  # made by a later version of Waybill; the other rules are not to suffer
                log.warning("alert rule %(rule)s cannot be read by this version of Waybill", {"rule": row["rule_id"]})
        return versions

    def _allow(self, who: Caller, action: Action, of: RuleVersion | None = None) -> None:
        own = of is None or of.creator == who.name
        if may(who.role, action, own=own):
            return
        if not may(who.role, action):
            raise NotAllowed(f"role {who.role} may not {action}; ask an owner")
        if may(Role.OWNER, action, own=False):
            raise NotAllowed(f"{of.creator if of else ''} made this rule: only they and owners may {action}")
        raise NotAllowed(f"{of.creator if of else ''} made this rule: only they may {action}. Create one of your own")

    def _changeable(self, rule_id: str, base: int, who: Caller, action: Action) -> RuleVersion:
        current = self.get(rule_id)
        if current.owner is RuleOwner.WORKSPACE:
            raise NotAllowed(f"{quoted(rule_id)} is a rule of the workspace file: edit alerts.rules there")
        self._allow(who, action, current)
        if base != current.version:
            text = f"{current.author} changed this rule meanwhile: it is at version {current.version}, not {base}."
            raise Outdated(f"{text} Look at it and try again", current)
        return current

    def _set(self, rule_id: str, change: RuleChange, who: Caller, **values: Any) -> RuleVersion:
        with self._writing:
            current = self.get(rule_id)
            self._allow(who, _ACTIONS[change], current)
            return self._write(self._next(current, change, who, **values), who, _ACTIONS[change])

    def _next(self, current: RuleVersion, change: RuleChange, who: Caller, **values: Any) -> RuleVersion:
        at_ms = max(self._clock(), current.at_ms)  # a clock set back must not put a change before what it changes
        number = current.version + 1
        return replace(current, version=number, at_ms=at_ms, author=who.name, change=change, **values)

    def _write(self, version: RuleVersion, who: Caller, action: Action) -> RuleVersion:
        """Say who does it before it is done."""
        details = {
            "change": version.change,
            "version": version.version,
            "kind": version.rule.kind,
            "name": version.rule.name,
            "muted_until_ms": version.muted_until_ms,
        }
        self._audit(
            Audited(
                at_ms=version.at_ms,
                run=f"alert-{version.rule_id}-{version.version}",
                author=who.name,
                role=who.role,
                action=action,
                subject=version.rule_id,
                details=orjson.dumps(details).decode(),
            )
        )
        refused = self._store.insert("alert_rules", [version.as_row()])
        if refused:
            raise StoreError(f"{self._store.name} refused the rule: {refused[0].reason}")
        return version
