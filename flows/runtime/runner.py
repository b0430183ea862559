"""Runs a flow in a thread of this process, and restarts it with backoff when it dies.

Each flow is a Dataflow with one worker and its own recovery directory: together, one blocked sink would stop all.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event as StopEvent

from bytewax.dataflow import Dataflow
from bytewax.errors import BytewaxRuntimeError
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main

from flows.engine.backoff import Restarts
from flows.engine.epochs import EPOCH
from flows.engine.threads import in_background
from flows.runtime.recovery import RecoveryLost, check_recovery
from flows.topics.interface import PositionLost, Topics

log = logging.getLogger("waybill.runtime")


@dataclass(frozen=True, slots=True)
class RunnableFlow:
    """A flow ready to run; ``close`` gets True if it ended normally, so that its last snapshot holds all its state."""

    flow: Dataflow
    close: Callable[[bool], None]


@dataclass(slots=True)
class FlowStatus:
    """The status of a flow, for people."""

    starts: int = 0
    failure: str = ""  # why the last run died
    needs_operator: bool = False  # a restart would not help; a person must act


def freeze_gc() -> None:
    """Exclude all objects created so far from garbage collection. Call before flows start.

    These objects live as long as the process. Scanning them at the rate events create objects would cost a tenth of the
    CPU, with pauses of 20 to 50 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def run_once(topics: Topics, flow: str, recovery: Path, prepare: Callable[[], RunnableFlow]) -> None:
    """Run a flow until its sources stop. Raises what it dies of (`PositionLost` unwrapped), or `RecoveryLost`."""
    check_recovery(topics, flow, recovery)
    prepared = prepare()
    clean = False
    try:
        config = RecoveryConfig(str(recovery))  # type: ignore[no-untyped-call]
        cli_main(prepared.flow, epoch_interval=EPOCH, recovery_config=config)  # type: ignore[no-untyped-call]
        clean = True
    except BytewaxRuntimeError as error:  # Bytewax wraps every error raised inside a flow
        if isinstance(error.__cause__, PositionLost):
            raise error.__cause__ from None
        raise
    finally:
        prepared.close(clean)


class FlowThread:
    """Keeps one flow running until `stop` is set."""

    def __init__(
        self, topics: Topics, flow: str, recovery: Path, prepare: Callable[[], RunnableFlow], stop: StopEvent
    ) -> None:
        self.name = flow
        self.status = FlowStatus()
        self._topics = topics
        self._recovery = recovery
        self._prepare = prepare
        self._stop = stop
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = in_background(self._keep_running, f"flow-{self.name}")

    def join(self, timeout_seconds: float) -> bool:
        """Wait for a stopped flow to end; False if it did not end in time. A flow never started has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _keep_running(self) -> None:
        restarts = Restarts()
        while not self._stop.is_set():
            self.status.starts += 1
            began_seconds = time.monotonic()
            try:
                run_once(self._topics, self.name, self._recovery, self._prepare)
            except (RecoveryLost, PositionLost) as error:
                self.status.needs_operator = True
                self.status.failure = str(error)
                log.error("flow %(flow)s cannot run: %(error)s", {"flow": self.name, "error": error})
                return
            except BaseException as error:  # including Bytewax's panics: restart after any error
                self.status.failure = f"{type(error).__name__}: {error}"
                pause_seconds = restarts.pause_seconds(time.monotonic() - began_seconds)
                log.exception(
                    "flow %(flow)s died, restarting it in %(seconds).0f s",
                    {"flow": self.name, "seconds": pause_seconds},
                )
                self._stop.wait(pause_seconds)
