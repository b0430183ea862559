"""Every service of the compose file by its own command line, without Docker: over a real broker, to a store by HTTP."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest

from sinks.clickhouse.store import StoreError, open_store
from tests.docker.files import DOCKER, read_compose, secret_names
from tests.docker.service import Service, healthcheck
from tests.kit.clickhouse.process import ClickHouse, clickhouse
from tests.kit.clickhouse.protocol import USERS
from tests.kit.cluster import EVER, plain_events
from tests.kit.kafka.broker import Broker
from tests.kit.kafka.fixture import OtherBroker
from tests.kit.system import wait_until

EVENTS = 300
USER = "writer"  # of the test server, in the place of the user `waybill`
SECRETS = {name: f"secret-of-{name}" for name in secret_names()} | {
    "CLICKHOUSE_PASSWORD": quote(USERS[USER][0], safe="")
}
CHOSEN = {**EVER, "source": "", "destination": ""}


@pytest.mark.slow
def test_the_services_of_the_compose_file_deliver_and_record_over_kafka(
    tmp_path: Path, kafka: Broker | OtherBroker
) -> None:
    ports = {"ingest": free_port(), "receiver": free_port()}
    with clickhouse(tmp_path / "store") as store, services(tmp_path, kafka.address, store, ports) as run:
        run["receiver"].start()
        run["migrate"].start()
        assert run["migrate"].wait(120) == 0, run["migrate"].said()
        for name in ("ingest", "delivery", "recording", "alerting"):
            run[name].start()
        wait_until(lambda: healthcheck(ports["ingest"], run["ingest"].environment), 60, "healthy", every_seconds=0.5)

        post(ports["ingest"])
        wait_until(lambda: delivered(store) == EVENTS, 90, "delivered and counted", 0.5)
        assert len(children(run["delivery"])) == 2

        for name in ("ingest", "delivery", "recording", "alerting", "receiver"):
            below = children(run[name])
            assert run[name].stop() == 0, f"{name}: {run[name].said()}"
            assert not [process for process in below if process.is_running()], name


@contextmanager
def services(directory: Path, broker: str, store: ClickHouse, ports: dict[str, int]) -> Iterator[dict[str, Service]]:
    """The services that are Waybill, not started; the addresses of this machine in the place of Docker's."""
    workspace = directory / "workspace.yaml"
    text = (DOCKER / "workspace.yaml").read_text(encoding="utf-8")
    for there, here in {
        "kafka://kafka:9092/waybill": f"kafka://{broker}/test-{secrets.token_hex(8)}",
        "http://waybill:": f"http://{USER}:",
        "@clickhouse:8123/": f"@127.0.0.1:{store.port}/",
        "host: 0.0.0.0": "host: 127.0.0.1",
        "port: 8080": f"port: {ports['ingest']}",
        "http://receiver:9000/": f"http://127.0.0.1:{ports['receiver']}/",
        "allow_addresses: [10.83.7.2]": "allow_addresses: [127.0.0.1]",
    }.items():
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    workspace.write_text(text, encoding="utf-8")
    words = {"0.0.0.0": "127.0.0.1", "9000": str(ports["receiver"])}
    with ExitStack() as ending:
        made = {}
        for name, settings in read_compose(SECRETS)["services"].items():
            if "build" in settings:
                made[name] = Service(name, settings, directory, workspace, words)
                ending.callback(made[name].end)
        yield made


def post(port: int) -> None:
    """Send the events as an app does."""
    body: dict[str, Any] = {"batch": plain_events(EVENTS), "writeKey": SECRETS["WAYBILL_WRITE_KEY"]}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/batch", json=body, timeout=30, trust_env=False)
    assert answer.json() == {"success": True}


def delivered(server: ClickHouse) -> int:
    """What the store counts, as somebody sees it who may only read."""
    store = open_store(server.url("reader"))
    try:
        [row] = store.view("delivery_metrics", **CHOSEN)
    except StoreError:
        return -1
    finally:
        store.close()
    assert row["not_delivered"] == 0
    return int(row["delivered"])


def children(service: Service) -> list[psutil.Process]:
    """The processes that a service has started."""
    assert service.process is not None
    return psutil.Process(service.process.pid).children(recursive=True)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
