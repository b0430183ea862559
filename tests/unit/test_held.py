from flows.delivery.budget import ACTIVE_FOR_MS, InFlightBudget
from tests.fakes import Clock
from tests.samples import T0


def holding(held: InFlightBudget, **counts: int) -> None:
    for destination, count in counts.items():
        for _ in range(count):
            held.take(destination, 100)


def new_held(max_deliveries: int = 10, max_bytes: int = 1_000_000) -> tuple[InFlightBudget, Clock]:
    clock = Clock(T0)
    return InFlightBudget(max_deliveries=max_deliveries, max_bytes=max_bytes, clock=clock), clock


def test_room_is_what_is_left_of_the_count() -> None:
    held, _ = new_held()
    holding(held, crm=4)
    assert (held.free, held.deliveries) == (6, 4)
    held.settle("crm", 100)
    assert held.free == 7


def test_bytes_used_up_leave_no_room() -> None:
    held, _ = new_held(max_bytes=1_000)
    holding(held, crm=10)
    assert held.free == 0
    held.settle("crm", 100)
    assert held.free == 1


def test_nobody_is_over_its_share_while_there_is_room() -> None:
    held, _ = new_held()
    holding(held, crm=8, ads=1)
    assert (held.over_share("crm"), held.over_share("ads")) == (0, 0)


def test_with_the_budget_used_up_who_holds_more_than_its_part_is_over() -> None:
    held, _ = new_held()
    holding(held, crm=9, ads=1)
    assert (held.over_share("crm"), held.over_share("ads"), held.over_share("unknown")) == (4, 0, 0)


def test_a_destination_alone_is_never_over_its_share() -> None:
    held, _ = new_held()
    holding(held, crm=15)
    assert held.over_share("crm") == 0


def test_a_destination_without_deliveries_for_a_minute_has_no_share() -> None:
    held, clock = new_held()
    holding(held, ads=1)
    held.settle("ads", 100)
    clock.advance(ACTIVE_FOR_MS + 1)
    holding(held, crm=12)
    assert held.over_share("crm") == 0
    holding(held, ads=1)
    assert held.over_share("crm") == 7


def test_large_events_are_over_the_share_of_bytes_long_before_that_of_the_count() -> None:
    held, _ = new_held(max_deliveries=2_000, max_bytes=10_000)
    for _ in range(9):
        held.take("crm", 1_000)
    held.take("ads", 1_000)
    assert held.free == 0
    assert held.over_share("crm") == 4
    assert held.over_share("ads") == 0
