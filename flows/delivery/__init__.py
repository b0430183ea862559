"""The delivery flow: events in, HTTP calls out, a fact about everything that happened.

    routing          log record -> deliveries, facts; duplicates end here (`flows.delivery.routing`)
    shard            Bytewax's state key: owns the queues of the destinations whose names hash to it
      queue          one per destination: deliveries that wait, batches to send, deliveries to requeue
      circuit        one per queue: circuit breaker, pause and rate limit
      watermarks     one per shard: what is held, reported every ten seconds
    budget, context  one per process: how much all shards hold; what else they share
    sending          one asyncio loop per process: insert function, mapping, request, call
      isolation      the calls of a batch that was refused as a whole
      responses      what a response means for the destination and for each delivery
    results          result -> outcome, retry record, dead letter, sample

**Who changes a delivery.** `Delivery`, `QueuedDelivery`, `Batch` and every result are immutable; a step that changes a
delivery returns a new one. What changes is where a delivery is, and each place has one owner. On the dataflow's thread:
a `DestinationQueue` owns the deliveries that wait and tells its `CircuitBreaker` about calls; a `Shard` owns the
batches in flight, and alone adds to the `InFlightBudget` and subtracts from it. Everything a shard holds is in its
snapshot. The loop's thread (`HttpLoop`) owns the calls: it receives batches, and returns each with one result per
delivery, whatever happens. Neither thread waits for the other.
"""

from bytewax.dataflow import Dataflow


def flow() -> Dataflow:
    """For ``python -m bytewax.run "flows.delivery:flow()"``; see `flows.runtime.worker`."""
    from flows.delivery import dataflow  # here, so that importing one module of the package does not import them all

    return dataflow.flow()
