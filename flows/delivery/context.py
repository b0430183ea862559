"""What the shards of one process share: the active configuration, the HTTP loop, the budget, the clock, the sampler."""

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
    """Shared by the shards of a process. ``configuration`` returns the active version of the workspace."""

    run: str
    clock: Callable[[], int]
    random: Callable[[], float]
    configuration: Callable[[], CompiledWorkspace]
    setup_probe_ms: int
    max_wait_in_queue_ms: int
    budget: InFlightBudget
    calls: HttpLoop
    parts: tuple[SourcePart, ...]  # all partitions that the flow reads, in any process
    shards: int
    sampler: Sampler
    open_shard: Callable[[int], bool]  # called once by each shard; returns whether the previous run stopped cleanly
    outcomes_partitions: int
    removals: Removals = field(default_factory=Removals)
    stop_deadline_ms: int | None = field(default=None)  # set when the first shard stops: no waiting for calls after it

    def reporter(self, shard: int, unfinished: Callable[[], Iterable[QueuedDelivery]]) -> WatermarkReporter:
        """Create a shard's reporter; ``unfinished`` returns the deliveries the shard holds."""
        return WatermarkReporter(
            self.parts, unfinished, shard=shard, shards=self.shards, run=self.run, clock=self.clock
        )

    def queue(self, destination: str, configuration: CompiledWorkspace | None = None) -> DestinationQueue:
        """Create a destination's queue from a version of the workspace, by default the active one."""
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
        """Create a destination's circuit breaker."""
        setup = configuration.destinations[destination]
        return CircuitBreaker(
            concurrency=setup.destination.concurrency,
            setup_probe_ms=self.setup_probe_ms,
            calls_per_second=setup.destination.calls_per_second,
            breaker=FailureWindow(setup.breaker) if setup.breaker else None,
        )
