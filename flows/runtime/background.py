"""The background work of every long-running process: watch the clock, expire topics, reload the workspace file."""

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from flows.engine.clock import ClockWatchdog, monotonic_ms, wall_clock_ms, watch
from flows.engine.threads import every
from flows.runtime.deployment import Deployment
from flows.topics.interface import TopicError
from flows.workspace.discards import View
from flows.workspace.reloader import POLL_SECONDS, WorkspaceReloader

EXPIRE_EVERY_SECONDS = 60.0
EXIT_AGAIN = 75  # EX_TEMPFAIL: a supervisor starts the process again

log = logging.getLogger("waybill.runtime")


def watch_clock(stopped: threading.Event) -> None:
    """End the process when the clock is set back, because the flows would stall until it has caught up."""
    watch(ClockWatchdog(wall_clock_ms, monotonic_ms), stopped, _clock_stepped_back)


def expire_topics(deployment: Deployment, stopped: threading.Event) -> None:
    """Delete records past their retention, where the topics do not do so by themselves."""

    def expire() -> None:
        try:
            deployment.topics.expire()
        except TopicError as error:
            log.warning("deleting records past their retention failed, retrying in a minute: %s", error)

    every(EXPIRE_EVERY_SECONDS, expire, stopped, "retention")


def reload_workspace(
    deployment: Deployment,
    file: Path,
    environ: Mapping[str, str],
    stopped: threading.Event,
    view: View | None = None,
) -> None:
    """Apply the workspace file whenever it changes; ``view`` reads the store, to count what a change discards."""
    reloader = WorkspaceReloader(file, deployment.live, environ, view=view)
    deployment.live.reload_with(reloader.reload_if_changed)
    at_start = [deployment.workspace] if view else []

    def poll() -> None:
        if at_start:  # the file may have changed while nothing ran
            workspace = at_start.pop()
            reloader.log_discards(workspace, workspace)
        reloader.poll()

    every(POLL_SECONDS, poll, stopped, "workspace")


def _clock_stepped_back(back_ms: int) -> None:
    log.critical(
        "the clock was set back by %d s: exiting to be restarted (the flows would stall for that long)",
        back_ms // 1_000,
    )
    os._exit(EXIT_AGAIN)
