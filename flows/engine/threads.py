"""Daemon threads: one that runs a function once, and one that calls it again and again."""

from collections.abc import Callable
from threading import Event, Thread


def in_background(work: Callable[[], object], name: str) -> Thread:
    """Run ``work`` on a daemon thread, which the process does not wait for when it exits."""
    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread


def every(seconds: float, work: Callable[[], bool | None], stop: Event, name: str) -> Thread:
    """Call ``work`` every ``seconds`` on a daemon thread until ``stop`` is set or it returns False.

    The first call comes after the first wait. ``work`` handles its own errors: one that it raises ends the thread.
    """

    def repeat() -> None:
        while not stop.wait(seconds):
            if work() is False:
                return

    return in_background(repeat, name)
