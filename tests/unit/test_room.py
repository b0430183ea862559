from flows.room import FARTHEST_SLOT_MS, Room, Waiting
from model.failure import FailureClass
from tests.samples import T0, delivery

DELIVERED, RETRY, THROTTLE, SETUP = (
    FailureClass.DELIVERED,
    FailureClass.RETRY,
    FailureClass.THROTTLE,
    FailureClass.SETUP,
)


def room_of(count: int, *, concurrency: int = 4, max_wait_ms: int = 30_000) -> Room:
    room = Room("crm", concurrency=concurrency, max_wait_ms=max_wait_ms)
    for offset in range(count):
        room.add(waiting(offset))
    return room


def waiting(offset: int, arrived_ms: int = T0) -> Waiting:
    return Waiting(delivery(events_offset=offset), "events", 0, offset, arrived_ms=arrived_ms)


def offsets(started: list[Waiting]) -> list[int]:
    return [each.offset for each in started]


def test_as_many_calls_as_connections_start_oldest_first() -> None:
    room = room_of(6)
    started = room.start(T0)
    assert offsets(started) == [0, 1, 2, 3]
    assert all(each.started for each in started)
    assert room.start(T0) == []
    room.finished(DELIVERED, now_ms=T0, pause_ms=0)
    assert offsets(room.start(T0)) == [4]
    assert len(room) == 5 and offsets(room.held()) == [5]


def test_throttling_pauses_the_room_as_long_as_asked() -> None:
    room = room_of(6, concurrency=2)
    room.start(T0)
    room.finished(THROTTLE, now_ms=T0, pause_ms=5_000)
    room.finished(THROTTLE, now_ms=T0, pause_ms=1_000)
    assert room.start(T0 + 4_999) == []
    assert offsets(room.start(T0 + 5_000)) == [2, 3]


def test_after_a_setup_failure_one_call_at_a_time_tries_until_one_gets_through() -> None:
    room = room_of(9)
    for _ in room.start(T0):
        room.finished(SETUP, now_ms=T0, pause_ms=60_000)
    assert room.start(T0 + 59_999) == []
    assert offsets(room.start(T0 + 60_000)) == [4]
    assert room.start(T0 + 60_000) == []
    room.finished(SETUP, now_ms=T0 + 60_000, pause_ms=60_000)
    assert offsets(room.start(T0 + 120_000)) == [5]
    room.finished(DELIVERED, now_ms=T0 + 120_000, pause_ms=0)
    assert offsets(room.start(T0 + 120_000)) == [6, 7, 8]


def test_what_is_over_the_share_is_put_back_newest_first() -> None:
    put = room_of(6).put_back(T0, over_share=2)
    assert [(each.offset, code) for each, code, _ in put] == [(5, "OVER_SHARE"), (4, "OVER_SHARE")]


def test_no_more_can_be_put_back_than_waits() -> None:
    room = room_of(3)
    room.start(T0)
    assert room.put_back(T0, over_share=100) == []


def test_what_waited_too_long_is_put_back_and_the_rest_stays() -> None:
    room = room_of(0, concurrency=1)
    room.add(waiting(0))
    room.add(waiting(1, arrived_ms=T0 + 1))
    put = room.put_back(T0 + 30_000, over_share=0)
    assert [(each.offset, code) for each, code, _ in put] == [(0, "WAITED_TOO_LONG")]
    assert offsets(room.held()) == [1]


def test_a_pause_longer_than_a_room_may_keep_a_delivery_puts_all_back_until_it_ends() -> None:
    room = room_of(5, concurrency=1)
    room.start(T0)
    room.finished(THROTTLE, now_ms=T0, pause_ms=3_600_000)
    put = room.put_back(T0, over_share=0)
    assert {code for _, code, _ in put} == {"PAUSED"} and len(put) == 4
    assert all(due_ms >= T0 + 3_600_000 for _, _, due_ms in put)
    assert room.idle


def test_a_short_pause_keeps_deliveries_in_the_room() -> None:
    room = room_of(5, concurrency=1)
    room.start(T0)
    room.finished(THROTTLE, now_ms=T0, pause_ms=30_000)
    assert room.put_back(T0, over_share=0) == []


def test_put_back_deliveries_return_one_after_another_at_the_pace_the_destination_showed() -> None:
    room = room_of(1_000, concurrency=10)
    for now_ms in range(T0, T0 + 2_000, 100):  # ten calls of 100 ms each: 100 a second
        for _ in room.start(now_ms):
            room.finished(DELIVERED, now_ms=now_ms + 100, pause_ms=0)
    now_ms = T0 + 2_000
    due = [due_ms for _, _, due_ms in room.put_back(now_ms, over_share=500)]
    assert due == sorted(due)
    assert now_ms + 1_000 <= due[0]
    assert 4_000 <= due[-1] - due[0] <= 6_000


def test_however_slow_nothing_is_put_back_further_than_ten_minutes() -> None:
    room = room_of(5_000, concurrency=1)
    assert max(due_ms for _, _, due_ms in room.put_back(T0, over_share=4_999)) <= T0 + FARTHEST_SLOT_MS


def test_a_delivery_is_not_put_back_before_a_second_has_passed() -> None:
    assert all(due_ms > T0 + 1_000 for _, _, due_ms in room_of(50, concurrency=50).put_back(T0, over_share=50))


def test_a_pause_is_not_taken_for_slowness_when_put_back_deliveries_get_their_times() -> None:
    room = room_of(40, concurrency=10, max_wait_ms=1_000)
    for _ in room.start(T0):
        room.finished(SETUP, now_ms=T0, pause_ms=60_000)
    [probe] = room.start(T0 + 60_000)
    room.finished(SETUP, now_ms=T0 + 60_001, pause_ms=60_000)
    due = [slot_ms for _, _, slot_ms in room.put_back(T0 + 60_001, over_share=0)]
    # 29 wait: ten a second from the end of the pause, as ten connections would do with calls of a second.
    assert probe.offset == 10 and len(due) == 29
    assert due[0] >= T0 + 120_001 and due[-1] <= T0 + 120_001 + 3_000
