"""The ladder of retry topics: how a log, which can only be read in order, keeps appointments.

Every record of a rung waits the rung's own time after it was appended, so each rung is in order of ripeness by
itself and its reader looks at the head only. A longer wait is a walk down the ladder, one record rewritten per leg.
"""

from dataclasses import dataclass

TOLERANCE = 0.154  # of a whole wait: never early, at most this much late (or a second). 4 s of 26 s spare a 7th leg


@dataclass(frozen=True, slots=True)
class Rung:
    """One retry topic and the time each of its records waits."""

    name: str
    wait_ms: int

    @property
    def topic(self) -> str:
        """Name of its topic."""
        return f"retries.{self.name}"

    def earliest_due_ms(self, appended_ms: int, longest_wait_ms: int) -> int:
        """Lower bound of the due time of a record of this rung: what its low watermark rests on."""
        return appended_ms + max(0, self.wait_ms - int(TOLERANCE * longest_wait_ms))


RUNGS = (
    Rung("1s", 1_000),
    Rung("5s", 5_000),
    Rung("30s", 30_000),
    Rung("2m", 120_000),
    Rung("10m", 600_000),
    Rung("30m", 1_800_000),
)
RUNG_OF_TOPIC = {rung.topic: rung for rung in RUNGS}


def next_rung(remaining_ms: int, whole_wait_ms: int) -> Rung:
    """Choose the rung for a record with ``remaining_ms`` to wait, of ``whole_wait_ms`` since it was last tried.

    The largest rung not longer than what remains; but a larger one when that is late by no more than the tolerance,
    which spares a walk down to the single seconds: six legs or fewer for any wait up to 72 minutes.
    """
    chosen = RUNGS[0]
    for rung in RUNGS:
        late_ms = rung.wait_ms - remaining_ms
        if late_ms <= max(0, TOLERANCE * whole_wait_ms):
            chosen = rung
    return chosen
