import pytest

from flows.delivery.circuit import CircuitBreaker
from flows.delivery.queue import FARTHEST_SLOT_MS, MAX_REQUEUED, DestinationQueue, QueuedDelivery, Requeue
from model.delivery.delivery import Wait
from model.destinations.destination import BatchLimits
from model.http.failure import FailureClass
from tests.kit.samples import T0, delivery

DELIVERED, RETRY, THROTTLE, SETUP = (
    FailureClass.DELIVERED,
    FailureClass.RETRY,
    FailureClass.THROTTLE,
    FailureClass.SETUP,
)
SINGLE = BatchLimits(max_events=1, max_bytes=1 << 30, max_age_seconds=0)


def queue_of(
    count: int, *, concurrency: int = 4, max_wait_ms: int = 30_000, batching: BatchLimits = SINGLE
) -> DestinationQueue:
    circuit = CircuitBreaker(concurrency=concurrency, setup_probe_ms=60_000)
    queue = DestinationQueue("crm", circuit, concurrency=concurrency, batching=batching, max_wait_ms=max_wait_ms)
    for offset in range(count):
        queue.add(waiting(offset), T0)
    return queue


def waiting(offset: int, arrived_ms: int = T0) -> QueuedDelivery:
    return QueuedDelivery(delivery(events_offset=offset), "events", 0, offset, arrived_ms=arrived_ms)


def offsets(groups: list[list[QueuedDelivery]]) -> list[int]:
    return [each.offset for group in groups for each in group]


def end(
    queue: DestinationQueue,
    group: list[QueuedDelivery],
    failure: FailureClass,
    now_ms: int,
    retry_after_ms: int | None = None,
) -> None:
    paced = failure not in {THROTTLE, SETUP} and not queue.circuit.probing
    queue.circuit.call_finished(failure, now_ms=now_ms, took_ms=5, code="", message="", retry_after_ms=retry_after_ms)
    queue.finished(group, calls=1, now_ms=now_ms, paced=paced)


def requeue(queue: DestinationQueue, now_ms: int, over_share: int = 0, make_room: bool = False) -> list[Requeue]:
    """Put back until there is nothing more to put back."""
    put: list[Requeue] = []
    while part := queue.requeue(now_ms, over_share=max(0, over_share - len(put)), make_room=make_room):
        put.extend(part)
    return put


def test_as_many_calls_as_connections_start_oldest_first() -> None:
    queue = queue_of(6)
    started = queue.start(T0)
    assert offsets(started) == [0, 1, 2, 3]
    assert all(each.started for group in started for each in group)
    assert queue.start(T0) == []
    end(queue, started[0], DELIVERED, T0)
    assert offsets(queue.start(T0)) == [4]
    assert len(queue) == 1 and offsets([queue.queued()]) == [5]


def test_throttling_pauses_the_room_as_long_as_asked() -> None:
    queue = queue_of(6, concurrency=2)
    first, second = queue.start(T0)
    end(queue, first, THROTTLE, T0, retry_after_ms=5_000)
    end(queue, second, THROTTLE, T0, retry_after_ms=1_000)
    assert queue.start(T0 + 4_999) == []
    assert offsets(queue.start(T0 + 5_000)) == [2, 3]


def test_after_a_setup_failure_one_call_at_a_time_tries_and_then_more_and_more() -> None:
    queue = queue_of(12)
    for group in queue.start(T0):
        end(queue, group, SETUP, T0)
    assert queue.start(T0 + 59_999) == []
    (probe,) = queue.start(T0 + 60_000)
    assert probe[0].offset == 4 and queue.start(T0 + 60_000) == []
    end(queue, probe, SETUP, T0 + 60_000)
    (probe,) = queue.start(T0 + 120_000)
    end(queue, probe, DELIVERED, T0 + 120_000)
    pair = queue.start(T0 + 120_000)
    assert offsets(pair) == [6, 7]
    end(queue, pair[0], DELIVERED, T0 + 120_001)
    assert offsets(queue.start(T0 + 120_001)) == [8, 9, 10]


