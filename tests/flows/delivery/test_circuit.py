import pytest

from flows.delivery.circuit import CircuitBreaker, CircuitState
from model.delivery.failure_window import BreakerPolicy, FailureWindow
from model.http.failure import FailureClass
from tests.kit.samples import T0

POLICY = BreakerPolicy(
    failure_ratio=0.5, slow_ms=4_000, slow_ratio=0.9, min_calls=10, window_ms=30_000, pause_ms=10_000
)


def circuit_of(**changes: object) -> CircuitBreaker:
    settings: dict[str, object] = {
        "concurrency": 8,
        "setup_probe_ms": 60_000,
        "breaker": FailureWindow(POLICY),
        **changes,
    }
    return CircuitBreaker(**settings)  # type: ignore[arg-type]


def end(circuit: CircuitBreaker, failure: FailureClass, now_ms: int, *, took_ms: int = 5, code: str = "503") -> None:
    circuit.call_finished(failure, now_ms=now_ms, took_ms=took_ms, code=code, message="busy", retry_after_ms=None)


def open_circuit(circuit: CircuitBreaker, now_ms: int = T0) -> None:
    for _ in range(10):
        end(circuit, FailureClass.RETRY, now_ms)


def test_a_destination_that_fails_half_of_its_calls_is_left_alone_for_a_while_and_that_is_said_with_the_reason() -> (
    None
):
    circuit = circuit_of()
    for number in range(9):
        end(circuit, FailureClass.RETRY if number % 2 else FailureClass.DELIVERED, T0)
    circuit.changes()
    end(circuit, FailureClass.RETRY, T0)
    (change,) = circuit.changes()
    assert (change.state, change.code, change.until_ms) == (CircuitState.OPEN, "503", T0 + 10_000)
    assert "5 of the last 10 calls within 30 s failed: busy" == change.message
    assert circuit.allowed(T0 + 9_999, 0) == 0 and circuit.requeue_code == "BREAKER_OPEN"


def fail_again(circuit: CircuitBreaker, now_ms: int) -> None:
    circuit.call_finished(
        FailureClass.RETRY,
        now_ms=now_ms,
        took_ms=5_000,
        code="ETIMEDOUT",
        message="",
        retry_after_ms=None,
        failed_since_ms=T0,
    )


def test_events_that_fail_again_and_again_while_others_are_taken_do_not_open_it() -> None:
    circuit = circuit_of()
    for number in range(1, 1_000):
        now_ms = T0 + number * 100
        if number % 5:
            fail_again(circuit, now_ms)
        else:
            end(circuit, FailureClass.DELIVERED, now_ms)
    assert {change.state for change in circuit.changes()} == {CircuitState.CLOSED}


def test_when_nothing_is_taken_any_more_what_failed_before_counts_like_the_rest() -> None:
    circuit = circuit_of()
    end(circuit, FailureClass.DELIVERED, T0 + 1)
    for number in range(10):
        fail_again(circuit, T0 + 40_000 + number)
    assert circuit.state is CircuitState.OPEN
    assert circuit.changes()[-1].message == "10 of the last 10 calls within 30 s failed: ETIMEDOUT"


def test_fewer_calls_than_the_minimum_never_open_it() -> None:
    circuit = circuit_of()
    for _ in range(9):
        end(circuit, FailureClass.RETRY, T0)
    assert circuit.allowed(T0, 0) == 8


def test_failures_of_long_ago_do_not_count() -> None:
    circuit = circuit_of()
    for _ in range(9):
        end(circuit, FailureClass.RETRY, T0)
    end(circuit, FailureClass.RETRY, T0 + 31_000)
    assert circuit.allowed(T0 + 31_000, 0) == 8


def test_slowness_opens_it_too() -> None:
    circuit = circuit_of()
    for _ in range(10):
        end(circuit, FailureClass.DELIVERED, T0, took_ms=4_000)
    change = circuit.changes()[-1]
    assert change.state is CircuitState.OPEN and "took 4 s or longer" in change.message


