"""The API about alerts: who may ask what, what is refused and how, and that every path answers."""

from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from starlette.applications import Starlette

from console.api.app import create_api
from console.server.http_server import serve_in_thread
from flows.workspace.live import CurrentWorkspace
from model.workspace.permissions import hash_of
from sinks.clickhouse.store import Store
from tests.kit.alert_rules import Kit, empty, example_workspace
from tests.kit.recording import BASE_MS

RATE = {"kind": "delivery-rate", "name": "Arrives", "destination": "crm", "below_percent": 95}
SECRET = "email:ada@example.com"  # a mail address of somebody's rule


@pytest.fixture
def kit(store: Store) -> Kit:
    return Kit(empty(store))


@pytest.fixture
def client(kit: Kit) -> Iterator[httpx.Client]:
    made = example_workspace()
    users = tuple(user.model_copy(update={"token_hashes": (hash_of(f"{user.id}-token"),)}) for user in made.users)
    live = CurrentWorkspace(made.model_copy(update={"users": users}))
    around = Starlette()
    around.mount("/api", create_api(kit.services(live, "file-token")))
    server = serve_in_thread(around, "127.0.0.1", 0)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api/", timeout=60, trust_env=False) as it:
        yield it
    server.stop()


def ask(client: httpx.Client, who: str, method: str, path: str, body: Any = None, **query: Any) -> Any:
    headers = {"Authorization": f"Bearer {who}-token"}
    content = None if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
    return client.request(method, f"alerts/{path}", content=content, params=query or None, headers=headers)


def made(client: httpx.Client, who: str = "ada", **settings: Any) -> Any:
    answer = ask(client, who, "POST", "rules", {**RATE, **settings})
    assert answer.status_code == 200, answer.text
    return answer.json()["rule"]


def test_a_rule_is_made_looked_at_changed_and_deleted(client: httpx.Client, kit: Kit) -> None:
    rule = made(client)
    assert (rule["version"], rule["creator"], rule["status"]) == (1, "ada", None)
    path = f"rules/{rule['id']}"
    assert ask(client, "rita", "GET", path).json()["rule"] == rule
    edited = ask(client, "ada", "PUT", path, {"version": 1, "rule": {**rule["rule"], "below_percent": 99.5}})
    assert edited.json()["rule"]["rule"]["below_percent"] == 99.5
    old = ask(client, "ada", "PUT", path, {"version": 1, "rule": rule["rule"]})
    assert old.status_code == 409 and old.json()["current"]["version"] == 2 and "version 2" in old.json()["error"]
    assert ask(client, "ada", "POST", f"{path}/mute", {"until_ms": kit.now_ms + 1}).json()["rule"]["version"] == 3
    assert ask(client, "ada", "POST", f"{path}/unmute", {}).json()["rule"]["muted_until_ms"] == 0
    assert ask(client, "bob", "POST", f"{path}/acknowledge", {}).json()["rule"]["acknowledged_ms"] == kit.now_ms
    assert ask(client, "ada", "DELETE", path, version=4).status_code == 409
    assert ask(client, "ada", "DELETE", path, version=5).json()["rule"]["deleted"]
    assert ask(client, "ada", "GET", path).status_code == 404
    assert ask(client, "ada", "GET", "rules").json() == {"rules": []}


def test_rules_are_listed_by_scope_with_their_state(client: httpx.Client, kit: Kit) -> None:
    rule = made(client, source="web")
    made(client, destination="mail")
    state = {"rule_id": rule["id"], "since": kit.now_ms, "at": kit.now_ms, "numerator": 1, "denominator": 2}
    kit.store.insert("alert_states", [state | {"check": "day", "status": "firing"}])
    kit.store.insert("alert_states", [state | {"check": "fast", "status": "ok", "at": kit.now_ms + 1}])
    [listed] = ask(client, "rita", "GET", "rules", source="web", destination="crm").json()["rules"]
    assert (listed["status"], listed["check"], listed["since_ms"]) == ("firing", "day", kit.now_ms)
    assert len(ask(client, "rita", "GET", "rules").json()["rules"]) == 2


