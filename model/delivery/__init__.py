"""One delivery and its attempts: retry policy and tiers, how an attempt ends, failure window, error groups, redrives.

The queues, the circuit breaker and the calls stand in `flows.delivery`.
"""
