"""A process that runs a flow, or a share of one, under Bytewax's own runner.

    export WAYBILL_WORKSPACE=workspace.yaml WAYBILL_DATA=data
    python -P -m flows.runtime.launch "flows.delivery:flow()" -r data/recovery/delivery -s 1 -b 0 \
        -i 0 -a "host-0:2101;host-1:2101"

(`python -m bytewax.run` does the same where no file of the start directory is named like one of our packages.)

The processes of a flow live and die together: when one dies all of them end, and the supervisor restarts all of them.
SIGTERM to all of them is a clean stop.
"""

import atexit
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from bytewax import run as bytewax_run
from bytewax.dataflow import Dataflow

from flows.engine.epochs import EPOCH
from flows.engine.error_capture import first_error
from flows.engine.sharding import WorkerShare
from flows.engine.threads import in_background
from flows.engine.timer_slack import relax_timer_slack
from flows.runtime.background import EXIT_AGAIN, reload_workspace, watch_clock
from flows.runtime.deployment import Deployment, open_deployment
from flows.runtime.logs import LogConfig, configure_logging
from flows.runtime.recovery import IDENTITY_FILE, RecoveryLost, check_recovery, identity_of
from flows.runtime.runner import RunnableFlow, freeze_gc
from flows.sqlite.database import DatabaseError
from flows.topics.interface import PositionLost, TopicError
from flows.workspace.loader import load_workspace
from model.config.problems import WorkspaceInvalid
from sinks.clickhouse.store import StoreError

SUPERVISED = "WAYBILL_SUPERVISED"  # if set, this process exits when its standard input closes: the supervisor has ended
EXIT_NEEDS_A_PERSON = 78  # EX_CONFIG: a restart would not help
FIRST_CHECK_SECONDS = 60.0

log = logging.getLogger("waybill.runtime")


class InvalidArguments(Exception):
    """Bytewax's runner was given arguments under which events would be lost; the text says which to give."""


class Worker:
    """The state of this process: its share of the flow, its stop event, and what to close at the end."""

    def __init__(self, flow: str, arguments: Any) -> None:
        """``arguments``: as parsed by Bytewax's runner."""
        self.flow = flow
        addresses = arguments.addresses.split(";") if arguments.addresses else []
        self.share = WorkerShare(arguments.process_id or 0, len(addresses) or 1)
        self.stop = threading.Event()
        self._arguments = arguments
        self._connected = threading.Event()
        self._deployment: Deployment | None = None
        self._prepared: RunnableFlow | None = None

    def connected(self) -> None:
        """Called when all processes of the flow are connected."""
        self._connected.set()

    def start(self, prepare: Callable[[Deployment, "Worker"], RunnableFlow]) -> Dataflow:
        """Open everything and build the flow. Raises the error that keeps it from running."""
        file = Path(os.environ.get("WAYBILL_WORKSPACE", "workspace.yaml"))
        data = Path(os.environ.get("WAYBILL_DATA", "data"))
        check(self._arguments, self.flow, data)
        self._deployment = open_deployment(load_workspace(file, os.environ), data)
        self._check_recovery(self._deployment)
        self._prepared = prepare(self._deployment, self)
        watch_clock(self.stop)
        reload_workspace(self._deployment, file, os.environ, self.stop)
        freeze_gc()
        return self._prepared.flow

    def on_stop_signal(self) -> None:
        """Handle SIGTERM or Ctrl-C: stop the sources."""
        if self.share.processes > 1 and not self._connected.is_set():
            os._exit(0)  # it has not started, and is blocked waiting for its peers
        self.stop.set()

    def end(self) -> None:
        """Close everything after the flow has ended or died; exits with the matching code if it died."""
        error = first_error()
        died = error is not None or hasattr(sys, "last_type")
        if self._prepared is not None:
            self._prepared.close(not died)
        if self._deployment is not None:
            self._deployment.topics.close()
        if not died:
            return
        if isinstance(error, PositionLost):
            log.error("flow %(flow)s cannot run: %(error)s", {"flow": self.flow, "error": error})
        elif error is not None:
            log.error("flow %(flow)s died", {"flow": self.flow}, exc_info=error)
        else:
            log.error("another process of flow %(flow)s has ended, so this one ends too", {"flow": self.flow})
        exit_now(EXIT_NEEDS_A_PERSON if isinstance(error, PositionLost) else EXIT_AGAIN)

    def _check_recovery(self, deployment: Deployment) -> None:
        topics, recovery = deployment.topics, deployment.recovery(self.flow)
        if self.share.process == 0:
            check_recovery(topics, self.flow, recovery)
            return
        recovery.mkdir(parents=True, exist_ok=True, mode=0o700)  # on another machine it has a directory of its own
        deadline = time.monotonic() + FIRST_CHECK_SECONDS
        while (known := identity_of(topics, self.flow)) is None:
            if time.monotonic() > deadline:
                raise TopicError(f"process 0 of flow {self.flow} has not started within {FIRST_CHECK_SECONDS:.0f} s")
            time.sleep(0.05)
        file = recovery / IDENTITY_FILE
        if file.exists() and file.read_bytes() != known:
            raise RecoveryLost(f"The recovery directory {recovery} belongs to other topics than those configured.")


