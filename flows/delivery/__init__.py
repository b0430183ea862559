"""The delivery flow: events in, HTTP calls out, a fact about everything that happened."""

from bytewax.dataflow import Dataflow


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.delivery:flow()"``; see `flows.runtime.worker`."""
    from flows.delivery import dataflow  # here, so that importing one part of the package does not import them all

    return dataflow.flow()
