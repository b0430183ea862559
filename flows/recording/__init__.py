"""The recording flow: facts in, rows and minute counts out.

A pure function of topic outcomes: reading it again writes the same rows, which replace the earlier ones. `recorder`
turns facts into rows and keeps the counts of the open minute; `replays` decides whether a repeated fact counts;
`store_sink` writes to ClickHouse, one insert per table and epoch. A store that is unavailable blocks only this flow.
"""

from bytewax.dataflow import Dataflow


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.recording:flow()"``; see `flows.runtime.worker`."""
    from flows.recording import dataflow  # here, so that importing one module of the package does not import them all

    return dataflow.flow()
