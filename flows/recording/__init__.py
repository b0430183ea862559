"""The recording flow: facts in, rows and minute counts out."""

from bytewax.dataflow import Dataflow


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.recording:flow()"``; see `flows.runtime.worker`."""
    from flows.recording import dataflow  # here, so that importing one part of the package does not import them all

    return dataflow.flow()
