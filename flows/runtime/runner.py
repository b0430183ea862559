"""Runs a flow in a thread of this process, and starts it again with backoff when it dies.

One worker per flow, each with its own recovery directory: in one Dataflow, one blocked sink would stop them all.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
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

log = logging.getLogger("waybill")


@dataclass(frozen=True, slots=True)
class RunnableFlow:
    """A flow ready to run; ``close`` gets True when it ended by itself with everything in its last snapshot."""

    flow: Dataflow
    close: Callable[[bool], None]


@dataclass(slots=True)
class FlowStatus:
    """What a person may ask of a running flow."""

    starts: int = 0
    failure: str = ""  # of the last run that died
    needs_operator: bool = False  # starting again would not help; a person must act
    running: bool = field(default=False)


def freeze_gc() -> None:
    """Call before flows start. What was made so far lives as long as the process.

    Looked through again and again by the garbage collector, as it would be at the rate events make objects, it costs a
    tenth of all CPU, and each look holds everything up for 20 to 50 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def run_once(topics: Topics, flow: str, recovery: Path, prepare: Callable[[], RunnableFlow]) -> None:
    """Run a flow until its sources stop. Raises what it dies of, `PositionLost` as it is, and `RecoveryLost`."""
    check_recovery(topics, flow, recovery)
    prepared = prepare()
    clean = False
    try:
        config = RecoveryConfig(str(recovery))  # type: ignore[no-untyped-call]
        cli_main(prepared.flow, epoch_interval=EPOCH, recovery_config=config)  # type: ignore[no-untyped-call]
        clean = True
    except BytewaxRuntimeError as error:  # what Bytewax makes of anything raised inside a flow
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
        """Wait for a stopped flow to end; False if it did not in time. One that was never started has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _keep_running(self) -> None:
        restarts = Restarts()
        while not self._stop.is_set():
            self.status.starts += 1
            self.status.running = True
            began_seconds = time.monotonic()
            try:
                run_once(self._topics, self.name, self._recovery, self._prepare)
            except (RecoveryLost, PositionLost) as error:
                self.status.needs_operator = True
                self.status.failure = str(error)
                log.error("flow %s cannot run: %s", self.name, error)
                return
            except BaseException as error:  # Bytewax raises its own panics too; whatever it was, the flow starts again
                self.status.failure = f"{type(error).__name__}: {error}"
                pause_seconds = restarts.pause_seconds(time.monotonic() - began_seconds)
                log.exception("flow %s died, starting it again in %.0f s", self.name, pause_seconds)
                self._stop.wait(pause_seconds)
            finally:
                self.status.running = False
