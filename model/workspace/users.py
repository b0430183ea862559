"""Section ``users`` of the workspace file: who may do what over the API. A token is kept as its hash only."""

import re
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import Field

from model.config.env_string import require
from model.config.fields import Name, Slug
from model.config.mail_address import MailAddress
from model.config.section import Section
from model.workspace.permissions import Role

_Hash = Annotated[
    str,
    require(
        re.compile("[0-9a-f]{64}").fullmatch,
        "this is no hash of a token",
        "Write what `waybill token` prints: 64 hex digits",
    ),
]


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
