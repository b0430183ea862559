"""The API as an application that runs in this process, over a store with data in a process of its own."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from console.api.app import create_api
from console.server.http_server import serve_in_thread
from flows.workspace.live import CurrentWorkspace
from model.durations import HOUR_MS
from model.reason_codes.catalogue import ALL
from model.recording.facts import Fact, State
from model.workspace.permissions import hash_of
from sinks.clickhouse.schema import RETAINED, migrate
from sinks.clickhouse.store import Store, open_store
from tests.console.public_api.stub import API
from tests.kit.alert_rules import Kit
from tests.kit.chdb import TEN_YEARS_SECONDS
from tests.kit.clickhouse.process import clickhouse
from tests.kit.recording import BASE_MS, Event, Log, rejected, watermark_report
from tests.kit.workspaces import connection, webhook, workspace

NOW_MS = BASE_MS + 4 * HOUR_MS
NAMES = ("", "Cart, Viewed", "Order Completed", "Signed Up", "überall 💥")
CODES = {"filtered": "FILTERED_BY_RULES", "discarded": "400", "expired": "503"}
Get = Callable[..., Any]


def log() -> Log:
    """Events of two sources to two destinations over three hours; one is left waiting for a retry."""
    chance = random.Random(7)
    facts: list[Fact] = [rejected(BASE_MS + 1_000, 3)]
    for offset in range(240):
        source = chance.choice(("web", "ios"))
        event = Event(offset, BASE_MS + chance.randrange(3 * HOUR_MS), source, ("crm", "mail"))
        said: dict[str, Any] = {"event_name": chance.choice(NAMES), "app_version": chance.choice(("1.0", "2.0"))}
        facts.append(event.received(**said))
        for to in event.destinations:
            state = chance.choices(list(State), (1, 5, 1, 1))[0]
            attempt = chance.choice((1, 1, 2, 12)) if state is State.DELIVERED else 1
            code = CODES.get(state, "")
            facts.append(event.outcome(state, chance.randrange(1, 9_000), to=to, attempt=attempt, code=code, **said))
    waiting = Event(900, BASE_MS + 5, message_id="a/b c")
    facts += [waiting.received(), waiting.failed(50, NOW_MS + HOUR_MS), Event(901, BASE_MS + 9).duplicate()]
    made = Log()
    made.append(*sorted(facts, key=lambda fact: fact.at_ms), watermark_report(NOW_MS))
    return made


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        opened = open_store(server.url())
        migrate(opened, dict.fromkeys(RETAINED, TEN_YEARS_SECONDS), ALL)
        log().record(opened)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def app(store: Store) -> Starlette:
    users = [{"id": role, "role": role, "token_hashes": [hash_of(f"{role}-token")]} for role in ("read", "write")]
    made = workspace(
        [webhook("crm"), webhook("mail"), {"id": "lake", "type": "s3"}],
        [connection(source, to) for source in ("web", "ios", "quiet") for to in ("crm", "mail")],
        users=users,
    )
    services = Kit(store, now_ms=NOW_MS).services(CurrentWorkspace(made), "file-token")
    around = Starlette()
    around.mount("/api", create_api(services))
    return around


@pytest.fixture(scope="session")
def client(app: Starlette) -> Iterator[httpx.Client]:
    server = serve_in_thread(app, "127.0.0.1", 0)
    headers = {"Authorization": "Bearer read-token"}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}/api", headers=headers, timeout=60, trust_env=False
    ) as it:
        yield it
    server.stop()


@pytest.fixture(scope="session")
def stub() -> Iterator[httpx.Client]:
    """A client of the API over a store without rows."""
    server = serve_in_thread(API, "127.0.0.1", 0)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60, trust_env=False) as it:
        yield it
    server.stop()


@pytest.fixture
def get(client: httpx.Client) -> Get:
    """Read a path that must answer; returns ``data``."""

    def read(path: str, **parameters: Any) -> Any:
        answer = client.get(f"/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    return read
