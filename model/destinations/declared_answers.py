"""What the workspace says of a destination's answers: in which of them single items are spoken of, and how.

Two forms. By position, the list has an entry for each item sent, in their order; by index, it names some of them, such
as the refused ones, by their place in the request (from 0). An answer that has a declared status and is not of the
declared form is a failure of all its items (`unreadable`): if one entry cannot be placed, none is believed.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AfterValidator, Field, model_validator

from model.config.env_string import config_error
from model.config.section import Section
from model.destinations.destination import HttpDestination, Item, ItemAnswer
from model.destinations.multi_status import (
    MISSING,
    Unread,
    answer_with,
    is_position,
    parsed,
    read_multi_status,
    status_of,
    unreadable,
)
from model.http.failure import FailureClass, partner_message
from model.http.failure_rules import Statuses
from model.http.messages import HttpResponse
from model.mapping.paths import Resolver, from_root
from model.mapping.values import MISSING as PATH_MISSING
from model.mapping.values import is_given

ITEM_REFUSED = "BATCH_ITEM_REFUSED"
PATH_LIMIT_CHARS = 200
_TAKEN = ItemAnswer(FailureClass.DELIVERED)

_resolver = lru_cache(maxsize=1_000)(from_root)


def _check_path(path: str) -> str:
    if not path.isprintable() or path != path.strip() or path in ("$.", ".") or ".." in path:
        raise config_error("this is no path", "Write names with dots between them, such as $.results or error.message")
    return path


Path = Annotated[str, Field(min_length=1, max_length=PATH_LIMIT_CHARS), AfterValidator(_check_path)]
Scalar = str | int | float | bool | None


class ItemsConfig(Section):
    """Where an answer speaks of single events, and how what it says reads. Paths within an entry begin at the entry."""

    at: Path = Field(alias="list")
    """Path of the list, such as $.results; $ when the body is the list."""
    by: Literal["position"] | None = None
    """position: one entry for each event, in the order they were sent."""
    index: Path | None = None
    """Where an entry says which event it is about: a number, 0 for the first of the request. Instead of `by`."""
    status: Path | None = None
    """Where an entry has the HTTP status of its event: a number, or text of three digits."""
    failed_when: Annotated[dict[Path, Scalar | tuple[Scalar, ...]], Field(min_length=1, max_length=20)] | None = None
    """Instead of `status`: the event failed when these fields of the entry have these values (one of, for a list)."""
    message: Path | Annotated[tuple[Path, ...], Field(min_length=1, max_length=10)] | None = None
    """Where an entry has the words to report: the first path with any. Not given: message, error, errors, detail."""
    failure: Literal["discard", "retry"] = Field(default="discard", alias="class")
    """What becomes of a failed event that has no status of its own. discard: give it up. retry: try again later."""
    others: Literal["delivered", "retry", "status"] | None = None
    """With `index`: what becomes of events that no entry is about. status: what the status of the answer says."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.by is None) == (self.index is None):
            raise config_error("it is not said which event an entry is about", "Write either by: position or index")
        if self.by is not None and (self.status is None) == (self.failed_when is None):
            raise config_error(
                "it is not said which entries are about failed events", "Write either status or failed_when"
            )
        if self.by is not None and self.others is not None:
            raise config_error("by position every event has an entry, so there are no others", "Remove others")
        if self.index is not None and self.failed_when is not None:
            raise config_error(
                "failed_when goes with by: position", "Write status, or neither if all entries are failures"
            )
        if self.index is not None and self.others is None:
            raise config_error(
                "it is not said what becomes of events without an entry", "Add others: delivered, retry or status"
            )
        return self

    def read(self, response: HttpResponse, count: int) -> list[ItemAnswer | None] | list[ItemAnswer]:
        """Return the answer about each item; None for one that the status of the whole answer counts for."""
        said = parsed(response)
        answers = said if isinstance(said, Unread) else self._answers(said, count)
        return unreadable(answers, count) if isinstance(answers, Unread) else answers

    def _answers(self, said: Any, count: int) -> list[ItemAnswer | None] | Unread:
        found = _resolver(self.at)(said)
        if self.index is not None:
            if isinstance(said, dict) and not is_given(found):
                found = []  # an answer without the list names no event
            if not isinstance(found, list):
                return Unread(f"it has no list at {self.at}")
            return self._by_index(found, count, self.index)
        if not isinstance(found, list):
            return Unread(f"it has no list at {self.at}")
        if len(found) > count:
            return Unread(f"the list at {self.at} has {len(found)} entries")
        return [self._answer(found[index]) if index < len(found) else MISSING for index in range(count)]

    def _by_index(self, entries: list[Any], count: int, path: str) -> list[ItemAnswer | None] | Unread:
        others = {"delivered": _TAKEN, "retry": MISSING}.get(self.others or "")
        answers: list[ItemAnswer | None] = [others] * count
        named: dict[int, ItemAnswer] = {}
        place = _resolver(path)
        for entry in entries:
            index = place(entry) if isinstance(entry, dict) else None
            if not is_position(index, count):
                return Unread(f"an entry at {self.at} has at {path} no place of an event that was sent")
            answer = self._answer(entry)
            if named.setdefault(index, answer).failure is not answer.failure:
                return Unread(f"two entries at {self.at} say different things of event {index}")
            answers[index] = named[index]
        return answers

    def _answer(self, entry: Any) -> ItemAnswer:
        if not isinstance(entry, dict):
            return MISSING
        if self.status is not None:
            status = status_of(_resolver(self.status)(entry))
            if status is None:
                return MISSING
            answer = answer_with(status, entry)
            return ItemAnswer(answer.failure, answer.code, self._words(entry), status) if answer.code else answer
        if self.failed_when is not None:
            failed = [_matches(_resolver(path), entry, values) for path, values in self.failed_when.items()]
            if None in failed:
                return MISSING
            if not all(failed):
                return _TAKEN
        return ItemAnswer(FailureClass(self.failure), ITEM_REFUSED, self._words(entry))

    def _words(self, entry: Any) -> str:
        """The message is not yet redacted; `flows.delivery.responses` does that and cuts it."""
        paths = (self.message,) if isinstance(self.message, str) else self.message or ()
        found = (_resolver(path)(entry) for path in paths)
        said = next((value for value in found if is_given(value) and value != ""), entry)
        return partner_message({}, orjson.dumps({"message": said} if isinstance(said, str) else said))


