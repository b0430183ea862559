"""Callers: the name and role behind a request or a command."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from model.recording.facts import Audited
from model.workspace.permissions import Role

AUTHOR_HEADER = "waybill-author"  # sent by commands of the data directory's owner: their name, percent-encoded


@dataclass(frozen=True, slots=True)
class Caller:
    """``name``: id of a user of the workspace, or of the operating-system user who owns the data directory."""

    name: str
    role: Role


def local_author() -> str:
    """Return the name of the operating-system user, who may open the data directory and so acts as owner."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a user without a name
        return f"uid {os.getuid()}"


def audited(who: Caller, action: str, subject: str, details: Mapping[str, Any], *, at_ms: int, run: str) -> Audited:
    """Make the record that ``who`` is about to do something; ``details`` as JSON types, redacted."""
    text = orjson.dumps(details).decode()
    return Audited(at_ms=at_ms, run=run, author=who.name, role=who.role, action=action, subject=subject, details=text)