def test_after_the_pause_one_call_tries_and_closes_it_or_opens_it_for_longer() -> None:
    circuit = circuit_of()
    open_circuit(circuit)
    assert circuit.allowed(T0 + 10_000, 0) == 1
    circuit.calls_started(T0 + 10_000, 1)
    assert circuit.allowed(T0 + 10_000, 1) == 0
    end(circuit, FailureClass.RETRY, T0 + 10_000)
    assert circuit.allowed(T0 + 29_999, 0) == 0 and circuit.allowed(T0 + 30_000, 0) == 1
    circuit.calls_started(T0 + 30_000, 1)
    end(circuit, FailureClass.DELIVERED, T0 + 30_000)
    assert [change.state for change in circuit.changes()] == [
        CircuitState.OPEN,
        CircuitState.HALF_OPEN,
        CircuitState.OPEN,
        CircuitState.HALF_OPEN,
        CircuitState.CLOSED,
    ]
    assert circuit.allowed(T0 + 30_000, 0) == 2  # and not all at once


def test_a_refused_event_is_no_failure_of_the_destination() -> None:
    circuit = circuit_of()
    for _ in range(100):
        end(circuit, FailureClass.DISCARD, T0, code="400")
    assert circuit.allowed(T0, 0) == 8


def test_throttling_is_no_failure_either_but_a_pause() -> None:
    circuit = circuit_of()
    for _ in range(100):
        end(circuit, FailureClass.THROTTLE, T0, code="429")
    assert circuit.allowed(T0 + 999, 0) == 0 and circuit.allowed(T0 + 1_000, 0) == 8
    assert circuit.changes() == []


def refuse(
    circuit: CircuitBreaker, now_ms: int, delivery: str = "", *, others: int = 0, before_ms: int = 0, code: str = "401"
) -> None:
    circuit.call_finished(
        FailureClass.SETUP,
        now_ms=now_ms,
        took_ms=5,
        code=code,
        message="busy",
        retry_after_ms=None,
        answered=code.isdecimal(),
        delivery=delivery,
        failed_since_ms=before_ms,
        others=others,
    )


def stop(circuit: CircuitBreaker, now_ms: int = T0) -> None:
    for delivery in ("a", "b", "c"):
        refuse(circuit, now_ms, delivery)
    assert circuit.state is CircuitState.BLOCKED


def test_a_destination_that_refuses_three_deliveries_in_a_row_is_stopped_and_the_reason_names_them() -> None:
    circuit = circuit_of()
    refuse(circuit, T0, "a")
    assert circuit.allowed(T0, 0) == 8
    refuse(circuit, T0, "b")
    assert circuit.changes() == [] and circuit.allowed(T0, 0) == 1  # the next one tells
    refuse(circuit, T0, "c")
    refuse(circuit, T0 + 60_000, "d")
    (change,) = circuit.changes()
    assert (change.state, change.code, change.until_ms) == (CircuitState.BLOCKED, "401", T0 + 60_000)
    assert change.message == "3 of the last 3 deliveries answered 401 since 02:00 UTC: busy"
    end(circuit, FailureClass.DELIVERED, T0 + 120_000)
    assert [change.state for change in circuit.changes()] == [CircuitState.CLOSED]
    assert circuit.allowed(T0 + 120_000, 0) == 2


@pytest.mark.parametrize("bad", [10, 3, 2])
def test_refused_deliveries_among_others_that_are_taken_stop_nothing(bad: int) -> None:
    circuit = circuit_of()
    for number in range(1_000):
        now_ms = T0 + number * 1_000
        if number % bad:
            end(circuit, FailureClass.DELIVERED, now_ms)
            assert circuit.allowed(now_ms, 0) == 8
        else:
            refuse(circuit, now_ms, f"d{number}", code="403")
    assert {change.state for change in circuit.changes()} == {CircuitState.CLOSED}


def test_a_delivery_that_was_refused_before_others_were_taken_tells_of_itself_alone() -> None:
    circuit = circuit_of()
    for number in range(20):
        refuse(circuit, T0 + number, f"d{number}", others=1)
    end(circuit, FailureClass.DELIVERED, T0 + 100)
    for again_ms in range(T0 + 45_000, T0 + 3_600_000, 45_000):
        for number in range(20):
            refuse(circuit, again_ms, f"d{number}", before_ms=T0 + number)
    assert circuit.state is CircuitState.CLOSED and circuit.allowed(T0 + 3_600_000, 0) == 8