def _matches(read: Resolver, entry: Any, values: Scalar | tuple[Scalar, ...]) -> bool | None:
    """None: the entry has no such field, so it cannot be told."""
    found = read(entry)
    if found is PATH_MISSING:
        return None
    among = values if isinstance(values, tuple) else (values,)
    return any(found == value and isinstance(found, bool) == isinstance(value, bool) for value in among)


class AnswerConfig(Section):
    """Answers of one kind, which speak of single events."""

    status: Statuses
    """The status they have, such as 200, all of a hundred such as 2xx, or a list of these."""
    items: ItemsConfig
    """Where and how they speak of single events."""

    def concerns(self, status: int) -> bool:
        """Whether it is about answers with this status."""
        return status in self.status or f"{status // 100}xx" in self.status


class DeclaredDestination(HttpDestination):
    """A destination whose answers the workspace may declare; a 207 is understood without (`multi_status`)."""

    answers_by_item: ClassVar[bool] = True

    answers: Annotated[tuple[AnswerConfig, ...], Field(max_length=20)] = ()
    """Which answers speak of single events, and how; the first whose status fits is taken."""

    @property
    def reads_bodies(self) -> bool:
        """Declared answers, and rules about bodies."""
        return bool(self.answers) or super().reads_bodies

    def read(self, response: HttpResponse, items: Sequence[Item]) -> Sequence[ItemAnswer | None] | None:
        """Declared answers and a 207 speak of each item."""
        for declared in self.answers:
            if declared.concerns(response.status):
                return declared.items.read(response, len(items))
        return read_multi_status(response, len(items), batched=self.batching().max_events > 1)
