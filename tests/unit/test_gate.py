from flows.gate import Condition, Gate
from model.breaker import Breaker, BreakerPolicy
from model.failure import FailureClass
from tests.samples import T0

POLICY = BreakerPolicy(
    failure_ratio=0.5, slow_ms=4_000, slow_ratio=0.9, min_calls=10, window_ms=30_000, pause_ms=10_000
)


def gate_of(**changes: object) -> Gate:
    settings: dict[str, object] = {"concurrency": 8, "setup_probe_ms": 60_000, "breaker": Breaker(POLICY), **changes}
    return Gate(**settings)  # type: ignore[arg-type]


def end(gate: Gate, failure: FailureClass, now_ms: int, *, took_ms: int = 5, code: str = "503") -> None:
    gate.ended(failure, now_ms=now_ms, took_ms=took_ms, code=code, message="busy", retry_after_ms=None)


def open_gate(gate: Gate, now_ms: int = T0) -> None:
    for _ in range(10):
        end(gate, FailureClass.RETRY, now_ms)


def test_a_destination_that_fails_half_of_its_calls_is_left_alone_for_a_while_and_that_is_said_with_the_reason() -> (
    None
):
    gate = gate_of()
    for number in range(9):
        end(gate, FailureClass.RETRY if number % 2 else FailureClass.DELIVERED, T0)
    gate.changes()
    end(gate, FailureClass.RETRY, T0)
    (change,) = gate.changes()
    assert (change.condition, change.code, change.until_ms) == (Condition.OPEN, "503", T0 + 10_000)
    assert "5 of the last 10 calls within 30 s failed: busy" == change.message
    assert gate.allowed(T0 + 9_999, 0) == 0 and gate.waiting_code == "BREAKER_OPEN"


def test_fewer_calls_than_the_minimum_never_open_it() -> None:
    gate = gate_of()
    for _ in range(9):
        end(gate, FailureClass.RETRY, T0)
    assert gate.allowed(T0, 0) == 8


def test_failures_of_long_ago_do_not_count() -> None:
    gate = gate_of()
    for _ in range(9):
        end(gate, FailureClass.RETRY, T0)
    end(gate, FailureClass.RETRY, T0 + 31_000)
    assert gate.allowed(T0 + 31_000, 0) == 8


def test_slowness_opens_it_too() -> None:
    gate = gate_of()
    for _ in range(10):
        end(gate, FailureClass.DELIVERED, T0, took_ms=4_000)
    change = gate.changes()[-1]
    assert change.condition is Condition.OPEN and "took 4 s or longer" in change.message


def test_after_the_pause_one_call_tries_and_closes_it_or_opens_it_for_longer() -> None:
    gate = gate_of()
    open_gate(gate)
    assert gate.allowed(T0 + 10_000, 0) == 1
    gate.began(T0 + 10_000, 1)
    assert gate.allowed(T0 + 10_000, 1) == 0
    end(gate, FailureClass.RETRY, T0 + 10_000)
    assert gate.allowed(T0 + 29_999, 0) == 0 and gate.allowed(T0 + 30_000, 0) == 1
    gate.began(T0 + 30_000, 1)
    end(gate, FailureClass.DELIVERED, T0 + 30_000)
    assert [change.condition for change in gate.changes()] == [
        Condition.OPEN,
        Condition.HALF_OPEN,
        Condition.OPEN,
        Condition.HALF_OPEN,
        Condition.OK,
    ]
    assert gate.allowed(T0 + 30_000, 0) == 2  # and not all at once


def test_a_refused_event_is_no_failure_of_the_destination() -> None:
    gate = gate_of()
    for _ in range(100):
        end(gate, FailureClass.DISCARD, T0, code="400")
    assert gate.allowed(T0, 0) == 8


def test_throttling_is_no_failure_either_but_a_pause() -> None:
    gate = gate_of()
    for _ in range(100):
        end(gate, FailureClass.THROTTLE, T0, code="429")
    assert gate.allowed(T0 + 999, 0) == 0 and gate.allowed(T0 + 1_000, 0) == 8
    assert gate.changes() == []


def test_a_setup_failure_is_said_once_and_its_end_too() -> None:
    gate = gate_of()
    end(gate, FailureClass.SETUP, T0, code="401")
    end(gate, FailureClass.SETUP, T0 + 60_000, code="401")
    (change,) = gate.changes()
    assert (change.condition, change.code, change.message) == (Condition.SETUP, "401", "busy")
    end(gate, FailureClass.DELIVERED, T0 + 120_000)
    assert [change.condition for change in gate.changes()] == [Condition.OK]


def test_the_first_success_of_a_run_is_said_because_the_run_before_may_not_have_lived_to() -> None:
    gate = gate_of()
    end(gate, FailureClass.DELIVERED, T0)
    end(gate, FailureClass.DELIVERED, T0)
    assert [change.condition for change in gate.changes()] == [Condition.OK]


def test_a_restored_setup_is_probed_and_not_stormed() -> None:
    gate = gate_of()
    gate.restore("setup")
    assert gate.allowed(T0, 0) == 1 and gate.allowed(T0, 1) == 0


def test_a_rate_limit_spreads_calls_over_the_second() -> None:
    gate = gate_of(concurrency=1_000, calls_per_second=100.0)
    begun = 0
    for now_ms in range(T0, T0 + 2_000, 5):
        free = gate.allowed(now_ms, 0)
        gate.began(now_ms, free)
        begun += free
        assert begun <= 10 + (now_ms - T0) / 10 + 1
    assert 200 <= begun <= 211


def test_a_slow_rate_limit_still_lets_calls_through() -> None:
    gate = gate_of(calls_per_second=0.5)
    begun = []
    for now_ms in range(T0, T0 + 10_000, 20):
        if gate.allowed(now_ms, 0):
            gate.began(now_ms, 1)
            begun.append(now_ms - T0)
    assert len(begun) == 5 and begun[1] - begun[0] >= 2_000


def test_waiting_for_the_rate_limit_counts_as_blocked_time() -> None:
    gate = gate_of(calls_per_second=1.0)
    assert gate.allowed(T0, 0) == 1
    gate.began(T0, 1)
    at_arrival_ms = gate.blocked_ms(T0)
    for now_ms in range(T0, T0 + 1_001, 10):
        if gate.allowed(now_ms, 0):
            break
    assert 980 <= gate.blocked_ms(now_ms) - at_arrival_ms <= 1_000
