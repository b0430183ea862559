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


_FOR_EVERYBODY = frozenset({Action.READ, Action.SUBSCRIBE})  # the rest is for owners and writers
# What may be done to what somebody else made, where that differs: owners may delete or mute it, nobody may edit it.
_TO_OTHERS: dict[Action, frozenset[Role]] = {
    Action.EDIT_ALERT: frozenset(),
    Action.DELETE_ALERT: frozenset({Role.OWNER}),
    Action.MUTE_ALERT: frozenset({Role.OWNER}),
    Action.SUBSCRIBE: frozenset(),
}


def may(role: Role, action: Action, *, own: bool = True) -> bool:
    """Whether somebody with this role may do that. ``own``: to something of their own."""
    if not own and action in _TO_OTHERS:
        return role in _TO_OTHERS[action]
    return action in _FOR_EVERYBODY or role is not Role.READ
