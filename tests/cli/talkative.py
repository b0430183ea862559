"""Those who repeat all they get: a partner's server in the test's own process, and insert functions.

The partner answers with the status its path begins with, as in /422 or /207/batched, in which case each event of the
array gets the status of its `properties.answer`. `properties.said` is what it complains with.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from flows.functions import DropEvent, RejectEvent, RetryEvent

Event = dict[str, Any]


class Partner:
    """Where it is, what headers all of its answers have, and how many events came in one request, by path."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.address = ""
        self.calls: dict[str, list[int]] = {}


@contextmanager
def partner(headers: dict[str, str]) -> Iterator[Partner]:
    """Run one."""
    made = Partner(headers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got = orjson.loads(body)
            events: list[Event] = got if isinstance(got, list) else [got]
            path = self.path.partition("?")[0]
            made.calls.setdefault(path, []).append(len(events))
            status = int(path.split("/")[1])
            if status == 207:
                said: Any = [{"status": event["properties"]["answer"], **_complaint(event)} for event in events]
            else:
                said = _complaint(events[0]) | {"got": body.decode(), "with": dict(self.headers), "again": got}
            answer = orjson.dumps(said)
            self.send_response(status)
            for name, value in {**made.headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _complaint(event: Event) -> dict[str, str]:
    return {"message": f"refused {event.get('properties', event).get('said')}"}


def insert(event: Event, settings: dict[str, str]) -> Event:
    """Print everything, put the settings into the event, and end as `properties.do` says."""
    sys.stdout.write(f"{event['properties']['said']} {settings}\n")
    sys.stderr.write(orjson.dumps(event).decode() + "\n")
    sys.stderr.flush()
    said = event["properties"]["said"]
    match event["properties"]["do"]:
        case "raise":
            raise ValueError(f"cannot use {said} with {settings}")
        case "reject":
            raise RejectEvent(f"wrong: {said}")
        case "drop":
            raise DropEvent(f"no need for {said}")
        case "retry":
            raise RetryEvent(f"not now: {said}")
        case "crash":
            os._exit(3)
    return event | {"settings": settings}
