"""The alert rules of a deployment, kept as versions in the store. Each change is checked, permitted and audited, then
written as a new version.

One process at a time changes rules: it holds the lock of the data directory. In it, a lock around reading the newest
version and writing the next one lets no two threads write the same version.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

from console.access import Caller, audited
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


class NotAllowed(ValueError):
    """The caller's role does not permit it, or somebody else made the rule."""


class NoSuchRule(ValueError):
    """The rule does not exist, or was deleted."""


class Outdated(ValueError):
    """Somebody else changed the rule meanwhile; ``current`` is its newest version."""

    def __init__(self, text: str, current: RuleVersion) -> None:
        super().__init__(text)
        self.current = current


@dataclass(frozen=True, slots=True)
class Rules:
    """All methods raise what the store and ``audit`` raise, and `NotAllowed`, `NoSuchRule` or `Outdated`.

    audit: keeps a record of who did what, durable on return. clock: Unix ms. new_id: makes a unique rule id.
    """

    store: Store
    audit: Callable[[Audited], None]
    targets: Callable[[], RuleTargets]
    clock: Callable[[], int]
    new_id: Callable[[], str]
    _writing: Lock = field(default_factory=Lock, init=False)

    def all(self) -> list[RuleVersion]:
        """Return the newest version of every rule that is not deleted, ordered by rule id."""
        return [version for version in self._newest("") if not version.deleted]

    def get(self, rule_id: str) -> RuleVersion:
        """Return the newest version of a rule."""
        found = self._newest(rule_id) if rule_id else []
        if not found or found[0].deleted:
            gone = f": {found[0].author} deleted it" if found else ". `waybill alerts list` shows the existing ones"
            raise NoSuchRule(f"there is no alert rule {quoted(rule_id)}{gone}")
        return found[0]

    def create(self, rule: Rule, who: Caller, action: Action = Action.CREATE_ALERT) -> RuleVersion:
        """Create a rule. ``action``: the permission that it needs."""
        self._allow(who, action)
        check_rule(rule, self.targets(), who.name)
        with self._writing:
            if len(self.all()) >= RULES_LIMIT:
                raise ValueError(f"there are {RULES_LIMIT:,} alert rules, which is the limit: delete some first")
            return self._write(self._first(self.new_id(), rule, who), who, action)

    def edit(self, rule_id: str, base: int, rule: Rule, who: Caller, action: Action = Action.EDIT_ALERT) -> RuleVersion:
        """Replace a rule. ``base``: the version that the change is based on, which must be the newest."""
        with self._writing:
            current = self._changeable(rule_id, base, who, action)
            if rule.kind != current.rule.kind:
                raise ValueError(f"kind: a rule keeps its kind, {current.rule.kind}. Create another rule instead")
            check_rule(rule, self.targets(), who.name)
            return self._write(self._next(current, RuleChange.EDITED, who, rule=rule), who, action)

    def delete(self, rule_id: str, base: int, who: Caller, action: Action = Action.DELETE_ALERT) -> RuleVersion:
        """Delete a rule. ``base``: as in `edit`."""
        with self._writing:
            current = self._changeable(rule_id, base, who, action)
            return self._write(self._next(current, RuleChange.DELETED, who, deleted=True), who, action)

    def mute(self, rule_id: str, until_ms: int, who: Caller) -> RuleVersion:
        """Send no notifications of a rule until then; its changes are still recorded."""
        now_ms = self.clock()
        if not now_ms < until_ms <= now_ms + LONGEST_MUTE_MS:
            raise ValueError("until: a mute ends within a year from now. Choose a time in the future")
        return self._set(rule_id, RuleChange.MUTED, who, muted_until_ms=until_ms)

    def unmute(self, rule_id: str, who: Caller) -> RuleVersion:
        """Send notifications of a rule again."""
        return self._set(rule_id, RuleChange.UNMUTED, who, muted_until_ms=0)

    def acknowledge(self, rule_id: str, who: Caller) -> RuleVersion:
        """Acknowledge a rule that fires: no reminders until it recovers."""
        return self._set(rule_id, RuleChange.ACKNOWLEDGED, who, acknowledged_ms=self.clock())

    def sync_workspace_rules(self) -> int:
        """Write versions for the rules that differ between the workspace file and the store; return how many."""
        with self._writing:
            wanted = dict(self.targets().file_rules)
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
            changes += [self._first(id_, rule, FILE, RuleOwner.WORKSPACE) for id_, rule in wanted.items()]
            for version in changes:
                self._write(version, FILE, _ACTIONS[version.change])
            return len(changes)

    def _newest(self, rule_id: str) -> list[RuleVersion]:
        versions = []
        for row in self.store.view("alert_rule_versions", from_ms=LATEST_TIME_MS, rule_id=rule_id):
            try:
                versions.append(RuleVersion.from_row(row))
            except ValueError:  # written by a later version of Waybill; the other rules stay usable
                log.warning("alert rule %(rule)s cannot be read by this version of Waybill", {"rule": row["rule_id"]})
        return versions

    def _allow(self, who: Caller, action: Action, of: RuleVersion | None = None) -> None:
        creator = of.creator if of else who.name
        if may(who.role, action, own=creator == who.name):
            return
        if not may(who.role, action):
            raise NotAllowed(f"role {who.role} may not {action}; ask an owner")
        if may(Role.OWNER, action, own=False):
            raise NotAllowed(f"{creator} made this rule: only they and owners may {action}")
        raise NotAllowed(f"{creator} made this rule: only they may {action}. Create your own rule")

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

    def _first(self, rule_id: str, rule: Rule, who: Caller, owner: RuleOwner = RuleOwner.USER) -> RuleVersion:
        return RuleVersion(
            rule_id=rule_id,
            version=1,
            at_ms=self.clock(),
            author=who.name,
            change=RuleChange.CREATED,
            rule=rule,
            creator=who.name,
            owner=owner,
        )

    def _next(self, current: RuleVersion, change: RuleChange, who: Caller, **values: Any) -> RuleVersion:
        at_ms = max(self.clock(), current.at_ms)  # a clock set back must not order a version before its base
        number = current.version + 1
        return replace(current, version=number, at_ms=at_ms, author=who.name, change=change, **values)

    def _write(self, version: RuleVersion, who: Caller, action: Action) -> RuleVersion:
        """Record who makes the change, then write it."""
        details = {
            "change": version.change,
            "version": version.version,
            "kind": version.rule.kind,
            "name": version.rule.name,
            "muted_until_ms": version.muted_until_ms,
        }
        run = f"alert-{version.rule_id}-{version.version}"
        self.audit(audited(who, action, version.rule_id, details, at_ms=version.at_ms, run=run))
        refused = self.store.insert("alert_rules", [version.as_row()])
        if refused:
            raise StoreError(f"{self.store.name} refused the rule: {refused[0].reason}")
        return version
