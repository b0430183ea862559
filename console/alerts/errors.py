"""What somebody is told whose wish about an alert rule cannot be granted."""

from model.alerts.version import RuleVersion


class NotAllowed(ValueError):
    """Their role, or that somebody else made the rule, forbids it."""


class NoSuchRule(ValueError):
    """There is no such rule, or no more."""


class Outdated(ValueError):
    """Somebody else changed the rule meanwhile; ``current`` is how it stands."""

    def __init__(self, text: str, current: RuleVersion) -> None:
        super().__init__(text)
        self.current = current