def test_where_refused_and_taken_were_mixed_three_in_a_row_are_chance_but_ten_are_not() -> None:
    circuit = circuit_of()
    refuse(circuit, T0, "a")
    end(circuit, FailureClass.DELIVERED, T0)
    for number in range(9):
        refuse(circuit, T0 + number, f"d{number}")
    assert not circuit.probing
    refuse(circuit, T0 + 10, "d9")
    assert circuit.reason.startswith("401: 10 of the last 10 deliveries")


def test_where_refused_and_taken_were_mixed_three_are_enough_when_nothing_is_taken_for_long() -> None:
    circuit = circuit_of()
    refuse(circuit, T0, "a")
    end(circuit, FailureClass.DELIVERED, T0)
    for number in range(3):
        assert circuit.state is CircuitState.CLOSED
        refuse(circuit, T0 + number * 300_000, f"d{number}")
    assert circuit.state is CircuitState.BLOCKED


def test_refusals_prove_nothing_while_calls_begun_before_are_under_way() -> None:
    circuit = circuit_of()
    for number in range(5):
        refuse(circuit, T0, f"d{number}", others=9 - number)
    assert circuit.state is CircuitState.CLOSED and circuit.allowed(T0, 5) == 0
    end(circuit, FailureClass.DELIVERED, T0 + 50)
    assert circuit.state is CircuitState.CLOSED and circuit.allowed(T0 + 50, 4) == 4


def test_one_delivery_alone_is_evidence_when_it_is_refused_over_more_than_a_minute() -> None:
    circuit = circuit_of()
    for at_ms in (0, 45_000):
        refuse(circuit, T0 + at_ms, "a")
        assert circuit.state is CircuitState.CLOSED
    refuse(circuit, T0 + 90_000, "a")
    assert circuit.reason == "401: 3 of the last 3 calls answered 401 since 02:00 UTC: busy"
    assert circuit.state is CircuitState.BLOCKED


@pytest.mark.parametrize("code", ["TLS_ERROR", "ENOTFOUND"])
def test_a_host_that_cannot_be_reached_is_asked_once_a_second_and_given_up_after_ten(code: str) -> None:
    circuit, now_ms, calls = circuit_of(), T0, 0
    while circuit.state is CircuitState.CLOSED:
        if circuit.allowed(now_ms, 0):
            calls += 1
            refuse(circuit, now_ms, f"d{calls}", code=code)
        now_ms += 100
    assert 10_000 <= now_ms - T0 <= 11_500 and calls <= 12
    assert f"{calls} of the last {calls} deliveries failed with {code} since" in circuit.reason


def test_a_passing_fault_of_names_or_certificates_stops_nothing() -> None:
    circuit = circuit_of()
    for number in range(64):
        refuse(circuit, T0, f"d{number}", code="ENOTFOUND")
    assert circuit.allowed(T0 + 1_000, 0) == 1
    end(circuit, FailureClass.DELIVERED, T0 + 1_000)
    assert circuit.state is CircuitState.CLOSED and circuit.allowed(T0 + 1_000, 0) == 8


@pytest.mark.parametrize(
    ("code", "answered", "mended"),
    [("401", True, False), ("401", False, False), ("ENOTFOUND", True, True), ("ENOTFOUND", False, False)],
)
def test_a_probe_that_fails_in_another_way_mends_nothing_unless_it_shows_that_the_host_answers(
    code: str, answered: bool, mended: bool
) -> None:
    circuit = circuit_of()
    for number in range(13):
        refuse(circuit, T0 + number * 1_000, f"d{number}", code=code)
    assert circuit.probing
    probe_ms = T0 + 200_000
    circuit.call_finished(
        FailureClass.RETRY, now_ms=probe_ms, took_ms=5, code="503", message="", retry_after_ms=None, answered=answered
    )
    assert circuit.probing != mended
    assert circuit.allowed(probe_ms + 59_999, 0) == (1 if mended else 0)


def test_evidence_survives_a_restart() -> None:
    before, after = circuit_of(), circuit_of()
    refuse(before, T0, "a")
    refuse(before, T0, "b")
    after.restore(before.state, before.evidence())
    refuse(after, T0 + 1, "c")
    (change,) = after.changes()
    assert change.message.startswith("3 of the last 3 deliveries")
    again = circuit_of()
    again.restore(after.state, after.evidence())
    assert again.probing and again.reason == after.reason
    refuse(again, T0 + 60_000, "d")
    (change,) = again.changes()
    assert change.message.startswith("4 of the last 4 deliveries")


