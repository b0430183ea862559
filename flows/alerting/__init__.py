"""The alerting flow: closed minutes in, alert events and notifications out."""

from bytewax.dataflow import Dataflow


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.alerting:flow()"``; see `flows.runtime.worker`."""
    from flows.alerting import dataflow  # here, so that importing one part of the package does not import them all

    return dataflow.flow()
