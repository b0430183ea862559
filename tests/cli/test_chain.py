"""Two Waybills in a row: the second shows the times of the first, however late an event reaches it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.ingest.app import create_ingest
from console.server.http_server import serve_in_thread
from flows.engine.clock import wall_clock_ms
from flows.topics.factory import open_topics
from flows.topics.interface import Topics
from tests.kit.ingest import SOURCES, WRITE_KEY, events
from tests.kit.system import Waybill, running, wait_until

FIRST_KEY = "first-write-key"
CLOCK_IS_SLOW = timedelta(hours=1)
WORKSPACE = """
version: 1
ingest: {{port: 0}}
sources: [{{id: web, write_keys: [{first_key}]}}]
destinations:
  - {{id: second, type: segment, url: "{url}/v1/batch", write_key: "${{SECOND_KEY}}"{settings}}}
connections: [{{source: web, destination: second}}]
delivery: {{allow_addresses: [127.0.0.0/8], first_wait_seconds: 0.5, wait_factor: 1}}
"""


class Busy:
    """Answers the first calls with 503, as a server does that starts."""

    def __init__(self, app: ASGIApp, calls: int) -> None:
        self._app = app
        self.left = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.left > 0:
            self.left -= 1
            while (await receive()).get("more_body"):
                pass
            await Response(status_code=503)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def items() -> list[dict[str, Any]]:
    happened = datetime.now(UTC) - CLOCK_IS_SLOW - timedelta(seconds=10)
    about = {"type": "track", "event": "Bought", "userId": "u-1"}
    dated = {"timestamp": written(happened)}
    return [
        {**about, "messageId": "dated", **dated},
        {**about, "messageId": "undated"},
        {**about, "messageId": "dated-itself", **dated, "sentAt": written(happened + timedelta(seconds=10))},
    ]


def send_with_a_slow_clock(address: str) -> None:
    """In a batch, and each by itself."""
    auth = (FIRST_KEY, "")
    sent_at = {"sentAt": written(datetime.now(UTC) - CLOCK_IS_SLOW)}
    httpx.post(f"{address}/v1/batch", json={"batch": items(), **sent_at}, auth=auth, timeout=30).raise_for_status()
    for item in items():
        body = {**item, "messageId": f"single-{item['messageId']}", **({} if "sentAt" in item else sent_at)}
        httpx.post(f"{address}/v1/track", json=body, auth=auth, timeout=30).raise_for_status()


def times(topics: Topics) -> dict[str, str]:
    return {event["messageId"]: event["timestamp"] for _, event in events(topics)}


@pytest.mark.slow
@pytest.mark.parametrize("settings", ["", ", batch: {max_events: 1}"], ids=["batches", "one by one"])
def test_the_second_waybill_shows_the_times_of_the_first(
    settings: str, tmp_path: Path, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECOND_KEY", WRITE_KEY)
    busy = Busy(create_ingest(SOURCES, topics, clock=wall_clock_ms, run="second"), calls=4)
    second = serve_in_thread(busy, "127.0.0.1", 0)
    try:
        url = f"http://127.0.0.1:{second.port}"
        system = Waybill(tmp_path, WORKSPACE.format(first_key=FIRST_KEY, url=url, settings=settings))
        with running(system):
            before = datetime.now(UTC)
            send_with_a_slow_clock(system.address)
            wait_until(lambda: len(times(topics)) == 6, 60, "all events have come to the second")
            assert system.stop() == 0
        assert busy.left == 0
        first = times(open_topics(f"sqlite:///{system.data.absolute() / 'topics'}"))
        assert times(topics) == first
        for message_id, time in first.items():
            late = datetime.fromisoformat(time) - before
            expected = timedelta(0) if "undated" in message_id else timedelta(seconds=-10)
            assert abs(late - expected) < timedelta(seconds=5), message_id
    finally:
        second.stop()