def test_what_is_over_the_share_is_requeue_newest_first() -> None:
    put = requeue(queue_of(12, concurrency=1), T0 + 2_000, over_share=2)
    assert [(back.queued.offset, back.code) for back in put] == [(11, "OVER_SHARE"), (10, "OVER_SHARE")]


def test_a_burst_is_not_requeue_by_a_destination_that_keeps_up_whatever_its_share() -> None:
    queue = queue_of(600, concurrency=10)
    now_ms = T0
    while not queue.idle:  # ten calls of 50 ms each at a time: 200 a second
        assert requeue(queue, now_ms, over_share=500, make_room=True) == []
        groups = queue.start(now_ms)
        now_ms += 50
        for group in groups:
            end(queue, group, DELIVERED, now_ms)
    assert now_ms >= T0 + 3_000


def test_no_more_can_be_requeue_than_waits() -> None:
    queue = queue_of(3)
    queue.start(T0)
    assert requeue(queue, T0 + 2_000, over_share=100) == []


def test_what_waited_too_long_is_requeue_and_the_rest_stays() -> None:
    queue = queue_of(0, concurrency=1)
    queue.add(waiting(0), T0)
    queue.add(waiting(1, arrived_ms=T0 + 1), T0 + 1)
    put = requeue(queue, T0 + 30_000)
    assert [(back.queued.offset, back.code, back.wait) for back in put] == [(0, "WAITED_TOO_LONG", Wait.QUEUE)]
    assert offsets([queue.queued()]) == [1]


def test_a_pause_longer_than_a_room_may_keep_a_delivery_puts_all_back_until_it_ends() -> None:
    queue = queue_of(5, concurrency=1)
    (group,) = queue.start(T0)
    end(queue, group, THROTTLE, T0, retry_after_ms=3_600_000)
    put = requeue(queue, T0)
    assert {(back.code, back.wait) for back in put} == {("PAUSED", Wait.LIMIT)} and len(put) == 4
    assert all(back.due_at_ms >= T0 + 3_600_000 for back in put)
    assert queue.idle


def test_a_short_pause_keeps_deliveries_in_the_room_unless_others_want_the_memory() -> None:
    queue = queue_of(5, concurrency=1)
    (group,) = queue.start(T0)
    end(queue, group, THROTTLE, T0, retry_after_ms=30_000)
    assert requeue(queue, T0) == []
    assert len(requeue(queue, T0, make_room=True)) == 4


def test_what_the_destinations_pace_leaves_no_time_for_makes_way_when_others_want_the_memory() -> None:
    queue = queue_of(200, concurrency=2)
    now_ms = T0
    for _ in range(2):  # two calls of a second each at a time: two a second, so ten within five seconds
        assert requeue(queue, now_ms, make_room=True) == []
        groups = queue.start(now_ms)
        now_ms += 1_000
        for group in groups:
            end(queue, group, DELIVERED, now_ms)
    put = requeue(queue, now_ms, make_room=True)
    assert len(queue) == 10 and put[0].queued.offset == 199
    assert requeue(queue, now_ms) == []


def test_much_is_requeue_a_part_at_a_time_so_that_nobody_is_kept_waiting() -> None:
    queue = queue_of(1_000, concurrency=1)
    assert len(queue.requeue(T0 + 5_000, over_share=0, make_room=True)) == MAX_REQUEUED
    assert len(queue.requeue(T0 + 600_000, over_share=0, make_room=False)) == MAX_REQUEUED
    assert len(queue) == 1_000 - 2 * MAX_REQUEUED


def test_while_a_destination_is_behind_what_comes_in_new_makes_way_at_once_and_not_when_it_has_caught_up() -> None:
    queue = queue_of(100, concurrency=1)
    now_ms = T0 + 5_000
    assert len(requeue(queue, now_ms, make_room=True)) == 95  # one a second
    for number in range(200, 220):
        queue.add(waiting(number, now_ms), now_ms)
    assert len(requeue(queue, now_ms, make_room=True)) == 20
    while not queue.idle:
        groups = queue.start(now_ms)
        now_ms += 1_000
        for group in groups:
            end(queue, group, DELIVERED, now_ms)
    for number in range(300, 320):
        queue.add(waiting(number, now_ms), now_ms)
    assert requeue(queue, now_ms, make_room=True) == []


