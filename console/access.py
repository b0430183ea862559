"""Who calls: the identity and role behind a request or a command, and what both APIs accept from a caller."""

import getpass
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from model.workspace.permissions import Role

AUTHOR_HEADER = "waybill-author"  # sent by commands of the data directory's owner: their name, percent-encoded
AUTHOR_LIMIT_CHARS = 100
REQUEST_BODY_LIMIT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Caller:
    """The user's id, or the owner of the data directory, and the role."""

    name: str
    role: Role


Identify = Callable[[Request], Caller | None]


def local_author() -> str:
    """Return the name of the operating-system user; it owns the data directory, so it acts as owner."""
    return getpass.getuser()
