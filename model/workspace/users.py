"""Section ``users`` of the workspace file: who may do what over the API. A token is kept as its hash only."""

from hashlib import sha256
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from model.config.env_string import config_error
from model.config.fields import Name, Slug
from model.config.mail_address import MailAddress
from model.config.section import Section
from model.workspace.permissions import Role

_HASH_CHARS = 64


def _check_hash(text: str) -> str:
    if len(text) != _HASH_CHARS or not all(char in "0123456789abcdef" for char in text):
        raise config_error("this is no hash of a token", "Write what `waybill token` prints: 64 hex digits")
    return text


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
    token_hashes: tuple[Annotated[str, AfterValidator(_check_hash)], ...] = Field(default=(), max_length=20)
    """Hashes of API tokens, as `waybill token` prints them."""

    @property
    def permission(self) -> Role:
        """The role as permissions know it."""
        return Role(self.role)
