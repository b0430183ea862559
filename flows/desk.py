"""What the lanes of one process share: the configuration, the call loop, the budget, the clock, the samplers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from flows.calls import CallLoop
from flows.configuration import Configuration
from flows.gate import Gate
from flows.held import Held
from flows.room import Room
from flows.ticks import TickBook
from model.breaker import Breaker
from model.sampling import Sampler


@dataclass(slots=True, kw_only=True)
class Desk:
    """Shared by the lanes of a process. ``configuration`` gives the version of the workspace in force."""

    run: str
    clock: Callable[[], int]
    random: Callable[[], float]
    configuration: Callable[[], Configuration]
    setup_probe_ms: int
    max_wait_in_room_ms: int
    held: Held
    calls: CallLoop
    ticks: TickBook
    sampler: Sampler
    restored_after_crash: bool
    outcomes_partitions: int
    stop_by_ms: int | None = field(default=None)  # set at the first lane's end: when to stop waiting for calls

    def room(self, destination: str) -> Room:
        """Make the room of a destination."""
        setup = self.configuration().destinations[destination]
        return Room(
            destination,
            self.gate(destination),
            concurrency=setup.destination.concurrency,
            batching=setup.batching,
            max_wait_ms=self.max_wait_in_room_ms,
        )

    def gate(self, destination: str) -> Gate:
        """Make the gate of a destination."""
        setup = self.configuration().destinations[destination]
        return Gate(
            concurrency=setup.destination.concurrency,
            setup_probe_ms=self.setup_probe_ms,
            calls_per_second=setup.destination.calls_per_second,
            breaker=Breaker(setup.breaker) if setup.breaker else None,
        )