def test_a_destination_that_is_behind_has_not_caught_up_when_all_its_long_calls_end_at_once() -> None:
    queue = queue_of(400, concurrency=8)
    groups = queue.start(T0)
    requeue(queue, T0 + 2_000, make_room=True)
    for group in groups:
        end(queue, group, DELIVERED, T0 + 10_000)
        requeue(queue, T0 + 10_000, make_room=True)
        queue.start(T0 + 10_000)
    assert queue.idle  # all that waited was put back, or has begun
    for number in range(400, 450):
        queue.add(waiting(number, T0 + 10_010), T0 + 10_010)
    assert len(requeue(queue, T0 + 10_010, make_room=True)) == 45  # one a second


def test_while_single_calls_try_a_destination_what_comes_in_new_makes_way_at_once() -> None:
    queue = queue_of(3, concurrency=3)
    for group in queue.start(T0):
        end(queue, group, SETUP, T0)
    for number in range(1, 11):  # in the last second of the pause
        queue.add(waiting(number, T0 + 59_500), T0 + 59_500)
    assert requeue(queue, T0 + 59_500) == []
    put = requeue(queue, T0 + 59_500, make_room=True)
    assert [back.queued.offset for back in put] == list(range(10, 1, -1))
    assert {(back.code, back.wait) for back in put} == {("SETUP_PROBE", Wait.LIMIT)}
    assert offsets(queue.start(T0 + 60_000)) == [1]


def test_requeue_deliveries_return_one_after_another_at_the_pace_the_destination_showed() -> None:
    queue = queue_of(1_000, concurrency=10)
    for now_ms in range(T0, T0 + 2_000, 100):  # ten calls of 100 ms each: 100 a second
        for group in queue.start(now_ms):
            end(queue, group, DELIVERED, now_ms + 100)
    now_ms = T0 + 2_000
    due = [back.due_at_ms for back in requeue(queue, now_ms, over_share=500)]
    assert due == sorted(due) and len(due) == 300  # five seconds' worth stay
    assert now_ms + 1_000 <= due[0]
    assert 2_500 <= due[-1] - due[0] <= 3_500


def test_however_slow_nothing_is_requeue_further_than_ten_minutes() -> None:
    queue = queue_of(5_000, concurrency=1)
    now_ms = T0 + 2_000
    assert max(back.due_at_ms for back in requeue(queue, now_ms, over_share=4_999)) <= now_ms + FARTHEST_SLOT_MS


def test_a_delivery_is_not_requeue_before_a_second_has_passed() -> None:
    put = requeue(queue_of(300, concurrency=50), T0 + 2_000, over_share=50)
    assert len(put) == 50 and all(back.due_at_ms > T0 + 3_000 for back in put)


def test_a_pause_is_not_taken_for_slowness_when_requeue_deliveries_get_their_times() -> None:
    queue = queue_of(40, concurrency=10, max_wait_ms=1_000)
    for group in queue.start(T0):
        end(queue, group, SETUP, T0)
    [probe] = queue.start(T0 + 60_000)
    end(queue, probe, SETUP, T0 + 60_001)
    due = [back.due_at_ms for back in requeue(queue, T0 + 60_001)]
    # 29 wait: ten a second from the end of the pause, as ten connections would do with calls of a second.
    assert probe[0].offset == 10 and len(due) == 29
    assert due[0] >= T0 + 120_001 and due[-1] <= T0 + 120_001 + 3_000


@pytest.mark.parametrize(
    ("limits", "now_ms", "sizes"),
    [
        (BatchLimits(max_events=3, max_bytes=1 << 20, max_age_seconds=1), T0, [3, 3]),
        (BatchLimits(max_events=3, max_bytes=1 << 20, max_age_seconds=1), T0 + 1_000, [3, 3, 1]),
        (BatchLimits(max_events=100, max_bytes=1 << 20, max_age_seconds=1), T0 + 999, []),
        (BatchLimits(max_events=100, max_bytes=1 << 20, max_age_seconds=1), T0 + 1_000, [7]),
        (BatchLimits(max_events=100, max_bytes=40, max_age_seconds=60), T0, [2, 2, 2]),  # 16 bytes an event
    ],
)
def test_a_batch_goes_out_when_it_is_full_or_its_first_delivery_is_of_age(
    limits: BatchLimits, now_ms: int, sizes: list[int]
) -> None:
    queue = queue_of(7, batching=limits)
    groups = queue.start(now_ms)
    assert [len(group) for group in groups] == sizes
    assert offsets(groups) == list(range(sum(sizes)))


