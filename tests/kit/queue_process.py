"""Delivery whose memory is watched: ``python -m tests.kit.queue_process delivery WORKSPACE DATA [shared]``.

The most deliveries it ever held stands in DATA/most_held. ``shared`` gives all destinations one queue, with its one
circuit and its one share of the budget: the control of the isolation test. It needs ``shards: 1``.
"""

import sys
import threading
from pathlib import Path

from flows.delivery.budget import InFlightBudget
from flows.delivery.queue import DestinationQueue
from flows.delivery.shard import Shard

EVERY_SECONDS = 0.2
shared = sys.argv.pop() == "shared"
most_held = [0]
take, release = InFlightBudget.take, InFlightBudget.release


def watched_take(self: InFlightBudget, destination: str, size_bytes: int) -> None:
    """Take, and note the maximum."""
    take(self, "all" if shared else destination, size_bytes)
    most_held[0] = max(most_held[0], self.deliveries)


def watched_release(self: InFlightBudget, destination: str, size_bytes: int) -> None:
    """Settle what `watched_take` took."""
    release(self, "all" if shared else destination, size_bytes)


def shared_queue(self: Shard, destination: str) -> DestinationQueue:
    """The first queue there is."""
    queue = next(iter(self._queues.values()), None) or self._context.queue(destination)
    self._queues[destination] = queue
    return queue


def tell(file: Path) -> None:
    """Write the maximum down for ever."""
    while not threading.Event().wait(EVERY_SECONDS):
        written = file.with_suffix(".new")  # the process is killed, maybe amid this
        written.write_text(str(most_held[0]), encoding="utf-8")
        written.replace(file)


InFlightBudget.take = watched_take  # type: ignore[method-assign]
InFlightBudget.release = watched_release  # type: ignore[method-assign]
if shared:
    Shard._queue = shared_queue  # type: ignore[method-assign]
threading.Thread(target=tell, args=(Path(sys.argv[3]) / "most_held",), daemon=True).start()
import tests.kit.flow_process  # noqa: E402, F401 (runs the flow with what is left of the arguments)
