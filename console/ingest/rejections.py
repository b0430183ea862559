"""Turns rejections into facts: one for each item with a messageId, to trace it; others are counted by code.

Anybody can send unknown write keys at any rate, so the number of their facts per second is limited.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from uuid import uuid4

from console.ingest.writer import Append, GroupWriter, Saturated
from flows.topics.interface import OUTCOMES, ProduceFailed
from model.recording.facts import Rejected, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """``count`` items rejected for one reason. ``source`` '': the write key is unknown."""

    source: str
    code: str
    message: str
    message_id: str = ""
    event_type: str = ""
    count: int = 1


def new_id() -> str:
    """Make a random id: of a rejection, or of an event that came without a messageId."""
    return str(uuid4())


ANONYMOUS_FACTS = 250  # between two writes


class RejectionFacts:
    """Makes the facts. Rejections without a known source are added up between two writes."""

    def __init__(self, *, clock: Callable[[], int], run: str) -> None:
        self._clock = clock
        self._run = run
        self._anonymous: dict[_Key, Rejection] = {}

    def take(self, rejections: Iterable[Rejection]) -> list[Append]:
        """Return the facts to append with the request; rejections without a source are kept for `write_anonymous`."""
        summed: dict[_Key, Rejection] = {}
        for rejection in rejections:
            if rejection.source:
                _add(summed, rejection)
            else:
                self._add_anonymous(rejection)
        return [self._fact(rejection) for rejection in summed.values()]

    async def write_anonymous(self, writer: GroupWriter) -> None:
        """Append the facts of rejections without a known source since the last call; keep them on failure."""
        taken, self._anonymous = self._anonymous, {}
        if not taken:
            return
        try:
            await writer.append([self._fact(rejection) for rejection in taken.values()])
        except (Saturated, ProduceFailed):
            for rejection in taken.values():
                self._add_anonymous(rejection)

    def _add_anonymous(self, rejection: Rejection) -> None:
        if len(self._anonymous) >= ANONYMOUS_FACTS:
            rejection = replace(rejection, message_id="", event_type="")
        _add(self._anonymous, rejection)

    def _fact(self, rejection: Rejection) -> Append:
        fact = Rejected(at_ms=self._clock(), run=self._run, rejection_id=new_id(), **asdict(rejection))
        return Append(OUTCOMES, fact.rejection_id.encode(), encode(fact))


_Key = tuple[str, str, str]  # source, code and messageId


def _add(summed: dict[_Key, Rejection], rejection: Rejection) -> None:
    """Add a rejection, keeping the message of the first one of its kind."""
    key = (rejection.source, rejection.code, rejection.message_id)
    first = summed.get(key)
    summed[key] = replace(first, count=first.count + rejection.count) if first else rejection
