"""Who may do what, for the command line, the API and the pages."""

from enum import StrEnum


class Role(StrEnum):
    """A user's role. A shell with access to the data directory is an owner."""

    OWNER = "owner"
    WRITE = "write"
    READ = "read"


class Action(StrEnum):
    """What a user can do."""

    READ = "read"  # reports, traces, views, rules and their history
    TEST_EVENT = "test-event"
    REDRIVE = "redrive"
    CREATE_ALERT = "create-alert"
    EDIT_ALERT = "edit-alert"
    DELETE_ALERT = "delete-alert"
    MUTE_ALERT = "mute-alert"  # and unmute
    ACKNOWLEDGE_ALERT = "acknowledge-alert"
    SUBSCRIBE = "subscribe"  # and unsubscribe
    TEST_CHANNEL = "test-channel"


_EVERYBODY = frozenset(Role)
_WRITERS = frozenset({Role.OWNER, Role.WRITE})
_OWNERS = frozenset({Role.OWNER})
_NOBODY: frozenset[Role] = frozenset()

_ALLOWED = {
    Action.READ: _EVERYBODY,
    Action.TEST_EVENT: _WRITERS,
    Action.REDRIVE: _WRITERS,
    Action.CREATE_ALERT: _WRITERS,
    Action.EDIT_ALERT: _WRITERS,
    Action.DELETE_ALERT: _WRITERS,
    Action.MUTE_ALERT: _WRITERS,
    Action.ACKNOWLEDGE_ALERT: _WRITERS,
    Action.SUBSCRIBE: _EVERYBODY,
    Action.TEST_CHANNEL: _WRITERS,
}
# Different rights for what somebody else made: owners may delete or mute it, nobody may edit it.
_ALLOWED_TO_OTHERS = {
    Action.EDIT_ALERT: _NOBODY,
    Action.DELETE_ALERT: _OWNERS,
    Action.MUTE_ALERT: _OWNERS,
    Action.SUBSCRIBE: _NOBODY,
}


def may(role: Role, action: Action, *, own: bool = True) -> bool:
    """Whether somebody with this role may do that. ``own``: to something of their own."""
    return role in (_ALLOWED[action] if own else _ALLOWED_TO_OTHERS.get(action, _ALLOWED[action]))
