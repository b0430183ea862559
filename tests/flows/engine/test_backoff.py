import pytest

from flows.engine.backoff import (
    HEALTHY_AFTER_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_RESTART_SECONDS,
    Restarts,
    retry_forever,
)


class Away(Exception):
    pass


def test_it_tries_again_with_growing_pauses_until_it_works() -> None:
    pauses: list[float] = []
    tries = iter(range(10))

    def action() -> str:
        if next(tries) < 9:
            raise Away("not there")
        return "done"

    assert retry_forever(action, Away, "asking", pauses.append) == "done"
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert len(pauses) == 9 and max(pauses) == LONGEST_PAUSE_SECONDS


def test_any_other_error_passes_through() -> None:
    def action() -> None:
        raise ValueError("a mistake, not an absence")

    with pytest.raises(ValueError, match="a mistake"):
        retry_forever(action, Away, "asking", lambda seconds: None)


def test_what_dies_again_and_again_is_started_ever_less_often() -> None:
    restarts = Restarts()
    pauses = [restarts.pause_seconds(2) for _ in range(8)]
    assert pauses == sorted(pauses) and pauses[0] < pauses[3] and pauses[-1] == LONGEST_RESTART_SECONDS


def test_after_a_run_that_was_well_the_pause_is_short_again() -> None:
    restarts = Restarts()
    first = restarts.pause_seconds(2)
    restarts.pause_seconds(2)
    assert restarts.pause_seconds(HEALTHY_AFTER_SECONDS + 1) == first
