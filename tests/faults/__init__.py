"""What must hold when things break. The real flows as processes, the real receiver, kill -9.

    flow_process.py      one flow as a process of its own, with faults that a test can order
    cluster.py           ingest, delivery, recording and receiver together; the facts a test may ask for
    test_accounting.py   prescribed answers, the balance, a deleted retry record
    test_kill.py         kill -9 of delivery and of recording; the control that loses
    test_stops.py        clean stop, downtime, replay of the log
    test_overload.py     a hanging store, a large burst
    test_isolation.py    a hanging and a refusing destination beside a healthy one; the control with one room for all
    test_batches.py      poisoned events, 207, kill -9 and clean stops of destinations that take batches
    test_latency_parts.py  where the time of every outcome went
    test_versions_after_crash.py  a changed workspace and kill -9: events read again go where they went
    test_store_down.py   a ClickHouse server that hangs, resets, fails, loses answers, is down
    test_over_kafka.py   the same over a real broker, which is stopped, killed, and refuses

Asserts use what a user could see: the views, the receiver's tally, the topics' bounds. Order is never asserted.
"""
