"""A flow that gives up on a silent store after 2 s; its arguments are those of `tests.kit.flow_process`."""

import runpy

from sinks.clickhouse import store

store.ANSWER_TIMEOUT_SECONDS = 2
runpy.run_module("tests.kit.flow_process", run_name="__main__")
