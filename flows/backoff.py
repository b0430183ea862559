"""Waiting for something outside to come back: a sink retries for ever, with growing pauses, and says so."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0

log = logging.getLogger("waybill")
Result = TypeVar("Result")


def until_it_works(
    action: Callable[[], Result],
    failures: type[Exception] | tuple[type[Exception], ...],
    doing: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Call ``action`` until it does not raise one of ``failures``; anything else it raises passes through.

    Blocking here is the point: the epoch cannot close, so no position moves past what is not written.
    """
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            return action()
        except failures as error:
            log.warning("%s failed, trying again in %.1f s: %s", doing, pause_seconds, error)
            sleep(pause_seconds)
            pause_seconds = min(LONGEST_PAUSE_SECONDS, pause_seconds * 2)
