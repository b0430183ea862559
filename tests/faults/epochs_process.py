"""One of two processes of a flow: ``python -m tests.faults.epochs_process in-step|alone NUMBER ADDRESS;ADDRESS``.

Process 0 is busy once when its epoch should end. Each writes what the quiet time after that was like, as JSON: the
share of a core it takes, and how often in a second its main thread wakes and its source is asked. In step, it does all
that a worker of Waybill's does.
"""

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.testing import TestingSink, cluster_main

from flows.engine.clock import next_poll, wall_clock_ms
from flows.engine.epochs import EPOCH, AlignedPartition
from flows.engine.epochs import EpochAligner as OfProcess
from flows.engine.timer_slack import relax_timer_slack, restore_timer_slack

BUSY_SECONDS = 0.45
BUSY_AFTER_EPOCHS = 2
MEASURED_SECONDS = (4.5, 8.5)  # since the start


class Idle(StatefulSourcePartition[int, int]):
    """Polls, and has nothing."""

    def __init__(self, *, busy_once: bool) -> None:
        self._busy_once = busy_once
        self._began = self._epoch_began = time.monotonic()
        self._epochs = 0
        self._cpu_before: float | None = None
        self._wakes_before = self._polled = 0

    def next_batch(self) -> list[int]:
        since = time.monotonic() - self._began
        about_to_end = time.monotonic() - self._epoch_began > EPOCH.total_seconds() - 0.06
        if self._busy_once and self._epochs == BUSY_AFTER_EPOCHS and about_to_end:
            self._busy_once = False
            time.sleep(BUSY_SECONDS)
        if self._cpu_before is None and since >= MEASURED_SECONDS[0]:
            self._cpu_before, self._wakes_before, self._polled = time.process_time(), main_thread_wakes(), 0
        self._polled += 1
        if self._cpu_before is not None and since >= MEASURED_SECONDS[1]:
            seconds = since - MEASURED_SECONDS[0]
            wakes, core = main_thread_wakes() - self._wakes_before, time.process_time() - self._cpu_before
            said = {"core": core / seconds, "main_thread": wakes / seconds, "asked": self._polled / seconds}
            sys.stdout.write(json.dumps(said) + "\n")
            raise StopIteration
        return []

    def next_awake(self) -> datetime:
        return next_poll(20)

    def snapshot(self) -> int:
        self._epochs += 1
        self._epoch_began = time.monotonic()
        return 0


class OnePartitionEach(FixedPartitionedSource[int, int]):
    """A partition for each process."""

    def __init__(self, process: int, *, in_step: bool) -> None:
        self._process = process
        self._in_step = in_step

    def list_parts(self) -> list[str]:
        if self._in_step:
            restore_timer_slack()
        return [str(self._process)]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> StatefulSourcePartition[int, int]:
        partition = Idle(busy_once=self._process == 0)
        return AlignedPartition(partition, OfProcess(wall_clock_ms)) if self._in_step else partition


def main_thread_wakes() -> int:
    """Since the process began."""
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def main(how: str, process: int, addresses: list[str]) -> None:
    """Run to the end."""
    flow = Dataflow("epochs")
    said: list[Any] = []
    if how == "in-step":
        relax_timer_slack()
    op.output("nowhere", op.input("idle", flow, OnePartitionEach(process, in_step=how == "in-step")), TestingSink(said))
    cluster_main(flow, addresses, process, epoch_interval=EPOCH)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3].split(";"))
