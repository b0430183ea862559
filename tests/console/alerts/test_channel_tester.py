"""A test message to a channel of the workspace, over real HTTP on loopback: said first, sent once, told as it went."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import orjson
import pytest

from console.access import Caller
from console.alerts.channel_tester import ChannelTester
from console.alerts.rule_checks import RuleTargets
from model.alerts.channels import AlertsConfig
from model.recording.facts import Audited
from model.workspace.permissions import Role
from tests.kit.workspaces import webhook, workspace

ADA = Caller("ada", Role.WRITE)


class Receiver(HTTPServer):
    """Keeps what it gets and answers with ``status``."""

    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.got.append(orjson.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Rows:
    """What a tester needs of a store."""

    def __init__(self) -> None:
        self.inserted: list[tuple[str, dict[str, Any]]] = []

    def insert(self, table: str, rows: list[dict[str, Any]]) -> list[Any]:
        self.inserted += [(table, row) for row in rows]
        return []


def made_for(
    receiver: Receiver, audited: list[Audited], *, allowed: bool = True, rows: Rows | None = None
) -> ChannelTester:
    delivery = {"allow_addresses": ["127.0.0.0/8"]} if allowed else {}
    made = workspace([webhook("crm")], delivery=delivery)
    url = f"http://127.0.0.1:{receiver.server_port}/hook-path"
    config = AlertsConfig.model_validate_json(
        orjson.dumps({"channels": [{"id": "team", "type": "webhook", "url": url}]}), context={"environ": {}}
    )
    store: Any = rows or Rows()
    return ChannelTester(
        store, audited.append, lambda: RuleTargets(made, config), lambda: 1_790_000_000_000, lambda: "a" * 32
    )


def test_a_test_is_audited_and_sent_once(receiver: Receiver) -> None:
    audited: list[Audited] = []
    rows = Rows()
    answer = made_for(receiver, audited, rows=rows).test("team", ADA)
    assert (answer.taken, answer.channel, answer.message_id) == (True, "team", "a" * 32)
    # By this, alerting uses a channel again that it had disabled.
    [(table, row)] = rows.inserted
    assert (table, row["channel"], row["state"]) == ("alert_channels", "team", "ok")
    assert len(receiver.got) == 1 and "Waybill reaches this channel" in str(receiver.got)
    assert [(said.action, said.subject, said.author) for said in audited] == [("test-channel", "team", "ada")]


def test_a_channel_that_refuses_is_told_with_its_code(receiver: Receiver) -> None:
    receiver.status, rows = 410, Rows()
    answer = made_for(receiver, [], rows=rows).test("team", ADA)
    assert rows.inserted == []
    assert (answer.taken, answer.outcome, answer.code) == (False, "channel-refused", "410")
    assert "hook-path" not in str(answer)


def test_a_private_address_is_not_called_unless_it_is_allowed(receiver: Receiver) -> None:
    answer = made_for(receiver, [], allowed=False).test("team", ADA)
    assert (answer.taken, answer.code, receiver.got) == (False, "ADDRESS_REFUSED", [])


def test_nothing_is_said_or_sent_of_a_channel_that_is_not_there(receiver: Receiver) -> None:
    audited: list[Audited] = []
    with pytest.raises(ValueError, match=r"no channel 'teem'. Did you mean 'team'\?"):
        made_for(receiver, audited).test("teem", ADA)
    assert audited == [] and receiver.got == []
