"""What the lanes of one process share: the configuration, the call loop, the budget, the clock, the samplers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flows.delivery.budget import Held
from flows.delivery.circuit import Gate
from flows.delivery.http_loop import CallLoop
from flows.delivery.queue import Room, Waiting
from flows.delivery.removals import Removals
from flows.delivery.watermarks import LaneTicks, SourcePart
from flows.workspace.compiled import Configuration
from model.delivery.failure_window import Breaker
from model.delivery.sampling import Sampler


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
    parts: tuple[SourcePart, ...]  # all that the flow reads, in whichever process
    lanes: int
    sampler: Sampler
    open_lane: Callable[[int], bool]  # called once by each lane; whether the run before ended cleanly
    outcomes_partitions: int
    removals: Removals = field(default_factory=Removals)
    stop_by_ms: int | None = field(default=None)  # set at the first lane's end: when to stop waiting for calls

    def ticks(self, lane: int, held: Callable[[], Iterable[Waiting]]) -> LaneTicks:
        """Make the ticks of a lane that holds ``held()``."""
        return LaneTicks(self.parts, held, lane=lane, lanes=self.lanes, run=self.run, clock=self.clock)

    def room(self, destination: str, configuration: Configuration | None = None) -> Room:
        """Make the room of a destination, as a version of the workspace says; by default the one in force."""
        configuration = configuration or self.configuration()
        setup = configuration.destinations[destination]
        return Room(
            destination,
            self.gate(destination, configuration),
            concurrency=setup.destination.concurrency,
            batching=setup.batching,
            max_wait_ms=self.max_wait_in_room_ms,
        )

    def gate(self, destination: str, configuration: Configuration) -> Gate:
        """Make the gate of a destination."""
        setup = configuration.destinations[destination]
        return Gate(
            concurrency=setup.destination.concurrency,
            setup_probe_ms=self.setup_probe_ms,
            calls_per_second=setup.destination.calls_per_second,
            breaker=Breaker(setup.breaker) if setup.breaker else None,
        )
