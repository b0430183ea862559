"""Everything that works around Bytewax stands here, and small helpers that need nothing else of Waybill.

- epochs: the processes of a flow end their epochs together, or each epoch waits for the slowest one.
- sharding: Bytewax places a key by its hash, so shard keys are chosen to spread evenly over processes.
- error_capture: with several processes Bytewax loses the error that ended it, so methods it calls record theirs.
- timer_slack: Bytewax's main thread wakes a thousand times a second and takes the interpreter each time.
- clock: Bytewax stalls when the wall clock is set back, so a watchdog ends the process; polls share one time grid.
- backoff: a sink must not return before its rows are written, so it retries forever; flows restart with a pause.
- single_sink: a sink with one partition per worker.
- threads, files: background threads and atomic file writes.
"""
