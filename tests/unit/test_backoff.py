import pytest

from flows.backoff import LONGEST_PAUSE_SECONDS, until_it_works


class Away(Exception):
    pass


def test_it_tries_again_with_growing_pauses_until_it_works() -> None:
    pauses: list[float] = []
    tries = iter(range(10))

    def action() -> str:
        if next(tries) < 9:
            raise Away("not there")
        return "done"

    assert until_it_works(action, Away, "asking", pauses.append) == "done"
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert len(pauses) == 9 and max(pauses) == LONGEST_PAUSE_SECONDS


def test_any_other_error_passes_through() -> None:
    def action() -> None:
        raise ValueError("a mistake, not an absence")

    with pytest.raises(ValueError, match="a mistake"):
        until_it_works(action, Away, "asking", lambda seconds: None)
