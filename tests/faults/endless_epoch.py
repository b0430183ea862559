"""`waybill up` whose delivery flow never makes a snapshot: killed, it reads everything again that it has ever read.

A run with snapshots reads about half a second again; what is in it is luck. The workspace file is looked at more often.
"""

from datetime import timedelta
from typing import Any

from bytewax.run import cli_main

from console.cli import app
from flows.delivery.dataflow import FLOW
from flows.runtime import background as keepers
from flows.runtime import runner

ENDLESS = timedelta(hours=1)


def run(flow: Any, *, epoch_interval: timedelta, recovery_config: Any) -> None:
    """Run a flow; delivery with one epoch for ever."""
    interval = ENDLESS if flow.flow_id == FLOW else epoch_interval
    cli_main(flow, epoch_interval=interval, recovery_config=recovery_config)  # type: ignore[no-untyped-call]


runner.cli_main = run  # type: ignore[attr-defined, assignment]
keepers.POLL_SECONDS = 0.2  # type: ignore[attr-defined]
app(["up"])
