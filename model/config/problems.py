"""Errors and warnings of a workspace file, each with its place and a remedy."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

FieldPath = tuple[str | int, ...]  # keys and list indexes from the top of the file to a value

QUOTE_LIMIT_CHARS = 64  # longer than any valid name
SUGGEST_FROM_LIMIT = 500  # comparing with more names takes seconds in a file full of errors
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")


class DiagnosticSeverity(StrEnum):
    """An error keeps the file from being used; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Violation(NamedTuple):
    """A broken rule and its place in the file."""

    path: FieldPath
    message: str
    remedy: str
    severity: DiagnosticSeverity = DiagnosticSeverity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One error or warning. ``line`` and ``column`` count from 1; 0 for the file as a whole."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""  # such as destinations[2].url; '' for the file as a whole
    message: str
    remedy: str
    severity: DiagnosticSeverity = DiagnosticSeverity.ERROR

    @property
    def place(self) -> str:
        """``file:line:column``, which editors and terminals turn into a link."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def text(self) -> str:
        """Message and remedy as sentences."""
        return f"{self.message}. {self.remedy}{'' if self.remedy.endswith('?') else '.'}"

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.path, self.text) if part)


class WorkspaceInvalid(ValueError):
    """The workspace file cannot be used; ``problems`` holds all errors and warnings."""

    def __init__(self, problems: Iterable[Diagnostic]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems if p.severity is DiagnosticSeverity.ERROR))


def format_path(path: FieldPath) -> str:
    """Format a path: ``destinations[2].headers["odd key"]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def quoted(text: str) -> str:
    """Quote a name from the file: shortened, and with control characters escaped."""
    return repr(text if len(text) <= QUOTE_LIMIT_CHARS else text[:QUOTE_LIMIT_CHARS] + "…")


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Suggest the nearest known name; ``otherwise`` when none is near."""
    names = list(known)[:SUGGEST_FROM_LIMIT]
    near = get_close_matches(word, names, n=1) if len(word) <= QUOTE_LIMIT_CHARS else []
    return f"Did you mean {quoted(near[0])}?" if near else otherwise
