"""Delivery whose memory is watched: ``python -m tests.faults.room_process delivery WORKSPACE DATA [shared]``.

The most deliveries it ever held stands in DATA/most_held. ``shared`` gives all destinations one room, with its one gate
and its one share of the budget: the control of the isolation test. It needs ``lanes: 1``.
"""

import sys
import threading
from pathlib import Path

from flows.delivery.budget import Held
from flows.delivery.queue import Room
from flows.delivery.shard import Lane

EVERY_SECONDS = 0.2
shared = sys.argv.pop() == "shared"
most_held = [0]
take, settle = Held.take, Held.settle


def watched_take(self: Held, destination: str, size_bytes: int) -> None:
    """Take, and note the maximum."""
    take(self, "all" if shared else destination, size_bytes)
    most_held[0] = max(most_held[0], self.deliveries)


def watched_settle(self: Held, destination: str, size_bytes: int) -> None:
    """Settle what `watched_take` took."""
    settle(self, "all" if shared else destination, size_bytes)


def shared_room(self: Lane, destination: str) -> Room:
    """The first room there is."""
    room = next(iter(self._rooms.values()), None) or self._desk.room(destination)
    self._rooms[destination] = room
    return room


def tell(file: Path) -> None:
    """Write the maximum down for ever."""
    while not threading.Event().wait(EVERY_SECONDS):
        written = file.with_suffix(".new")  # the process is killed, maybe amid this
        written.write_text(str(most_held[0]), encoding="utf-8")
        written.replace(file)


Held.take = watched_take  # type: ignore[method-assign]
Held.settle = watched_settle  # type: ignore[method-assign]
if shared:
    Lane._room = shared_room  # type: ignore[method-assign]
threading.Thread(target=tell, args=(Path(sys.argv[3]) / "most_held",), daemon=True).start()
import tests.faults.flow_process  # noqa: E402, F401 (runs the flow with what is left of the arguments)
