"""What the lanes of one process share: destinations, the call loop, the budget, the clock, the samplers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flows.calls import CallLoop
from flows.held import Held
from flows.room import Room
from flows.ticks import TickBook
from model.attempt import Answer
from model.delivery import Delivery
from model.failure import FailureClass, classify, partner_message, retry_after_ms
from model.redaction import Redactor
from model.sampling import Sampler
from model.schedule import RetryPolicy
from sinks.http import HttpFailure, HttpRequest, HttpResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationDesk:
    """One destination as the lanes see it."""

    build_request: Callable[[Delivery], HttpRequest]
    concurrency: int


@dataclass(slots=True, kw_only=True)
class Desk:
    """Shared by the lanes of a process. ``off`` gives the reason a delivery's connection no longer sends, or None."""

    run: str
    clock: Callable[[], int]
    random: Callable[[], float]
    destinations: Mapping[str, DestinationDesk]
    off: Callable[[Delivery], str | None]
    policy: RetryPolicy
    setup_probe_ms: int
    max_wait_in_room_ms: int
    held: Held
    calls: CallLoop
    ticks: TickBook
    sampler: Sampler
    redactor: Redactor
    restored_after_crash: bool
    outcomes_partitions: int
    stop_by_ms: int | None = field(default=None)  # set at the first lane's end: when to stop waiting for calls

    def room(self, destination: str) -> Room:
        """Make the room of a destination."""
        return Room(
            destination,
            concurrency=self.destinations[destination].concurrency,
            max_wait_ms=self.max_wait_in_room_ms,
        )

    def answer(self, result: HttpResponse | HttpFailure, *, started_ms: int, finished_ms: int) -> Answer:
        """Classify what a call brought; texts of the partner are redacted here, before anything is written."""
        http_ms = max(0, finished_ms - started_ms)
        if isinstance(result, HttpFailure):
            failure, code = classify(result.code)
            return Answer(
                failure=failure, code=code, http_status=0, http_ms=http_ms, message=self.redactor.text(result.message)
            )
        failure, code = classify(result.status)
        if failure is FailureClass.DELIVERED:
            return Answer(failure=failure, code="", http_status=result.status, http_ms=http_ms)
        return Answer(
            failure=failure,
            code=code,
            http_status=result.status,
            http_ms=http_ms,
            message=self.redactor.text(partner_message(result.headers, result.body)),
            retry_after_ms=retry_after_ms(result.headers, finished_ms),
        )
