"""The alerting flow: closed minutes in, alert events and notifications out.

    topic minutes -> source -> minute_assembly -> evaluation (windows, rules, states) -> outbox

The outbox is one SQLite file and the only owner of what is not yet sent or recorded. Beside the flow, `workers` runs
three threads: `sender` gives messages to their channels, `history` copies everything to the store, and
`dead_mans_switch` alerts when no minutes arrive. Neither the store nor a channel can hold up the flow.
"""

from bytewax.dataflow import Dataflow


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.alerting:flow()"``; see `flows.runtime.worker`."""
    from flows.alerting import dataflow  # here, so that importing one module of the package does not import them all

    return dataflow.flow()
