from typing import Any

import pytest

from model.delivery.attempt import AttemptDecision, AttemptResult, decide
from model.delivery.delivery import Delivery
from model.delivery.retry_policy import RetryPolicy
from model.http.failure import FailureClass
from model.recording.facts import State
from tests.kit.samples import T0, delivery

POLICY = RetryPolicy(attempts=3, window_ms=600_000)
NOW = T0 + 1_000


def after(failure: FailureClass, of: Delivery | None = None, *, now_ms: int = NOW, **said: Any) -> AttemptDecision:
    """What follows from one answer to the delivery's first call."""
    answer = AttemptResult(
        **{"failure": failure, "code": "503", "http_status": 503, "http_ms": 20, "message": "busy", **said}
    )
    return decide(of or delivery(calls=1), answer, POLICY, now_ms=now_ms, run="run-1", random=lambda: 0.5)


def test_a_success_ends_as_delivered_without_a_code() -> None:
    end = after(FailureClass.DELIVERED, code="", message="", http_status=204)
    assert end.retry is None and end.attempt_failed is None and end.outcome is not None
    assert (end.outcome.state, end.outcome.code, end.outcome.http_status) == (State.DELIVERED, "", 204)


def test_a_refusal_ends_as_discarded_with_the_partners_words() -> None:
    end = after(FailureClass.DISCARD, code="400", http_status=400).outcome
    assert end is not None and (end.state, end.code, end.message) == (State.DISCARDED, "400", "busy")


def test_a_passing_fault_goes_on_and_says_when() -> None:
    end = after(FailureClass.RETRY)
    assert end.outcome is None and end.retry is not None and end.attempt_failed is not None
    assert end.retry.due_at_ms == end.attempt_failed.due_at_ms == NOW + 45_000
    assert (end.retry.waits_from_ms, end.retry.attempts, end.retry.code) == (NOW, 1, "503")
    assert (end.attempt_failed.attempt, end.attempt_failed.failure) == (1, "retry")


@pytest.mark.parametrize("failure", [FailureClass.THROTTLE, FailureClass.SETUP])
def test_what_says_nothing_about_the_event_uses_no_attempt(failure: FailureClass) -> None:
    end = after(failure, delivery(calls=40, attempts=2))
    assert end.retry is not None and end.retry.attempts == 2


def test_the_last_attempt_expires_with_the_last_error() -> None:
    end = after(FailureClass.RETRY, delivery(calls=3, attempts=2)).outcome
    assert end is not None and (end.state, end.code, end.message) == (State.EXPIRED, "503", "busy")


def test_the_end_of_the_window_expires_whatever_attempts_are_left() -> None:
    end = after(FailureClass.THROTTLE, now_ms=T0 + 600_000).outcome
    assert end is not None and end.state is State.EXPIRED


def test_a_retry_after_is_respected() -> None:
    end = after(FailureClass.THROTTLE, retry_after_ms=120_000).retry
    assert end is not None and end.due_at_ms == NOW + 120_000


@pytest.mark.parametrize("failure", FailureClass)
def test_marks_of_a_crash_stick_to_whatever_follows(failure: FailureClass) -> None:
    end = after(failure, delivery(calls=1, replayed=True, resent=True))
    for follows in (end.outcome, end.retry, end.attempt_failed):
        assert follows is None or (follows.replayed and follows.resent)


@pytest.mark.parametrize(("attempts", "window_ms", "limit"), [(0, 600_000, 64), (1, 600_000, 1), (0, 40_000, 1)])
def test_the_last_attempt_is_made_alone(attempts: int, window_ms: int, limit: int) -> None:
    answer = AttemptResult(failure=FailureClass.RETRY, code="503", http_status=503, batch_items=600, batch_limit=64)
    policy = RetryPolicy(attempts=3, window_ms=window_ms)
    of = delivery(calls=1, attempts=attempts)
    end = decide(of, answer, policy, now_ms=NOW, run="run-1", random=lambda: 0.5).retry
    assert end is not None and end.batch_limit == limit


def test_a_small_batch_stays_one_when_an_answer_says_nothing_of_its_size() -> None:
    end = after(FailureClass.THROTTLE, delivery(calls=1, batch_limit=8)).retry
    assert end is not None and end.batch_limit == 8


def test_when_a_delivery_first_failed_is_remembered_by_the_way_it_failed() -> None:
    refused = after(FailureClass.SETUP).retry
    assert refused is not None and (refused.refused_since_ms, refused.failed_since_ms) == (NOW, 0)
    failed = after(FailureClass.RETRY, refused, now_ms=NOW + 5).retry
    assert failed is not None and (failed.refused_since_ms, failed.failed_since_ms) == (NOW, NOW + 5)
    again = after(FailureClass.SETUP, failed, now_ms=NOW + 9).retry
    assert again is not None and again.refused_since_ms == NOW
    throttled = after(FailureClass.THROTTLE).retry
    assert throttled is not None and (throttled.refused_since_ms, throttled.failed_since_ms) == (0, 0)


@pytest.mark.parametrize(("calls", "wait_ms"), [(1, 45_000), (3, 45_000), (4, 90_000), (5, 180_000)])
def test_what_is_refused_again_and_again_is_tried_more_and_more_seldom(calls: int, wait_ms: int) -> None:
    end = after(FailureClass.SETUP, delivery(calls=calls)).retry
    assert end is not None and (end.due_at_ms, end.attempts) == (NOW + wait_ms, 0)
