"""Exponential backoff: for sinks that retry forever, and before a dead flow or process is restarted."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

FIRST_RESTART_SECONDS = 1.0
LONGEST_RESTART_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 300.0  # after a run this long the pause starts at its shortest again

log = logging.getLogger("waybill.engine")
Result = TypeVar("Result")


def retry_forever(
    action: Callable[[], Result],
    failures: type[Exception] | tuple[type[Exception], ...],
    doing: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Call ``action`` until it does not raise one of ``failures``; other exceptions propagate.

    It blocks on purpose: the epoch cannot close, so no position moves past what is not written.
    """
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            return action()
        except failures as error:
            log.warning(
                "%(action)s failed, retrying in %(seconds).1f s: %(error)s",
                {"action": doing, "seconds": pause_seconds, "error": error},
            )
            sleep(pause_seconds)
            pause_seconds = min(LONGEST_PAUSE_SECONDS, pause_seconds * 2)


class Restarts:
    """How long to wait before each restart."""

    def __init__(self) -> None:
        self._pause_seconds = FIRST_RESTART_SECONDS

    def pause_seconds(self, ran_seconds: float) -> float:
        """The pause after a run of this length: longer each time, short again after a healthy run."""
        if ran_seconds > HEALTHY_AFTER_SECONDS:
            self._pause_seconds = FIRST_RESTART_SECONDS
        pause_seconds = self._pause_seconds
        self._pause_seconds = min(LONGEST_RESTART_SECONDS, pause_seconds * 2)
        return pause_seconds