def run_worker(flow: str, prepare: Callable[[Deployment, Worker], RunnableFlow]) -> Dataflow:
    """Prepare this process, started by Bytewax's runner, as a worker of a flow. Exits if that fails."""
    arguments = bytewax_run._parse_args()  # type: ignore[no-untyped-call]
    fields = {"flow": flow} if arguments.process_id is None else {"flow": flow, "process": arguments.process_id}
    configure_logging(LogConfig.from_environment(os.environ, fields))
    worker = Worker(flow, arguments)
    _on_termination(worker.on_stop_signal)
    if os.environ.get(SUPERVISED):
        in_background(_end_with_standard_input, "supervised")
    try:
        made = worker.start(prepare)
    except WorkspaceInvalid as error:
        for problem in error.problems:
            log.error(
                "%(place)s %(path)s: %(text)s", {"place": problem.place, "path": problem.path, "text": problem.text}
            )
        sys.exit(EXIT_NEEDS_A_PERSON)
    except (RecoveryLost, PositionLost, InvalidArguments) as error:
        log.error("flow %(flow)s cannot run: %(error)s", {"flow": flow, "error": error})
        sys.exit(EXIT_NEEDS_A_PERSON)
    except (DatabaseError, TopicError, StoreError) as error:
        log.error("flow %(flow)s cannot start now: %(error)s", {"flow": flow, "error": error})
        sys.exit(EXIT_AGAIN)
    atexit.register(worker.end)
    sys.excepthook = _filter_excepthook
    if worker.share.processes > 1:
        relax_timer_slack()
    return made


def check(arguments: Any, flow: str, data: Path) -> None:
    """Refuse arguments of Bytewax's runner under which events would be lost. Raises `Unusable`."""
    recovery = data / "recovery" / flow
    if arguments.recovery_directory is None or Path(arguments.recovery_directory).absolute() != recovery.absolute():
        raise InvalidArguments(
            f"its positions are kept in {recovery}: give `-r {recovery} -s 1 -b 0` to python -m bytewax.run "
            "(without it no position would be saved)"
        )
    if arguments.snapshot_interval != EPOCH:
        raise InvalidArguments(f"its epochs last {EPOCH.total_seconds():.0f} s in every process: give `-s 1`")
    if (arguments.workers_per_process or 1) != 1:
        raise InvalidArguments("each process has one worker: start more processes (-i and -a) instead of -w")


def _on_termination(act: Callable[[], None]) -> None:
    # Python runs signal handlers on the main thread, which may be blocked inside Bytewax. But the interpreter writes
    # the number of each signal to this socket at once.
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)

    def wait(writing: socket.socket = writing) -> None:
        while reading.recv(1):
            act()

    in_background(wait, "signals")


def _end_with_standard_input() -> None:
    while os.read(0, 1024):  # not through sys.stdin, which Python locks at exit
        pass
    exit_now(EXIT_AGAIN)


def exit_now(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a normal exit could hang on threads of libraries


def _filter_excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Hide the errors that Bytewax raises at the end; `Worker.end` logs the cause."""
    if first_error() is None and not kind.__module__.startswith(("bytewax", "pyo3")):
        sys.__excepthook__(kind, error, trace)
