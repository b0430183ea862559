"""Limits the number of insert-function processes."""

import threading
from collections.abc import Callable


class Slots:
    """Counts processes. ``make_room`` stops an idle one when all slots are taken."""

    def __init__(self, most: int, make_room: Callable[[], None]) -> None:
        self._free = most
        self._waiting = 0
        self._make_room = make_room
        self._changed = threading.Condition()

    @property
    def wanted(self) -> bool:
        """A queue waits for a slot: holders release theirs between two batches."""
        return self._waiting > 0

    def take(self) -> None:
        """Wait for a slot."""
        with self._changed:
            if self._free:
                self._free -= 1
                return
            self._waiting += 1
        try:
            self._make_room()
            with self._changed:
                self._changed.wait_for(lambda: self._free > 0)
                self._free -= 1
        finally:
            with self._changed:
                self._waiting -= 1

    def give(self) -> None:
        """Release a slot."""
        with self._changed:
            self._free += 1
            self._changed.notify()
