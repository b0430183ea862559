"""Explaining an event, testing a destination, the catalogue: on the delivery step itself, and in no count."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from console.data_dir import find_server
from model.destinations.catalogue import DESTINATIONS
from model.workspace.permissions import hash_of
from tests.kit.commands import waybill
from tests.kit.system import Receiver, Waybill, receiver, running, wait_until, workspace_text

EVENT = {"type": "track", "event": "Bought", "userId": "u-1", "properties": {"total": 5, "email": "ada@example.com"}}
EVER = {"from_ms": 0, "to_ms": 4_000_000_000_000}


def settings(target: Receiver) -> str:
    """A connection with everything on it, beside one that refuses, and users of each role."""
    text = workspace_text({"crm": f"{target.address}/healthy/tested", "bad": f"{target.address}/status/422"})
    rules = """
    filters:
      - {name: no dots, if: 'event = "Dot"', actions: [{type: DROP}]}
      - {if: all, actions: [{type: DROP_PROPERTIES, fields: {properties: [email]}}]}
    mappings:
      - name: short
        trigger: type = "track"
        mapping: {who: {"@path": $.userId}, total: {"@path": $.properties.total}}
"""
    first, _, rest = text.partition("  - {source: web, destination: crm}\n")
    users = "\n".join(
        f"  - {{id: {role}-user, role: {role}, token_hashes: [{hash_of(role + '-token')}]}}"
        for role in ("owner", "write", "read")
    )
    return f"{first}  - source: web\n    destination: crm{rules}{rest}users:\n{users}\n"


@pytest.fixture(scope="module")
def target() -> Iterator[Receiver]:
    with receiver() as started:
        yield started


@pytest.fixture
def places(tmp_path: Path, target: Receiver) -> dict[str, Any]:
    file = tmp_path / "workspace.yaml"
    file.write_text(settings(target))
    return {"workspace": file, "data": tmp_path / "data"}


def event_file(directory: Path, **changes: Any) -> str:
    path = directory / "event.json"
    path.write_bytes(orjson.dumps({**EVENT, **changes}))
    return str(path)


def calls(target: Receiver) -> int:
    count: int = target.tally().get("healthy/tested", {}).get("calls", 0)
    return count


def steps(system: Waybill) -> list[str]:
    return [row["step"] for row in system.view("event_trace", message_id="known-1")]


def test_explaining_says_what_would_be_sent_where_and_sends_nothing(
    tmp_path: Path, target: Receiver, places: dict[str, Any]
) -> None:
    before = target.tally()
    told = waybill("check", "--explain", event_file(tmp_path), "--json", **places)
    assert told.code == 0
    crm, bad = told.json()["deliveries"]
    assert (crm["destination"], crm["mapping"], crm["state"], crm["stripped"]) == ("crm", "short", "sent", True)
    assert orjson.loads(crm["request"]["body"]) == {"who": "u-1", "total": 5}
    assert bad["state"] == "sent" and "ada@example.com" not in told.said
    assert target.tally() == before and not places["data"].exists()


def test_explaining_names_the_rule_that_keeps_an_event_out(tmp_path: Path, places: dict[str, Any]) -> None:
    told = waybill("check", "--explain", event_file(tmp_path, event="Dot"), **places)
    assert "FILTERED_BY_RULES" in told.out and "filters[0] 'no dots'" in told.out
    mapped = waybill("check", "--explain", event_file(tmp_path, type="page", name="Home"), **places)
    assert "NO_MATCHING_MAPPING" in mapped.out and "short" in mapped.out


@pytest.mark.parametrize("content", ["{", "[]", '{"type":"what"}', '{"type":"track"}'])
def test_a_file_that_is_no_event_is_explained_itself(tmp_path: Path, places: dict[str, Any], content: str) -> None:
    (tmp_path / "event.json").write_text(content)
    told = waybill("check", "--explain", str(tmp_path / "event.json"), **places)
    assert told.code == 2 and "event.json" in told.err


def test_a_test_is_one_real_call_that_shows_request_and_answer(
    tmp_path: Path, target: Receiver, places: dict[str, Any]
) -> None:
    before = calls(target)
    told = waybill("test-event", "--destination", "crm", "--event", event_file(tmp_path), "--yes", "--json", **places)
    assert told.code == 0, told.said
    answer = told.json()
    assert answer["delivered"] and answer["passed_by"] == ["filters would have removed fields"]
    (call,) = answer["calls"]
    assert orjson.loads(call["request"]["body"]) == {"who": "u-1", "total": 5} and call["http_status"] == 200
    assert calls(target) == before + 1


def test_a_destination_that_refuses_is_exit_1_with_its_reason_and_tried_once(
    target: Receiver, places: dict[str, Any]
) -> None:
    told = waybill("test-event", "--destination", "bad", "--yes", **places)
    assert told.code == 1
    assert "HTTP 422" in told.out and "discarded" in told.out


def test_nothing_is_sent_without_a_yes(target: Receiver, places: dict[str, Any]) -> None:
    before = calls(target)
    told = waybill("test-event", "--destination", "crm", stdin="n\n", **places)
    assert told.code == 2 and "This is a real event that will appear in crm" in told.err
    assert waybill("test-event", "--destination", "crm", **places).code != 0  # nobody there to ask
    assert calls(target) == before


def test_filters_are_applied_when_asked_for(tmp_path: Path, target: Receiver, places: dict[str, Any]) -> None:
    event = event_file(tmp_path, event="Dot")
    asked = ("test-event", "--destination", "crm", "--event", event, "--yes")
    assert waybill(*asked, **places).code == 0
    kept_out = waybill(*asked, "--apply-filters", **places)
    assert kept_out.code == 2 and "FILTERED_BY_RULES" in kept_out.err


def test_over_the_api_the_role_decides_and_a_test_is_audited_and_in_no_count(tmp_path: Path, target: Receiver) -> None:
    system = Waybill(tmp_path, settings(target))
    with running(system):
        system.post([{**EVENT, "messageId": "known-1"}])
        wait_until(lambda: steps(system).count("outcome") == 2, 20, "both outcomes are recorded")
        whole = {**EVER, "source": "", "destination": ""}
        wait_until(lambda: system.view("delivery_metrics", **whole)[0]["not_delivered"] == 1, 20, "counted")
        balance = system.view("balance", **EVER, source="", destination="", settle_seconds=120)
        metrics = system.view("delivery_metrics", **EVER, source="", destination="")

        def ask(token: str, **body: Any) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            wanted = {"destination": "crm", "message_id": "known-1", **body}
            return httpx.post(f"{system.address}/api/test-event", json=wanted, headers=headers, timeout=30)

        assert ask("wrong-token").status_code == 401
        assert ask("read-token").status_code == 403
        assert ask("write-token", destination="").status_code == 400
        assert ask("write-token", odd=1).status_code == 400
        said = ask("write-token")
        assert said.status_code == 200 and said.json()["delivered"], said.text
        server = find_server(system.data)
        assert server is not None and ask(server.token, destination="bad").status_code == 200
        wait_until(lambda: len(system.view("audit_log", **EVER, limit=10)) == 2, 20, "audited")
        wait_until(lambda: steps(system).count("tested") == 2, 20, "kept")
        assert {(row["author"], row["role"]) for row in system.view("audit_log", **EVER, limit=10)} == {
            ("write-user", "write"),
            ("owner of the data directory", "owner"),
        }
        assert system.view("balance", **EVER, source="", destination="", settle_seconds=120) == balance
        assert system.view("delivery_metrics", **EVER, source="", destination="") == metrics
        looked = httpx.post(
            f"{system.address}/api/views/freshness", json={}, headers={"Authorization": "Bearer read-token"}
        )
        assert looked.status_code == 200


def test_the_catalogue_is_listed_with_the_settings_of_each() -> None:
    listed = waybill("destinations", "--json").json()["destinations"]
    assert len(listed) == len(DESTINATIONS) == 6
    for kind in listed:
        assert kind["title"] and kind["about"] and kind["link"].startswith("https://") and kind["calls"]
        assert all(setting["about"] for setting in kind["settings"])
    told = waybill("destinations", "amplitude").out
    assert "api_key" in told and "required" in told and "$identify" in told
    unknown = waybill("destinations", "amplitud")
    assert unknown.code == 2 and "amplitude" in unknown.err


def test_a_token_is_shown_once_with_its_hash() -> None:
    lines = waybill("token").out.splitlines()
    token, shown = lines[0].split()[1], lines[1].split()[1]
    assert hash_of(token) == shown
