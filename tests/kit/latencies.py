"""The rank rule of model.recording.latency in Python: what the views in sql/ must answer."""

from collections.abc import Mapping
from math import ceil

from model.recording.latency import GAMMA


def value_ms(index: int) -> int:
    """Return the value, in whole ms, that stands for everything in a bucket."""
    return round(2 * GAMMA**index / (GAMMA + 1))


def quantile_ms(buckets: Mapping[int, int], q: float) -> int | None:
    """Return the q-quantile (0 <= q <= 1) of latencies counted by bucket; None over none.

    Counts of zero or less, as corrections may leave behind, hold no latencies.
    """
    total = sum(count for count in buckets.values() if count > 0)
    if total == 0:
        return None
    rank = max(1, ceil(q * total))
    seen = 0
    for index in sorted(buckets):
        seen += max(0, buckets[index])
        if seen >= rank:
            return value_ms(index)
    raise ValueError(f"q must be in 0..1, not {q}")
