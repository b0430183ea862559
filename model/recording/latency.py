"""Latency as counts in buckets: small, exact to add up, and good for any quantile of any period.

Buckets grow by one per cent. A bucket is named by its whole number ``i`` and holds latencies in (GAMMA^(i-1), GAMMA^i]
ms; its representative value is within ALPHA of everything in it, and is given as whole milliseconds like the latencies
themselves. So a quantile read from buckets is exact below 100 ms and within one per cent above.

**The rank rule.** The q-quantile of n latencies is the ceil(q * n)-th smallest, but at least the first (nearest rank;
no interpolation), so that P95 is a latency that really occurred. The views in ``sql/`` use ClickHouse's
``quantilesExactWeighted``, which has the same rule; a test holds them together.
"""

from math import ceil, log

ALPHA = 0.005
GAMMA = (1 + ALPHA) / (1 - ALPHA)
_LOG_GAMMA = log(GAMMA)


def latency_bucket(latency_ms: float) -> int:
    """Name the bucket of a latency. Below 1 ms, and below zero after a clock was set back, counts as 1 ms."""
    return 0 if latency_ms <= 1 else ceil(log(latency_ms) / _LOG_GAMMA)
