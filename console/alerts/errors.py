"""Why a request about an alert rule is refused."""

from model.alerts.version import RuleVersion


class NotAllowed(ValueError):
    """The caller's role does not permit it, or somebody else made the rule."""


class NoSuchRule(ValueError):
    """The rule does not exist, or was deleted."""


class Outdated(ValueError):
    """Somebody else changed the rule meanwhile; ``current`` is its newest version."""

    def __init__(self, text: str, current: RuleVersion) -> None:
        super().__init__(text)
        self.current = current
