"""Retry tiers: delayed delivery on topics, which can only be read in order.

Every record of a tier waits the tier's delay after it was appended, so each tier is sorted by due time and its reader
only checks the head. A longer wait passes through several tiers, with one rewrite of the record for each.
"""

from dataclasses import dataclass

TOLERANCE = 0.154  # of a whole wait: never early, at most this much late (or a second); saves a seventh rewrite


@dataclass(frozen=True, slots=True)
class RetryTier:
    """One retry topic and the time each of its records waits."""

    name: str
    wait_ms: int

    @property
    def topic(self) -> str:
        """Name of its topic."""
        return f"retries.{self.name}"

    def earliest_due_ms(self, appended_ms: int, longest_wait_ms: int) -> int:
        """Lower bound of the due time of a record of this tier: the basis of its low watermark."""
        return appended_ms + max(0, self.wait_ms - int(TOLERANCE * longest_wait_ms))


RETRY_TIERS = (
    RetryTier("1s", 1_000),
    RetryTier("5s", 5_000),
    RetryTier("30s", 30_000),
    RetryTier("2m", 120_000),
    RetryTier("10m", 600_000),
    RetryTier("30m", 1_800_000),
)
TIER_OF_TOPIC = {tier.topic: tier for tier in RETRY_TIERS}


def next_tier(remaining_ms: int, whole_wait_ms: int) -> RetryTier:
    """Choose the tier for a record with ``remaining_ms`` to wait, of ``whole_wait_ms`` since it was last tried.

    The largest tier not longer than what remains; but a larger one when that is late by no more than the tolerance,
    which saves rewrites: at most six for any wait up to 72 minutes.
    """
    chosen = RETRY_TIERS[0]
    for tier in RETRY_TIERS:
        late_ms = tier.wait_ms - remaining_ms
        if late_ms <= max(0, TOLERANCE * whole_wait_ms):
            chosen = tier
    return chosen
