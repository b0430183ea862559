"""Who calls: the name and role behind a request or a command."""

import getpass
from dataclasses import dataclass

from model.workspace.permissions import Role

AUTHOR_HEADER = "waybill-author"  # sent by commands of the data directory's owner: their name, percent-encoded


@dataclass(frozen=True, slots=True)
class Caller:
    """The user's id, or the owner of the data directory, and the role."""

    name: str
    role: Role


def local_author() -> str:
    """Return the name of the operating-system user; it owns the data directory, so it acts as owner."""
    return getpass.getuser()
