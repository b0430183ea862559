import pytest

from model.alerts.alert_event import Suppression
from model.alerts.notification import Change
from model.alerts.state import NEVER_FIRED, RuleState
from model.alerts.system import DestinationStatus, default_channels, destination_removed, monitor_blind, setup
from model.durations import DAY_MS, HOUR_MS, MINUTE_MS
from tests.kit.alert_samples import NOW

CHANNELS = default_channels(["ops", "in-app"])
UNAUTHORIZED = DestinationStatus("crm", NOW, "setup", "401", "invalid api key")


def test_it_is_always_told_in_app() -> None:
    assert CHANNELS == ("in-app", "ops")
    assert default_channels([]) == ("in-app",)


def test_a_destination_that_needs_a_person_fires_and_recovers_when_it_takes_deliveries() -> None:
    state, fired = setup(UNAUTHORIZED, NEVER_FIRED, CHANNELS, NOW)
    assert fired is not None and (fired.rule_id, fired.change, fired.notified) == ("setup:crm", Change.FIRED, True)
    assert (fired.code, fired.message, fired.destination) == ("401", "invalid api key", "crm")
    assert fired.notes and fired.channels == CHANNELS
    assert setup(UNAUTHORIZED, state, CHANNELS, NOW) == (state, None)
    state, recovered = setup(DestinationStatus("crm", NOW + 5, "ok"), state, CHANNELS, NOW)
    assert recovered is not None and (recovered.change, recovered.episode) == (Change.RECOVERED, fired.id)
    assert not state.firing


def test_a_destination_nothing_is_sent_to_any_more_is_watched_no_longer() -> None:
    firing, _ = setup(UNAUTHORIZED, NEVER_FIRED, CHANNELS, NOW)
    off = DestinationStatus("crm", NOW + 5, "off")
    state, ended = setup(off, firing, CHANNELS, NOW + 5)
    assert not state.firing
    assert ended is not None and ended.notes == ("Nothing is sent to the destination any more.",) and not ended.notified
    assert setup(off, NEVER_FIRED, CHANNELS, NOW + 5) == (NEVER_FIRED, None)


@pytest.mark.parametrize("said", ["open", "half_open", "something new"])
def test_a_breaker_neither_fires_nor_recovers(said: str) -> None:
    firing, _ = setup(UNAUTHORIZED, NEVER_FIRED, CHANNELS, NOW)
    for state in (NEVER_FIRED, firing):
        assert setup(DestinationStatus("crm", NOW + 5, said), state, CHANNELS, NOW) == (state, None)


def test_while_it_lasts_it_is_told_once_a_day() -> None:
    state, _ = setup(UNAUTHORIZED, NEVER_FIRED, CHANNELS, NOW)
    still = DestinationStatus("crm", NOW + DAY_MS, "setup", "401", "invalid api key")
    reminder = setup(still, state, CHANNELS, NOW + DAY_MS)[1]
    assert reminder is not None and reminder.change is Change.REMINDER


def test_a_destination_that_is_removed_ends_its_episode_in_silence() -> None:
    state, _ = setup(UNAUTHORIZED, NEVER_FIRED, CHANNELS, NOW)
    state, ended = destination_removed("crm", state, NOW + 5, CHANNELS)
    assert ended is not None and (ended.suppressed_reason, state.firing) == (Suppression.ENDED, False)
    assert destination_removed("crm", state, NOW + 6, CHANNELS) == (state, None)


def test_what_a_bundle_says_is_read_and_cut() -> None:
    said = {"destination": "crm", "at_ms": NOW, "state": "setup", "code": "401", "message": "no " * 500}
    read = DestinationStatus.from_bundle(said)
    assert (read.destination, read.state, read.code, len(read.message) <= 300) == ("crm", "setup", "401", True)
    with pytest.raises(KeyError):
        DestinationStatus.from_bundle({})


def test_three_minutes_without_a_bundle_are_told_once_under_one_id_whenever_it_is_noticed() -> None:
    assert monitor_blind(NOW, NEVER_FIRED, CHANNELS, NOW + 3 * MINUTE_MS) == (NEVER_FIRED, None)
    found = [monitor_blind(NOW, NEVER_FIRED, CHANNELS, NOW + 3 * MINUTE_MS + late_ms) for late_ms in (1, 7_000)]
    assert found[0] == found[1]
    state, fired = found[0]
    assert fired is not None and (fired.rule_id, fired.change, fired.notified) == ("monitor-blind", Change.FIRED, True)
    assert monitor_blind(NOW, state, CHANNELS, NOW + HOUR_MS) == (state, None)
    reminder = monitor_blind(NOW, state, CHANNELS, NOW + 2 * DAY_MS)[1]
    assert reminder is not None and reminder.change is Change.REMINDER
    heard = NOW + HOUR_MS
    state, recovered = monitor_blind(heard, state, CHANNELS, heard + 100)
    assert recovered is not None and (recovered.change, recovered.at_ms) == (Change.RECOVERED, heard)
    assert state == RuleState(since_ms=heard)
