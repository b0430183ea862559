"""What goes wrong with the next statements, as the test orders it over ``/control``."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.kit.clickhouse.protocol import Answer, Statement, refusal

# reset: the connection, before anything was done; cut: in the middle of the answer; lost: the answer of an INSERT whose
# rows are written; 500, 502, 503: the answer of a proxy, which knows nothing of ClickHouse.
KINDS = ("reset", "500", "502", "503", "cut", "lost")


@dataclass
class Faults:
    """Thread-safe. Statements are remembered: their first line, settings and encoding, never rows."""

    hang: bool = False
    left: dict[str, int] = field(default_factory=dict)  # kind: how many statements more
    refuse: dict[str, Any] | None = None  # text, code, name: an INSERT that holds the text gets this error
    lost: int = 0
    statements: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=5_000))
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def order(self, *, hang: bool = False, refuse: dict[str, Any] | None = None, **left: int) -> None:
        """Replace all that was ordered before."""
        if unknown := left.keys() - set(KINDS):
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
        with self._changed:
            self.hang, self.refuse, self.left = hang, refuse, dict(left)
            self._changed.notify_all()

    def report(self) -> dict[str, Any]:
        """What is still to come and what has been."""
        with self._changed:
            return {"left": self.left, "lost": self.lost, "statements": list(self.statements)}

    def meet(self, statement: Statement, encoding: str) -> str:
        """Note a statement, hang while that is ordered, and return what happens to it: a kind, or ''."""
        with self._changed:
            sql = statement.sql.lstrip().partition(b"\n")[0][:200].decode(errors="replace")
            self.statements.append({"sql": sql, "settings": dict(statement.settings), "encoding": encoding})
            if self.hang:
                self._changed.wait_for(lambda: not self.hang)
                return "reset"
            for kind in KINDS:
                if self.left.get(kind) and (kind != "lost" or statement.is_insert):
                    self.left[kind] -= 1
                    self.lost += kind == "lost"
                    return kind
            return ""

    def refused(self, statement: Statement) -> Answer | None:
        """The error of an INSERT that holds what is not wanted."""
        with self._changed:
            refuse = self.refuse
        if refuse is None or not statement.is_insert or refuse["text"].encode() not in statement.sql:
            return None
        return refusal(refuse["code"], refuse["name"], "this row is not wanted")
