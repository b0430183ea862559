"""Results per item in responses, as declared in the workspace.

Two forms. By position, the list has an entry for each item, in order; by index, it lists some of them, such as the
refused ones, by their position in the request (from 0). A response with a declared status but another form is a failure
of all its items (`unreadable`): if one entry cannot be assigned, none is trusted.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AfterValidator, Field, model_validator

from model.config.env_string import EnvString, config_error
from model.config.fields import HeaderName, HeaderValue, Secret, Url
from model.config.section import Section
from model.destinations.destination import BatchConfig, HttpDestination, Item, ItemAnswer
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
from model.destinations.signing import signature_headers
from model.http.failure import FailureClass, partner_message
from model.http.failure_rules import Statuses
from model.http.messages import HttpRequest, HttpResponse
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
    """Where a response lists results per event, and how to read them. Paths within an entry start at the entry."""

    at: Path = Field(alias="list")
    """Path of the list, such as $.results; $ when the body is the list."""
    by: Literal["position"] | None = None
    """position: one entry for each event, in the order they were sent."""
    index: Path | None = None
    """Path in an entry to the position of its event in the request, from 0. Instead of `by`."""
    status: Path | None = None
    """Path in an entry to the HTTP status of its event: a number, or a text of three digits."""
    failed_when: Annotated[dict[Path, Scalar | tuple[Scalar, ...]], Field(min_length=1, max_length=20)] | None = None
    """Instead of `status`: the event failed when these fields of the entry have these values (one of, for a list)."""
    message: Path | Annotated[tuple[Path, ...], Field(min_length=1, max_length=10)] | None = None
    """Paths in an entry to its message; the first one found is used. Not given: message, error, errors, detail."""
    failure: Literal["discard", "retry"] = Field(default="discard", alias="class")
    """How to treat a failed event without a status. discard: do not send it again. retry: try again later."""
    others: Literal["delivered", "retry", "status"] | None = None
    """With `index`: how to treat events without an entry. status: by the status of the response."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.by is None) == (self.index is None):
            raise config_error("it is not defined which event an entry is about", "Write either by: position or index")
        if self.by is not None and (self.status is None) == (self.failed_when is None):
            raise config_error(
                "it is not defined which entries are about failed events", "Write either status or failed_when"
            )
        if self.by is not None and self.others is not None:
            raise config_error("by position every event has an entry, so there are no others", "Remove others")
        if self.index is not None and self.failed_when is not None:
            raise config_error(
                "failed_when goes with by: position", "Write status, or neither if all entries are failures"
            )
        if self.index is not None and self.others is None:
            raise config_error(
                "it is not defined how to treat events without an entry", "Add others: delivered, retry or status"
            )
        return self

    def read(self, response: HttpResponse, count: int) -> list[ItemAnswer | None] | list[ItemAnswer]:
        """Return the result of each item; None where the status of the response decides."""
        said = parsed(response)
        answers = said if isinstance(said, Unread) else self._answers(said, count)
        return unreadable(answers, count) if isinstance(answers, Unread) else answers

    def _answers(self, said: Any, count: int) -> list[ItemAnswer | None] | Unread:
        found = _resolver(self.at)(said)
        if self.index is not None:
            if isinstance(said, dict) and not is_given(found):
                found = []  # a response without the list names no event
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
                return Unread(f"an entry at {self.at} has no position of a sent event at {path}")
            answer = self._answer(entry)
            if named.setdefault(index, answer).failure is not answer.failure:
                return Unread(f"two entries at {self.at} contradict each other about event {index}")
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
        """The message is not redacted; `flows.delivery.responses` redacts and shortens it."""
        paths = (self.message,) if isinstance(self.message, str) else self.message or ()
        found = (_resolver(path)(entry) for path in paths)
        said = next((value for value in found if is_given(value) and value != ""), entry)
        return partner_message({}, orjson.dumps({"message": said} if isinstance(said, str) else said))


def _matches(read: Resolver, entry: Any, values: Scalar | tuple[Scalar, ...]) -> bool | None:
    """None: the entry has no such field, so it is unknown."""
    found = read(entry)
    if found is PATH_MISSING:
        return None
    among = values if isinstance(values, tuple) else (values,)
    return any(found == value and isinstance(found, bool) == isinstance(value, bool) for value in among)


class AnswerConfig(Section):
    """Responses of one kind, with results per event."""

    status: Statuses
    """Their status, such as 200, a class such as 2xx, or a list of these."""
    items: ItemsConfig
    """Where and how they list results per event."""

    def concerns(self, status: int) -> bool:
        """Whether it applies to this status."""
        return status in self.status or f"{status // 100}xx" in self.status


class DeclaredDestination(HttpDestination):
    """A URL of the user's choice. The workspace may declare its responses; a 207 needs no declaration
    (`multi_status`)."""

    answers_by_item: ClassVar[bool] = True

    url: Url
    """Where events are sent: http or https, no user name or password. ${NAME} is allowed."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """HTTP method."""
    headers: dict[HeaderName, HeaderValue] = Field(default={}, max_length=50)
    """Headers added to every request. Credentials only as ${NAME}."""
    signing_secret: Secret | None = None
    """Signs every request, so that the receiver can verify the sender. Only as ${NAME}."""
    batch: BatchConfig = BatchConfig(max_events=1)
    """Several events in one request (JSON: as an array). Not given: one event a request."""
    answers: Annotated[tuple[AnswerConfig, ...], Field(max_length=20)] = ()
    """Which responses list results per event, and how; the first with a matching status is used."""

    @property
    def endpoint(self) -> EnvString:
        """The URL."""
        return self.url

    @property
    def reads_bodies(self) -> bool:
        """True with declared responses, and with rules about bodies."""
        return bool(self.answers) or super().reads_bodies

    def read(self, response: HttpResponse, items: Sequence[Item]) -> Sequence[ItemAnswer | None] | None:
        """Read declared responses and 207 responses."""
        for declared in self.answers:
            if declared.concerns(response.status):
                return declared.items.read(response, len(items))
        return read_multi_status(response, len(items), batched=self.batching().max_events > 1)

    def json_body(self, items: Sequence[Item]) -> bytes:
        """A single event byte for byte, or a JSON array if batches were asked for."""
        if self.batch.max_events == 1:
            return items[0].json
        return b"[" + b",".join(item.json for item in items) + b"]"

    def signed_request(
        self, items: Sequence[Item], body: bytes, now_ms: int, headers: Mapping[str, str] | None = None
    ) -> HttpRequest:
        """Make a call, signed if there is a secret; the workspace's headers win over ``headers`` (in lower case)."""
        named = {**(headers or {}), **{name.lower(): value.value for name, value in self.headers.items()}}
        named |= signature_headers(self.signing_secret, items, body, now_ms)
        return self.json_request(items, body, url=self.url.value, method=self.method, headers=named)