def test_a_probe_is_one_delivery_even_where_batches_are_sent() -> None:
    queue = queue_of(9, batching=BatchLimits(max_events=3, max_bytes=1 << 20, max_age_seconds=0.001))
    for group in queue.start(T0):
        end(queue, group, SETUP, T0)
    queue.add(waiting(20), T0)
    assert [len(group) for group in queue.start(T0 + 60_000)] == [1]


def test_what_has_failed_least_tries_a_destination_not_what_waits_longest() -> None:
    queue = queue_of(3, concurrency=3)
    for group in queue.start(T0):
        end(queue, group, SETUP, T0)
    for offset, calls in ((10, 3), (11, 1), (12, 1)):
        failed = QueuedDelivery(delivery(events_offset=offset, calls=calls), "retries.30s", 0, offset, arrived_ms=T0)
        queue.add(failed, T0)
    assert offsets(queue.start(T0 + 60_000)) == [11]
    assert offsets([queue.queued()]) == [10, 12]


def test_small_batches_are_made_of_those_that_need_them_and_take_nobody_else_along() -> None:
    queue = queue_of(0, batching=BatchLimits(max_events=10, max_bytes=1 << 20, max_age_seconds=1))
    for offset, limit in enumerate([0, 4, 1, 0, 4, 4, 1, 4, 4, 0]):
        limited = delivery(events_offset=offset, batch_limit=limit)
        queue.add(QueuedDelivery(limited, "retries.30s", 0, offset, arrived_ms=T0), T0)
    groups = queue.start(T0 + 1_000)
    assert [[each.offset for each in group] for group in groups] == [[0, 3, 9], [1, 4, 5, 7], [2], [6]]
    assert offsets(queue.start(T0 + 1_000)) == [] and offsets([queue.queued()]) == [8]


def test_a_delivery_that_goes_alone_waits_for_no_others() -> None:
    queue = queue_of(0, batching=BatchLimits(max_events=10, max_bytes=1 << 20, max_age_seconds=60))
    queue.add(QueuedDelivery(delivery(batch_limit=1), "retries.30s", 0, 1, arrived_ms=T0), T0)
    assert offsets(queue.start(T0)) == [1]


def test_what_comes_back_from_a_shipment_is_next_and_was_not_sent() -> None:
    queue = queue_of(4, concurrency=1, batching=BatchLimits(max_events=2, max_bytes=1 << 20, max_age_seconds=1))
    (group,) = queue.start(T0)
    end(queue, group, DELIVERED, T0)
    for each in reversed(group):
        queue.add(each, T0, first=True)
    assert not any(each.started for each in group)
    assert offsets(queue.start(T0)) == [0, 1]


def test_time_in_which_no_call_might_begin_is_told_apart_from_waiting_for_a_turn() -> None:
    queue = queue_of(3, concurrency=1)
    (first,) = queue.start(T0)
    end(queue, first, THROTTLE, T0 + 100, retry_after_ms=5_000)
    for now_ms in range(T0 + 100, T0 + 5_100, 20):
        assert queue.start(now_ms) == []
    (second,) = queue.start(T0 + 5_100)
    assert second[0].blocked_ms == 5_000
    queue.add(waiting(9, arrived_ms=T0 + 5_100), T0 + 5_100)
    end(queue, second, DELIVERED, T0 + 6_000)
    (third,) = queue.start(T0 + 6_000)
    assert third[0].blocked_ms == 5_000  # its turn came late for the other's sake, but that was no limit
    end(queue, third, DELIVERED, T0 + 6_000)
    (fourth,) = queue.start(T0 + 6_000)
    assert fourth[0].blocked_ms == 0
