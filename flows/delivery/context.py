"""What the shards of one process share: the configuration, the call loop, the budget, the clock, the samplers."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flows.delivery.budget import InFlightBudget
from flows.delivery.circuit import CircuitBreaker
from flows.delivery.http_loop import HttpLoop
from flows.delivery.queue import DestinationQueue, QueuedDelivery
from flows.delivery.removals import Removals
from flows.delivery.watermarks import SourcePart, WatermarkReporter
from flows.workspace.compiled import CompiledWorkspace
from model.delivery.failure_window import FailureWindow
from model.delivery.sampling import Sampler


@dataclass(slots=True, kw_only=True)
class ShardContext:
    """Shared by the shards of a process. ``configuration`` gives the version of the workspace in force."""

    run: str
    clock: Callable[[], int]
    random: Callable[[], float]
    configuration: Callable[[], CompiledWorkspace]
    setup_probe_ms: int
    max_wait_in_queue_ms: int
    budget: InFlightBudget
    calls: HttpLoop
    parts: tuple[SourcePart, ...]  # all that the flow reads, in whichever process
    shards: int
    sampler: Sampler
    open_shard: Callable[[int], bool]  # called once by each shard; whether the run before ended cleanly
    outcomes_partitions: int
    removals: Removals = field(default_factory=Removals)
    stop_deadline_ms: int | None = field(default=None)  # set at the first shard's end: when to stop waiting for calls

    def watermark_reporter(self, shard: int, held: Callable[[], Iterable[QueuedDelivery]]) -> WatermarkReporter:
        """Make the reporter of a shard that holds ``held()``."""
        return WatermarkReporter(self.parts, held, shard=shard, shards=self.shards, run=self.run, clock=self.clock)

    def queue(self, destination: str, configuration: CompiledWorkspace | None = None) -> DestinationQueue:
        """Make the queue of a destination, as a version of the workspace says; by default the one in force."""
        configuration = configuration or self.configuration()
        setup = configuration.destinations[destination]
        return DestinationQueue(
            destination,
            self.circuit(destination, configuration),
            concurrency=setup.destination.concurrency,
            batching=setup.batching,
            max_wait_ms=self.max_wait_in_queue_ms,
        )

    def circuit(self, destination: str, configuration: CompiledWorkspace) -> CircuitBreaker:
        """Make the circuit of a destination."""
        setup = configuration.destinations[destination]
        return CircuitBreaker(
            concurrency=setup.destination.concurrency,
            setup_probe_ms=self.setup_probe_ms,
            calls_per_second=setup.destination.calls_per_second,
            breaker=FailureWindow(setup.breaker) if setup.breaker else None,
        )
