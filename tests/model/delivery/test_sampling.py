from model.delivery.sampling import FAILURES_PER_MINUTE, MAX_KINDS, Sampler
from model.durations import HOUR_MS, MINUTE_MS
from tests.kit.samples import T0


def failures(sampler: Sampler, code: str, now_ms: int, tries: int = 10) -> int:
    return sum(sampler.keep_failure("web", "crm", code, now_ms) for _ in range(tries))


def test_the_first_three_failures_of_each_code_and_minute_are_kept() -> None:
    sampler = Sampler()
    assert failures(sampler, "503", T0) == FAILURES_PER_MINUTE == 3
    assert failures(sampler, "503", T0 + MINUTE_MS - 1) == 0
    assert failures(sampler, "400", T0) == 3
    assert failures(sampler, "503", T0 + MINUTE_MS) == 3


def test_one_success_of_each_event_name_and_hour_is_kept() -> None:
    sampler = Sampler()
    assert [sampler.keep_success("web", "crm", "Order", T0 + at) for at in (0, 1, HOUR_MS - 1, HOUR_MS)] == [1, 0, 0, 1]
    assert sampler.keep_success("web", "ads", "Order", T0 + HOUR_MS)


def test_failures_leave_the_successes_their_own_count() -> None:
    sampler = Sampler()
    failures(sampler, "503", T0)
    assert sampler.keep_success("web", "crm", "503", T0)


def test_kinds_beyond_the_limit_wait_for_the_next_period_and_known_ones_go_on() -> None:
    sampler = Sampler()
    assert all(sampler.keep_failure("web", "crm", str(code), T0) for code in range(MAX_KINDS))
    assert not sampler.keep_failure("web", "crm", "one too many", T0)
    assert sampler.keep_failure("web", "crm", "0", T0)
    assert sampler.keep_failure("web", "crm", "one too many", T0 + MINUTE_MS)
