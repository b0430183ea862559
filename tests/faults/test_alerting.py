"""An outage is told within minutes, once, on every channel of the rule, whatever is killed meanwhile.

Real: the whole system, the receivers, the wall clock (rules are evaluated when a minute of the log is over).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.data_dir import find_server
from tests.kit.http_receiver import AttemptResult, Receiver, receiving
from tests.kit.system import Waybill, receiver, running, wait_until, workspace_text

TOLD_SECONDS = 200.0  # a minute must be over, and be seen to be over

ALERTS = """
alerts:
  channels:
    - {{id: hook, type: webhook, url: "http://127.0.0.1:{hook}/alerts"}}
    - {{id: team, type: slack-webhook, url: "${{SLACK_URL}}"}}
  always: [hook]
  rules:
    - id: crm-first-attempts
      name: CRM takes what we send
      kind: delivery-rate
      destination: crm
      below_percent: 99
      first_attempts_below_percent: 90
      channels: [hook, team]
"""


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Receiver, Receiver]]:
    with receiving() as hook, receiving() as slack:
        monkeypatch.setenv("SLACK_URL", f"http://127.0.0.1:{slack.port}/services/T000/B000/secret-of-slack")
        yield hook, slack


@contextmanager
def sending(system: Waybill) -> Iterator[None]:
    """Events all the time, ten a second; what is not answered while it is down is not sent again."""
    stopped = threading.Event()

    def send() -> None:
        number = 0
        while not stopped.wait(0.5):
            events = [
                {"type": "track", "event": "Paid", "userId": "u", "messageId": f"m-{number + n}"} for n in range(5)
            ]
            number += 5
            try:
                system.post(events)
            except (httpx.TransportError, AssertionError):
                continue  # it was just killed

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(35)


def notifications(hook: Receiver) -> list[dict[str, Any]]:
    return [notification for request in hook.requests for notification in request.json["notifications"]]


def inbox(system: Waybill) -> list[dict[str, Any]]:
    now_ms = round(time.time() * 1000)
    return system.view("alert_inbox", from_ms=now_ms - 3_600_000, to_ms=now_ms + 60_000, user="", limit=100)


def health(system: Waybill) -> dict[str, str]:
    return {row["channel"]: row["state"] for row in system.view("alert_channel_health")}


@pytest.mark.slow
def test_an_outage_is_told_once_within_minutes_also_when_everything_is_killed_meanwhile(
    tmp_path: Path, channels: tuple[Receiver, Receiver]
) -> None:
    hook, slack = channels
    slack.says(AttemptResult(429, b"", {"Retry-After": "1"}), AttemptResult())
    with receiver() as partner:
        urls = {"crm": f"{partner.address}/status/503/crm", "ads": f"{partner.address}/status/401/ads"}
        system = Waybill(tmp_path, workspace_text(urls, more=ALERTS.format(hook=hook.port)))
        with running(system), sending(system):
            wait_until(lambda: bool(notifications(hook)), TOLD_SECONDS, f"told: {system.log.read_text()[-3000:]}")
            for _ in range(3):
                system.kill()
                system.start()
                time.sleep(0.5)  # somewhere in what it does at its start
            wait_until(
                lambda: (
                    {"fired"} == {n["change"] for n in notifications(hook)}
                    and len({n["rule_id"] for n in notifications(hook)}) == 2
                ),
                TOLD_SECONDS,
                "both told",
            )
            wait_until(lambda: len(slack.requests) >= 2, 30, "told on Slack after it had asked to wait")
            wait_until(lambda: len(inbox(system)) == 2, 30, "in the app")
            wait_until(lambda: health(system) == {"hook": "ok", "team": "ok"}, 30, "both channels found well again")
            by_rule = {notification["rule_id"]: notification for notification in notifications(hook)}
            ids = [notification["id"] for notification in notifications(hook)]
            shown = {row["rule_id"]: row for row in inbox(system)}
            history = system.view(
                "alert_history",
                from_ms=0,
                to_ms=round(time.time() * 1000),
                rule_id="",
                source="",
                destination="",
                limit=9,
            )
            first = by_rule["workspace:crm-first-attempts"]
            window = {"from_ms": first["from_ms"], "to_ms": first["to_ms"]}
            [slots] = [system.view("alert_slots", **window, source="", destination="crm", mapping="", step_seconds=300)]
        assert set(by_rule) == {"workspace:crm-first-attempts", "setup:ads"} == set(shown)
        # A kill between a channel's yes and our record may repeat that one message, with its id.
        assert len(set(ids)) == 2 and len(hook.requests) <= 3
        assert all(ids.count(notification_id) <= 2 for notification_id in ids)
        assert shown["setup:ads"]["summary"].startswith("takes nothing until a person acts")
        [row] = [row for row in history if row["rule_id"] == "workspace:crm-first-attempts"]
        assert sum(slot["first_failed"] + slot["first_ok"] for slot in slots) == row["denominator"] >= 20
        assert row["numerator"] == 0 and "0 of" in first["summary"]
        assert first["error_groups"][0]["code"] == "503" and first["error_groups"][0]["sample_message_id"]
        leaked = "secret-of-slack"
        assert leaked not in system.log.read_text() and leaked not in str(history) + str(shown)
        assert find_server(system.data) is None