def test_mail_addresses_are_shown_to_who_wrote_them_and_to_owners(client: httpx.Client) -> None:
    rule = made(client, channels=[SECRET])
    shown = {who: ask(client, who, "GET", "rules").json()["rules"][0]["rule"] for who in ("ada", "bob", "file")}
    assert [shown[who]["channels"] for who in shown] == [[SECRET], ["email:a…@example.com"], [SECRET]]
    refused = ask(client, "bob", "PUT", f"rules/{rule['id']}", {"version": 1, "rule": RATE})
    assert refused.status_code == 403 and "ada made this rule" in refused.json()["error"]
    view = client.post("views/alert_rules_now", json={}, headers={"Authorization": "Bearer rita-token"})
    assert view.json()["rows"][0]["channels"] == ["email:a…@example.com"]
    inner = client.post("views/alert_rule_versions", json={}, headers={"Authorization": "Bearer rita-token"})
    assert inner.status_code == 400 and "Waybill itself" in inner.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "rules", RATE),
        ("PUT", "rules/{id}", {"version": 1, "rule": RATE}),
        ("POST", "rules/{id}/mute", {"until_ms": BASE_MS + 1}),
        ("POST", "rules/{id}/unmute", {}),
        ("POST", "rules/{id}/acknowledge", {}),
        ("DELETE", "rules/{id}?version=1", None),
        ("POST", "test-channel", {"channel": "in-app"}),
    ],
)
def test_who_may_only_read_changes_nothing(client: httpx.Client, method: str, path: str, body: Any) -> None:
    rule = made(client)
    answer = ask(client, "rita", method, path.format(id=rule["id"]), body)
    assert answer.status_code == 403 and "role read may not" in answer.json()["error"]
    assert ask(client, "ada", "GET", "rules").json()["rules"] == [rule]


def test_without_a_token_nothing_is_told_or_done(client: httpx.Client) -> None:
    for method, path in (("GET", "rules"), ("POST", "rules"), ("GET", "inbox"), ("DELETE", "subscriptions")):
        answer = ask(client, "nobody", method, path, {} if method == "POST" else None)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"below_percent": 100.01}, "below_percent: a rate is at most 100 %. Write a percentage"),
        ({"below_percent": 0}, "below_percent: the percentage is out of range"),
        ({"below_percent": 99.555}, "at most two decimals"),
        ({"below_percent": True}, "below_percent: this is not a percentage"),
        ({"below_percnt": 1}, "below_percnt is not known for delivery-rate. Did you mean 'below_percent'?"),
        ({"name": "Bad\nSubject: x"}, "name: the name is empty or has characters that cannot be shown"),
        ({"name": "x" * 101}, "name:"),
        ({"channels": []}, "channels:"),
        ({"channels": ["email:a@b.c\nBcc: x@y.z"]}, "channels[0]: this is not a mail address"),
        ({"channels": ["in-app", "in-app"]}, "channels: a channel is listed twice"),
        ({"channels": ["https://hooks.slack.com/services/T/B/x"]}, "channels[0]: this is no channel"),
        ({"destination": "../x"}, "destination: this is not an id"),
        ({"destination": None}, "destination:"),
        ({"minimum_deliveries": -1}, "minimum_deliveries:"),
        ({"kind": "delivery-rat"}, "kind 'delivery-rat' is not known. Did you mean 'delivery-rate'?"),
        ({"kind": None}, "kind is missing"),
        ({"destination": "nowhere"}, "there is no destination 'nowhere'"),
    ],
)
def test_a_rule_at_fault_is_refused_by_field_with_the_remedy(client: httpx.Client, settings: Any, said: str) -> None:
    answer = ask(client, "ada", "POST", "rules", {**RATE, **settings})
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]
    assert ask(client, "ada", "GET", "rules").json() == {"rules": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "rules", b"not json", 400),
        ("POST", "rules", b"[]", 400),
        ("POST", "rules", b"[" * 60_000, 400),
        ("POST", "rules", b" " * 70_000, 413),
        ("PUT", "rules/{id}", {"version": "one", "rule": {}}, 400),
        ("PUT", "rules/{id}", {"version": 1, "rule": []}, 400),
        ("PUT", "rules/nowhere", {"version": 1, "rule": RATE}, 404),
        ("DELETE", "rules/{id}", None, 400),
        ("DELETE", "rules/{id}?version=-1", None, 400),
        ("DELETE", "rules/{id}?version=1&colour=red", None, 400),
        ("GET", "rules/' OR 1=1 --", None, 404),
        ("GET", "history?limit=0", None, 400),
        ("GET", "history?limit=1001", None, 400),
        ("GET", "history?from_ms=yesterday", None, 400),
        ("GET", "inbox?user=ada", None, 400),
        ("POST", "rules/{id}/mute", {"until_ms": 1.5}, 400),
        ("POST", "rules/{id}/mute", {}, 400),
        ("POST", "rules/{id}/unmute", {"until_ms": 1}, 400),
        ("POST", "subscriptions", {"destination": "crm", "channel": "pigeon"}, 400),
        ("DELETE", "subscriptions?destination=crm", None, 404),
        ("POST", "backtest", {"rule": RATE, "rule_id": "x"}, 400),
        ("POST", "backtest", {"rule": RATE, "days": 91}, 400),
        ("POST", "test-channel", {"channel": "teem"}, 400),
        ("PATCH", "rules", {}, 405),
    ],
)
def test_hostile_requests_are_refused_and_change_nothing(
    client: httpx.Client, method: str, path: str, body: Any, status: int
) -> None:
    rule = made(client)
    answer = ask(client, "ada", method, path.format(id=rule["id"]), body)
    assert answer.status_code == status, answer.text
    assert answer.json().get("error") or answer.json()["errors"]
    assert ask(client, "ada", "GET", "rules").json()["rules"] == [rule]


