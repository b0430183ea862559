"""A change of a rule's state: what was compared, over which window, and whether it notifies. Always recorded."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from model.alerts.notification import Change
from model.alerts.state import Check

ID_BYTES = 16


class Suppression(StrEnum):
    """Why an alert event is recorded but notifies nobody."""

    MUTED = "muted"
    LATE = "late"  # found in a backlog, more than an hour after its minute
    NEVER_NOTIFIED = "never-notified"  # it recovers, and nobody was notified that it fired
    ENDED = "ended"  # the rule was deleted, disabled or changed into another one


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedNumbers:
    """What was compared. Times are Unix ms; texts are redacted, in one line each.

    from_ms to to_ms: the window of ``numerator``. baseline_from_ms to baseline_to_ms: what it is compared with; 0, 0
    without one. By check and kind:

    - day of source-volume: accepted events now (numerator) and before (denominator). ``threshold_bp``: the change
      allowed. ``minimum``: events needed; it is the bound where there was nothing before.
    - day of delivery-rate: delivered (numerator) of delivered and not delivered (denominator).
    - fast of delivery-rate: the same of first attempts in 5 minutes; those of the hour are in ``hour``.
    - hour of failed-events: deliveries not delivered (numerator); the bound is 1, there is no denominator.
    - setup, blind: no numbers; ``code`` and ``message`` say what is wrong.

    operator: how the numbers stand to the bound: ``<``, ``>=``, ``>`` or ``<=``; '' without numbers.
    """

    from_ms: int = 0
    to_ms: int = 0
    operator: str = ""
    numerator: int = 0
    denominator: int = 0
    threshold_bp: int = 0
    minimum: int = 0
    hour: tuple[int, int] = (0, 0)
    baseline_from_ms: int = 0
    baseline_to_ms: int = 0
    excluded: tuple[tuple[str, int], ...] = ()
    code: str = ""
    message: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEvent(ComparedNumbers):
    """One change of one check of one rule.

    id: 32 hex digits, the same whenever the same minute is evaluated again. at_ms: the window's end. since_ms: when the
    episode started to fire. episode: id of the alert event that started it.
    """

    id: str
    rule_id: str
    rule_version: int  # 0: a rule of Waybill's own
    rule_name: str
    kind: str
    check: Check
    change: Change
    at_ms: int
    since_ms: int
    episode: str
    source: str = ""
    destination: str = ""
    mapping: str = ""
    channels: tuple[str, ...] = ()
    author: str = ""
    notified: bool = True
    suppressed_reason: str = ""

    def as_row(self) -> dict[str, Any]:
        """As table alert_events has it: names without _ms, ``window_from`` and ``window_to`` for the window."""
        row = {name.removesuffix("_ms"): value for name, value in asdict(self).items()}
        row |= {
            "window_from": row.pop("from"),
            "window_to": row.pop("to"),
            "hour_numerator": self.hour[0],
            "hour_denominator": self.hour[1],
            "excluded": dict(self.excluded),
            "notes": list(self.notes),
            "channels": list(self.channels),
            "check": str(self.check),
            "change": str(self.change),
        }
        del row["hour"]
        return row


def alert_event_id(rule_id: str, check: Check, at_ms: int, change: Change) -> str:
    """The id of an alert event (32 hex digits), derived from what it is, so that evaluating again adds nothing."""
    text = "\x1f".join(("alert_event", rule_id, check, str(at_ms), change))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=ID_BYTES).hexdigest()
