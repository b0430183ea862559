"""The store hangs, resets, fails, loses answers, is gone: delivery goes on as before, and the numbers come out exact.

What recording has to write meanwhile waits in topic outcomes.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kit.clickhouse.process import ClickHouse, clickhouse
from tests.kit.cluster import EVER, QUICK, Cluster, plain_events
from tests.kit.system import receiver, wait_until, workspace_text

EVENTS = 400  # in each phase
PHASE_SECONDS = 3.0  # several epochs, and more than the store is given to answer
HASTY = "tests.conformance.store.hasty_flow"


@contextmanager
def recording_over_http(directory: Path) -> Iterator[tuple[Cluster, ClickHouse]]:
    """Delivery and recording at work, with a server as the store."""
    with clickhouse(directory / "clickhouse") as server, receiver() as target:
        store = f"store: {{url: '{server.url()}'}}"
        made = Cluster(directory, workspace_text({"crm": f"{target.address}/healthy"}, QUICK, store), target)
        try:
            made.start("recording", program=HASTY)
            made.start("delivery")
            yield made, server
        finally:
            made.close()


class Phases:
    """Sends events phase by phase; each must be delivered while it lasts."""

    def __init__(self, made: Cluster) -> None:
        self._made = made
        self.sent = 0

    def deliver(self) -> float:
        """Send events and wait until all are delivered; return the seconds it took."""
        started = time.monotonic()
        self._made.send(plain_events(EVENTS, first=self.sent))
        self.sent += EVENTS
        self._made.wait_for("healthy", {"delivered_keys": self.sent})
        return time.monotonic() - started

    def deliver_in_trouble(self) -> float:
        """The same, and wait until recording has met the trouble and a few epochs have gone by."""
        met = self._failures()
        began = time.monotonic()
        seconds = self.deliver()
        wait_until(
            lambda: self._failures() > met and time.monotonic() - began > PHASE_SECONDS, 60, "met by recording", 0.1
        )
        return seconds

    def _failures(self) -> int:
        return (self._made.logs / "recording.log").read_text(encoding="utf-8").count("retrying")


@pytest.mark.slow
def test_a_store_in_trouble_costs_delivery_nothing_and_the_numbers_come_out_exact(tmp_path: Path) -> None:
    in_trouble: dict[str, float] = {}
    with recording_over_http(tmp_path) as (made, server):
        phases = Phases(made)
        phases.deliver()  # everything is started and warm
        healthy = phases.deliver()
        for fault in ("hang", "reset", "500", "lost"):
            server.order(**({"hang": True} if fault == "hang" else {fault: 1_000}))
            in_trouble[fault] = phases.deliver_in_trouble()
            lost = server.report()["lost"]
            server.order()
        server.kill()
        in_trouble["down"] = phases.deliver_in_trouble()
        server.start()
        in_trouble["back"] = phases.deliver()
        server.kill()
        in_trouble["down again"] = phases.deliver_in_trouble()
        made.kill("recording")  # what it held was acknowledged by nobody
        server.start()
        made.start("recording", program=HASTY)
        chosen = {**EVER, "source": "", "destination": ""}
        wait_until(
            lambda: made.views(("delivery_metrics", chosen))[0][0]["delivered"] == phases.sent, 60, "caught up", 0.2
        )
        made.stop("delivery")
        made.stop("recording", seconds=120)
        numbers = made.numbers()
        [freshness] = made.views(("freshness", {}))[0]
    assert lost >= 2, "no answer was lost: nothing was tested"
    assert numbers["balance"] == {
        "routed": phases.sent, "filtered": 0, "delivered": phases.sent,
        "discarded": 0, "expired": 0, "pending": 0, "unexplained": 0,
    }  # fmt: skip
    assert numbers["ingest"]["accepted"] == phases.sent and numbers["ingest"]["unexplained"] == 0
    assert numbers["metrics"]["delivered"] == phases.sent and numbers["metrics"]["possible_duplicates"] == 0
    assert numbers["errors"] == [] and freshness["watermark"] is not None
    # Delivery that waited for its recording would take as long as the phase, and more.
    assert max(in_trouble.values()) < 2 * healthy + 1, (healthy, in_trouble)
