"""Latency as counts in buckets: small, exact to add up, and good for any quantile of any period.

Buckets grow by one per cent. A bucket has an integer index ``i`` and holds latencies in (GAMMA^(i-1), GAMMA^i]
ms; its representative value is within ALPHA of all its latencies, rounded to whole milliseconds. So a quantile read
from buckets is exact below 100 ms and within one per cent above.

**The rank rule.** The q-quantile of n latencies is the ceil(q * n)-th smallest, but at least the first (nearest rank;
no interpolation), so that P95 is a latency that occurred. The views in ``sql/`` use ClickHouse's
``quantilesExactWeighted``, which has the same rule; a test holds them together.
"""

from math import ceil, log

ALPHA = 0.005
GAMMA = (1 + ALPHA) / (1 - ALPHA)
_LOG_GAMMA = log(GAMMA)


def latency_bucket(latency_ms: float) -> int:
    """The index of a latency's bucket. Less than 1 ms, also negative after a clock step, counts as 1 ms."""
    return 0 if latency_ms <= 1 else ceil(log(latency_ms) / _LOG_GAMMA)
