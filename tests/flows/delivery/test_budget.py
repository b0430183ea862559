from flows.delivery.budget import ACTIVE_FOR_MS, InFlightBudget
from tests.kit.fakes import Clock
from tests.kit.samples import T0


def holding(budget: InFlightBudget, **counts: int) -> None:
    for destination, count in counts.items():
        for _ in range(count):
            budget.take(destination, 100)


def new_held(max_deliveries: int = 10, max_bytes: int = 1_000_000) -> tuple[InFlightBudget, Clock]:
    clock = Clock(T0)
    return InFlightBudget(max_deliveries=max_deliveries, max_bytes=max_bytes, clock=clock), clock


def test_room_is_what_is_left_of_the_count() -> None:
    budget, _ = new_held()
    holding(budget, crm=4)
    assert (budget.free, budget.deliveries) == (6, 4)
    budget.release("crm", 100)
    assert budget.free == 7


def test_bytes_used_up_leave_no_room() -> None:
    budget, _ = new_held(max_bytes=1_000)
    holding(budget, crm=10)
    assert budget.free == 0
    budget.release("crm", 100)
    assert budget.free == 1


def test_nobody_is_over_its_share_while_there_is_room() -> None:
    budget, _ = new_held()
    holding(budget, crm=8, ads=1)
    assert (budget.over_share("crm"), budget.over_share("ads")) == (0, 0)


def test_with_the_budget_used_up_who_holds_more_than_its_part_is_over() -> None:
    budget, _ = new_held()
    holding(budget, crm=9, ads=1)
    assert (budget.over_share("crm"), budget.over_share("ads"), budget.over_share("unknown")) == (4, 0, 0)


def test_a_destination_alone_is_never_over_its_share() -> None:
    budget, _ = new_held()
    holding(budget, crm=15)
    assert budget.over_share("crm") == 0


def test_a_destination_without_deliveries_for_a_minute_has_no_share() -> None:
    budget, clock = new_held()
    holding(budget, ads=1)
    budget.release("ads", 100)
    clock.advance(ACTIVE_FOR_MS + 1)
    holding(budget, crm=12)
    assert budget.over_share("crm") == 0
    holding(budget, ads=1)
    assert budget.over_share("crm") == 7


def test_large_events_are_over_the_share_of_bytes_long_before_that_of_the_count() -> None:
    budget, _ = new_held(max_deliveries=2_000, max_bytes=10_000)
    for _ in range(9):
        budget.take("crm", 1_000)
    budget.take("ads", 1_000)
    assert budget.free == 0
    assert budget.over_share("crm") == 4
    assert budget.over_share("ads") == 0