def test_a_breaker_that_opens_again_says_what_it_rests_on() -> None:
    circuit = circuit_of()
    open_circuit(circuit)
    for at_ms in (10_000, 30_000):
        circuit.calls_started(T0 + at_ms, 1)
        end(circuit, FailureClass.RETRY, T0 + at_ms)
    said = [change.message for change in circuit.changes() if change.state is CircuitState.OPEN]
    assert said == [
        "10 of the last 10 calls within 30 s failed: busy",
        "10 of the last 10 calls within 30 s failed, then the probe failed: busy",
        "10 of the last 10 calls within 30 s failed, then 2 probes failed: busy",
    ]


def test_a_service_that_says_until_when_it_is_away_is_left_alone_till_then() -> None:
    circuit = circuit_of()
    circuit.call_finished(FailureClass.RETRY, now_ms=T0, took_ms=5, code="503", message="", retry_after_ms=30_000)
    end(circuit, FailureClass.DELIVERED, T0 + 10)
    assert circuit.allowed(T0 + 29_999, 0) == 0 and circuit.allowed(T0 + 30_000, 0) == 8
    assert circuit.requeue_code == "PAUSED"


def test_a_host_that_is_found_again_and_says_until_when_it_is_away_is_left_alone_till_then() -> None:
    circuit = circuit_of()
    for number in range(13):
        refuse(circuit, T0 + number * 1_000, f"d{number}", code="ENOTFOUND")
    probe_ms = T0 + 200_000
    circuit.call_finished(FailureClass.RETRY, now_ms=probe_ms, took_ms=5, code="503", message="", retry_after_ms=30_000)
    assert not circuit.probing
    assert circuit.allowed(probe_ms + 29_999, 0) == 0 and circuit.allowed(probe_ms + 30_000, 0) == 1


def test_the_first_success_of_a_run_is_said_because_the_run_before_may_not_have_lived_to() -> None:
    circuit = circuit_of()
    end(circuit, FailureClass.DELIVERED, T0)
    end(circuit, FailureClass.DELIVERED, T0)
    assert [change.state for change in circuit.changes()] == [CircuitState.CLOSED]


def test_a_restored_setup_is_probed_and_not_stormed() -> None:
    circuit = circuit_of()
    circuit.restore("setup")
    assert circuit.allowed(T0, 0) == 1 and circuit.allowed(T0, 1) == 0


def test_a_rate_limit_spreads_calls_over_the_second() -> None:
    circuit = circuit_of(concurrency=1_000, calls_per_second=100.0)
    begun = 0
    for now_ms in range(T0, T0 + 2_000, 5):
        free = circuit.allowed(now_ms, 0)
        circuit.calls_started(now_ms, free)
        begun += free
        assert begun <= 10 + (now_ms - T0) / 10 + 1
    assert 200 <= begun <= 211


def test_a_slow_rate_limit_still_lets_calls_through() -> None:
    circuit = circuit_of(calls_per_second=0.5)
    begun = []
    for now_ms in range(T0, T0 + 10_000, 20):
        if circuit.allowed(now_ms, 0):
            circuit.calls_started(now_ms, 1)
            begun.append(now_ms - T0)
    assert len(begun) == 5 and begun[1] - begun[0] >= 2_000


def test_waiting_for_the_rate_limit_counts_as_blocked_time() -> None:
    circuit = circuit_of(calls_per_second=1.0)
    assert circuit.allowed(T0, 0) == 1
    circuit.calls_started(T0, 1)
    at_arrival_ms = circuit.blocked_ms(T0)
    for now_ms in range(T0, T0 + 1_001, 10):
        if circuit.allowed(now_ms, 0):
            break
    assert 980 <= circuit.blocked_ms(now_ms) - at_arrival_ms <= 1_000


def test_a_destination_that_is_well_adds_nothing_to_a_snapshot() -> None:
    circuit = circuit_of()
    assert circuit.evidence() is None
    end(circuit, FailureClass.DELIVERED, T0)
    assert circuit.evidence() is None
    refuse(circuit, T0 + 1, "a")
    assert circuit.evidence() is not None
