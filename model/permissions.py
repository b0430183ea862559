"""Who may do what: the one place that decides, for command line, API and pages alike."""

from enum import StrEnum


class Role(StrEnum):
    """What somebody is here. A shell that owns the data directory is an owner."""

    OWNER = "owner"
    WRITE = "write"
    READ = "read"


class Action(StrEnum):
    """What can be done."""

    LOOK = "look"  # reports, traces, views
    TEST_EVENT = "test-event"
    REDRIVE = "redrive"


_ALLOWED = {
    Action.LOOK: {Role.OWNER, Role.WRITE, Role.READ},
    Action.TEST_EVENT: {Role.OWNER, Role.WRITE},
    Action.REDRIVE: {Role.OWNER, Role.WRITE},
}


def may(role: Role, action: Action) -> bool:
    """Whether somebody with this role may do that."""
    return role in _ALLOWED[action]
