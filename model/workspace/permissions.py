"""Who may do what, for the command line, the API and the pages: section ``users`` of the workspace file, and roles.

A token is kept as its hash only.
"""

import re
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import Field

from model.config.env_string import require
from model.config.fields import Name, Slug
from model.config.mail_address import MailAddress
from model.config.section import Section

_Hash = Annotated[
    str,
    require(
        re.compile("[0-9a-f]{64}").fullmatch,
        "this is no hash of a token",
        "Write what `waybill token` prints: 64 hex digits",
    ),
]


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


def hash_of(token: str) -> str:
    """The hash of a token in the workspace file; tokens are random, so an unsalted hash is enough."""
    return sha256(token.encode()).hexdigest()


class User(Section):
    """A person, or a program with a token."""

    id: Slug
    """Short name used in the audit log."""
    name: Name = ""
    """Name for people; not given: the id."""
    email: MailAddress | None = None
    """Mail address."""
    role: Literal["owner", "write", "read"]
    """owner: everything. write: read, and actions with effects outside. read: only read."""
    token_hashes: tuple[_Hash, ...] = Field(default=(), max_length=20)
    """Hashes of API tokens, as `waybill token` prints them."""

    @property
    def permission(self) -> Role:
        """The role as permissions know it."""
        return Role(self.role)
