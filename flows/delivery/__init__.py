"""The delivery flow: events in, HTTP calls out, a fact about everything that happened.

The hops of a delivery, each a module:

    topics events, retries.*     read by flows.topics.source within the in-flight budget
      router, dedup, versions    duplicates end here; one delivery for each connection and mapping
      shard                      Bytewax's state key: owns the destinations whose names hash to it
      queue, circuit, budget     what waits, whether calls may start, how much this process may hold
      http_loop, sender          the asyncio loop: insert function, mapping, batch, request
      isolation, responses       what each response means for each delivery of a batch
      results, samples           facts, samples, retry records, dead letters
    topics outcomes, retries.*, dead_letters    appended by flows.topics.sink, once an epoch

Each state has one owner: a `DestinationQueue` its queued deliveries; its `CircuitBreaker` the pause, rate limit and
circuit state; the `InFlightBudget` of the process all counts and bytes; a `Shard` the set of deliveries in flight and
the snapshot of everything unfinished; `DedupStore` the first offset of each message; `ReplayMarks` how far earlier
runs may have read; `WorkspaceVersions` which version of the workspace routes which offset.
"""
