"""A flow that gives up on a silent store after 2 s: ``python -m tests.store.hasty_flow recording WORKSPACE DATA``."""

import runpy

from sinks.clickhouse import store

store.ANSWER_TIMEOUT_SECONDS = 2
runpy.run_module("tests.faults.flow_process", run_name="__main__")