def test_a_reader_subscribes_and_unsubscribes(client: httpx.Client) -> None:
    body = {"destination": "crm", "channel": "email"}
    assert ask(client, "rita", "POST", "subscriptions", body).json()["rule"]["rule"]["channels"] == ["email:me"]
    assert ask(client, "bob", "POST", "subscriptions", body).status_code == 400
    gone = ask(client, "rita", "DELETE", "subscriptions", destination="crm", channel="email")
    assert gone.json()["rule"]["deleted"]


def test_history_inbox_and_channels_are_read(client: httpx.Client, kit: Kit) -> None:
    alert_event = {"id": f"{1:032x}", "rule_id": "r1", "at": kit.now_ms, "destination": "crm", "change": "fired"}
    kit.store.insert("alert_events", [alert_event])
    kit.store.insert("alert_channels", [{"channel": "team", "state": "failing", "code": "503", "at": kit.now_ms}])
    [row] = ask(client, "rita", "GET", "history", destination="crm", limit=5).json()["history"]
    assert (row["id"], row["change"]) == (alert_event["id"], "fired")
    assert ask(client, "rita", "GET", "history", to_ms=kit.now_ms).json() == {"history": []}
    by_name = {channel["channel"]: channel for channel in ask(client, "rita", "GET", "channels").json()["channels"]}
    assert set(by_name) == {"in-app", "email", "team"}
    assert (by_name["team"]["state"], by_name["in-app"]["state"]) == ("failing", None)
    assert "example.com/x" not in str(by_name)
    tried = ask(client, "ada", "POST", "test-channel", {"channel": "in-app"}).json()
    assert tried["taken"] and [said.action for said in kit.audited] == ["test-channel"]
    [message] = ask(client, "ada", "GET", "inbox").json()["messages"]
    assert (message["change"], message["message_id"]) == ("test", tried["message_id"])
    assert ask(client, "rita", "GET", "inbox").json() == {"messages": []}


def test_the_owner_of_the_data_directory_says_their_name(client: httpx.Client) -> None:
    headers = {"Authorization": "Bearer file-token", "Waybill-Author": "J%C3%B6rg"}
    rule = client.post("alerts/rules", json=RATE, headers=headers).json()["rule"]
    assert rule["creator"] == "Jörg"
    forged = {"Authorization": "Bearer bob-token", "Waybill-Author": "ada"}
    assert client.post("alerts/rules", json=RATE, headers=forged).json()["rule"]["creator"] == "bob"
