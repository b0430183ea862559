"""How soon a person can see what happened."""

from pathlib import Path

from tests.kit.cluster import EVER, plain_events
from tests.kit.system import Waybill, receiver, running, wait_until, workspace_text

VISIBLE_SECONDS = 5


def test_facts_and_minutes_are_visible_within_five_seconds_of_the_outcome(tmp_path: Path) -> None:
    chosen = {**EVER, "source": "", "destination": ""}
    with receiver() as target:
        system = Waybill(tmp_path, workspace_text({"crm": f"{target.address}/healthy"}))
        with running(system):
            for number in range(3):
                assert system.post(plain_events(1, first=number)).status_code == 200
                wait_until(lambda n=number: target.tally().get("healthy", {}).get("calls", 0) > n, 30, "delivered")  # type: ignore[misc]
                wait_until(
                    lambda n=number: system.view("delivery_metrics", **chosen)[0]["delivered"] > n,  # type: ignore[misc]
                    VISIBLE_SECONDS,
                    "in the minutes",
                )
                [_, *steps] = system.view("event_trace", message_id=f"m-{number}")
                assert "outcome" in {step["step"] for step in steps}, steps
            assert system.stop() == 0
