"""Waybill's own rules, always on: a destination that needs a person, and alerting that receives no counts.

Nobody can edit, mute or acknowledge them. Their ids name what they watch: ``setup:crm``, ``monitor-blind``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from model.alerts.alert_event import AlertEvent
from model.alerts.measurement import Measurement
from model.alerts.rule import IN_APP
from model.alerts.state import Check, RuleState
from model.alerts.state_machine import RuleContext, close_episode, step
from model.durations import MINUTE_MS
from model.http.failure import cut
from model.reason_codes.catalogue import reason

SETUP = "setup"
MONITOR_BLIND = "monitor-blind"
BLIND_AFTER_MS = 3 * MINUTE_MS
REMIND_AFTER_SECONDS = 86_400
AUTHOR = "waybill"


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """The state of a destination in a bundle: ok, setup (a person must act), open or half_open (breaker), off."""

    destination: str
    at_ms: int
    state: str
    code: str = ""
    message: str = ""  # redacted

    @classmethod
    def from_bundle(cls, said: Mapping[str, Any]) -> "DestinationStatus":
        """Read one of a bundle's ``states``. Raises KeyError or TypeError for another shape."""
        texts = said["destination"], said["state"], said["code"], said["message"]
        if not (all(isinstance(text, str) for text in texts) and type(said["at_ms"]) is int):
            raise TypeError("a field is of another type")
        return cls(said["destination"], said["at_ms"], said["state"], said["code"], cut(said["message"]))


def setup_rule_id(destination: str) -> str:
    """The rule that watches a destination."""
    return f"{SETUP}:{destination}"


def default_channels(always: Iterable[str]) -> tuple[str, ...]:
    """The channels of these rules: in-app, and those that the workspace names for them."""
    return tuple(dict.fromkeys((IN_APP, *always)))


def setup(
    said: DestinationStatus, state: RuleState, channels: tuple[str, ...], now_ms: int
) -> tuple[RuleState, AlertEvent | None]:
    """Apply the state of a destination: setup fires, ok recovers, off (nothing is sent to it) closes the episode.

    An open circuit breaker needs no person, so it does not fire.

    States are reported only when they change: for reminders, pass the last one with the current minute as ``at_ms``.
    """
    if said.state == "off":
        why = "Nothing is sent to the destination any more."
        return close_episode(_setup(said.destination, channels), Check.SETUP, state, said.at_ms, why)
    if said.state not in {"setup", "ok"}:
        return state, None
    outside = said.state == "setup"
    measured = Measurement(
        outside=outside,
        from_ms=0,
        to_ms=0,
        code=said.code,
        message=said.message,
        notes=(reason(said.code).action,) if outside and said.code else (),
    )
    return step(_setup(said.destination, channels), Check.SETUP, state, measured, said.at_ms, now_ms)


def destination_removed(
    destination: str, state: RuleState, at_ms: int, channels: tuple[str, ...]
) -> tuple[RuleState, AlertEvent | None]:
    """End the episode of a destination that is no longer in the workspace. Recorded; notifies nobody."""
    why = "The destination was removed from the workspace."
    return close_episode(_setup(destination, channels), Check.SETUP, state, at_ms, why)


def monitor_blind(
    heard_ms: int, state: RuleState, channels: tuple[str, ...], now_ms: int
) -> tuple[RuleState, AlertEvent | None]:
    """Fire when no bundle came for 3 minutes of wall clock, recover when one comes.

    ``heard_ms``: the wall clock when the last bundle came, or when alerting started. The ids stay the same during
    one silence.
    """
    blind = now_ms - heard_ms > BLIND_AFTER_MS
    # The moment when the silence became too long; for a reminder the current one.
    at_ms = heard_ms if not blind else now_ms if state.firing else heard_ms + BLIND_AFTER_MS
    remedy = (
        "While this lasts no alert can fire. Look whether recording and alerting run: waybill report, and their logs."
    )
    window = (heard_ms, at_ms) if blind else (0, 0)
    measured = Measurement(outside=blind, from_ms=window[0], to_ms=window[1], notes=(remedy,) if blind else ())
    return step(
        _own(MONITOR_BLIND, "Alerting is blind", MONITOR_BLIND, "", channels),
        Check.BLIND,
        state,
        measured,
        at_ms,
        now_ms,
    )


def _setup(destination: str, channels: tuple[str, ...]) -> RuleContext:
    return _own(setup_rule_id(destination), f"Destination {destination} needs a person", SETUP, destination, channels)


def _own(rule_id: str, name: str, kind: str, destination: str, channels: tuple[str, ...]) -> RuleContext:
    return RuleContext(
        rule_id=rule_id,
        rule_version=0,
        rule_name=name,
        kind=kind,
        source="",
        destination=destination,
        mapping="",
        channels=channels,
        author=AUTHOR,
        remind_after_seconds=REMIND_AFTER_SECONDS,
    )
