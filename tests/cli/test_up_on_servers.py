"""`waybill up` with its topics at a Kafka broker and its store on a ClickHouse server that is away at first."""

import secrets
from pathlib import Path

from console.data_dir import NotAnswering
from tests.kit.clickhouse.process import clickhouse
from tests.kit.cluster import EVER, plain_events
from tests.kit.kafka.broker import Broker
from tests.kit.kafka.fixture import OtherBroker
from tests.kit.system import Waybill, receiver, running, wait_until, workspace_text

EVENTS = 200
CHOSEN = {**EVER, "source": "", "destination": ""}


def test_kafka_events_are_delivered_while_the_store_is_away_and_counted_when_it_is_there(
    tmp_path: Path, kafka: Broker | OtherBroker
) -> None:
    with clickhouse(tmp_path / "store") as server, receiver() as target:
        server.kill()
        topics = f"topics: {{url: 'kafka://{kafka.address}/test-{secrets.token_hex(8)}'}}"
        more = f"{topics}\nstore: {{url: '{server.url()}'}}"
        system = Waybill(tmp_path, workspace_text({"crm": f"{target.address}/healthy"}, more=more))
        with running(system):
            assert system.post(plain_events(EVENTS)).json() == {"success": True}
            wait_until(lambda: target.tally().get("healthy", {}).get("delivered_keys") == EVENTS, 30, "delivered")
            said = " ".join(system.log.read_text(encoding="utf-8").split())  # lines are folded
            assert "recorded once the store is available" in said
            server.start()
            wait_until(lambda: counted(system) == EVENTS, 60, "counted")
            [balance] = system.view("balance", **CHOSEN)
            assert (balance["routed"], balance["pending"], balance["unexplained"]) == (EVENTS, 0, 0)
            assert target.tally()["healthy"]["calls"] == EVENTS
            assert system.stop() == 0


def counted(system: Waybill) -> int:
    """Deliveries that the running system counts; none while it cannot say."""
    try:
        return sum(row["delivered"] for row in system.view("balance", **CHOSEN))
    except NotAnswering:
        return 0
