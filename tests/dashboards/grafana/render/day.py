"""A day of a web shop, and the one before, as facts of delivery: what the pictures in docs/ show.

`crm` was away for an hour, `mail` refuses what the newest release of the shop sends it, `ads` needs a new token, and
the iOS app sends less than it should. The same moment gives the same day.
"""

import math
import random
from collections.abc import Iterator
from typing import Any

from model.events.ids import delivery_id
from model.recording.facts import (
    AttemptFailed,
    DestinationState,
    Duplicate,
    Fact,
    Outcome,
    Received,
    Rejected,
    Sample,
    State,
)

MINUTE, HOUR = 60_000, 3_600_000
HOURS = 54  # what is compared is two days
OUTAGE, RELEASE, APP_BROKEN, TOKEN_GONE = 10 * HOUR, 7 * HOUR, 5 * HOUR, 50 * MINUTE  # before the end
A_MINUTE = {"web": 4.0, "ios": 2.0}
CONNECTIONS = {"web": ("crm", "mail", "ads", "warehouse"), "ios": ("crm", "warehouse")}
CALLS_MS = {"crm": 90, "mail": 140, "ads": 60, "warehouse": 420}
WAITS_MS = (10_000, 30_000, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE)
NAMES = (("track", "Product Viewed"), ("track", "Product Viewed"), ("track", "Product Added"), ("page", "Checkout"),
         ("track", "Order Completed"), ("identify", ""))  # fmt: skip
WORDS = {"400": "email is not a valid address", "503": "down for maintenance", "401": "access token expired",
         "429": "slow down"}  # fmt: skip


def facts_of_a_day(to_ms: int) -> list[Fact]:
    """In the order in which they happened; the last moments of deliveries that are under way are left out."""
    found = sorted(_Day(to_ms).facts(), key=lambda fact: fact.at_ms)
    return [fact for fact in found if fact.at_ms < to_ms]


class _Day:
    def __init__(self, to_ms: int) -> None:
        self.to_ms = to_ms
        self.chance = random.Random(11)  # noqa: S311  sample data
        self.sampled: set[tuple[str, str, int]] = set()
        self.offset = 0

    def facts(self) -> Iterator[Fact]:
        yield DestinationState(
            at_ms=self.to_ms - TOKEN_GONE, destination="ads", state="setup", code="401", message=WORDS["401"]
        )
        for minute_ms in range(self.to_ms - HOURS * HOUR, self.to_ms, MINUTE):
            daily = 1 + 0.45 * math.sin((minute_ms / HOUR % 24 - 9) * math.pi / 12)
            for source, rate in A_MINUTE.items():
                less = 0.35 if source == "ios" and minute_ms >= self.to_ms - APP_BROKEN else 1
                for _ in range(math.floor(rate * daily * less + self.chance.random())):
                    yield from self._event(source, minute_ms + self.chance.randrange(MINUTE))
            if self.chance.random() < 0.03:
                yield Rejected(
                    at_ms=minute_ms, rejection_id=f"r{minute_ms}", source="web", code="event_too_large",
                    message="an event of 41 KB; at most 32 KB", message_id="", event_type="track", count=1,
                )  # fmt: skip

    def _event(self, source: str, at_ms: int) -> Iterator[Fact]:
        self.offset += 1
        kind, name = self.chance.choice(NAMES)
        released = at_ms >= self.to_ms - RELEASE and self.chance.random() < 0.6
        event: dict[str, Any] = {
            "source": source, "message_id": f"{source}-{self.offset:06}", "event_type": kind, "event_name": name,
            "app_version": "5.4.0" if source == "ios" else "3.2.0" if released else "3.1.0", "events_partition": 0,
            "events_offset": self.offset, "received_at_ms": at_ms,
        }  # fmt: skip
        if self.chance.random() < 0.005:
            yield Duplicate(**event, at_ms=at_ms + 3, first_offset=max(0, self.offset - 40))
            return
        to = CONNECTIONS[source]
        ids = {name: delivery_id("log-1", 0, self.offset, source, name, "all") for name in to}
        yield Received(**event, at_ms=at_ms + 3, routes=tuple((ids[name], name, "all") for name in to))
        for name in to:
            yield from self._delivery({**event, "delivery_id": ids[name], "destination": name, "mapping": "all"})

    def _delivery(self, about: dict[str, Any]) -> Iterator[Fact]:
        destination, start_ms = about["destination"], about["received_at_ms"]
        if destination == "warehouse" and about["event_type"] == "identify":
            yield Outcome(**about, at_ms=start_ms + 4, attempt=0, state=State.FILTERED, code="FILTERED_BY_RULES")
            return
        queue_ms = 2 + math.floor(self.chance.expovariate(1 / 6))
        at_ms, waited_ms, calls_ms, attempt = start_ms + queue_ms, 0, 0, 0
        while True:
            attempt += 1
            call_ms = math.floor(CALLS_MS[destination] * self.chance.lognormvariate(0, 0.35))
            at_ms, calls_ms = at_ms + call_ms, calls_ms + call_ms
            code = self._answer(destination, about, at_ms)
            said = {**about, "at_ms": at_ms, "attempt": attempt, "code": code, "message": WORDS.get(code, "")}
            if code in ("", "400"):
                break
            wait_ms = math.floor(WAITS_MS[min(attempt, len(WAITS_MS)) - 1] * self.chance.uniform(0.8, 1.2))
            due_ms = self.to_ms + self.chance.randrange(MINUTE) if code == "401" else at_ms + wait_ms
            failure = {"401": "setup", "429": "throttle"}.get(code, "retry")
            yield AttemptFailed(
                **said, attempt_id=_attempt(said), failure=failure, http_status=int(code), http_ms=call_ms,
                due_at_ms=due_ms,
            )  # fmt: skip
            yield from self._sample(said, "awaiting_retry")
            if due_ms >= self.to_ms:
                return
            waited_ms, at_ms = waited_ms + due_ms - at_ms, due_ms
        state = State.DISCARDED if code else State.DELIVERED
        parts: dict[str, Any] = {"queue_ms": queue_ms, "retry_wait_ms": waited_ms, "calls_ms": calls_ms}
        yield Outcome(**said, **parts, state=state, http_status=int(code or 200), http_ms=call_ms)
        if code:
            yield from self._sample(said, state)

    def _answer(self, destination: str, about: dict[str, Any], at_ms: int) -> str:
        """The code a call ends with; '' for success."""
        luck = self.chance.random()
        if destination == "crm" and self.to_ms - OUTAGE <= at_ms < self.to_ms - OUTAGE + HOUR:
            return "503" if luck < 0.97 else ""
        if destination == "ads" and at_ms >= self.to_ms - TOKEN_GONE:
            return "401"
        if destination == "mail" and luck < (0.3 if about["app_version"] == "3.2.0" else 0.004):
            return "400"
        return "429" if destination == "warehouse" and luck < 0.003 else ""

    def _sample(self, said: dict[str, Any], state: str) -> Iterator[Fact]:
        key = (said["destination"], said["code"], said["at_ms"] // HOUR)
        if key not in self.sampled:
            self.sampled.add(key)
            event = f'{{"type":"{said["event_type"]}","userId":"u-17","context":{{"app":"{said["app_version"]}"}}}}'
            yield Sample(
                **said, attempt_id=_attempt(said), state=state, event=event,
                request=f'{{"method":"POST","path":"/events","body":{event}}}',
                response=f'{{"status":{said["code"]},"body":{{"error":"{said["message"]}"}}}}',
            )  # fmt: skip


def _attempt(said: dict[str, Any]) -> str:
    return f"{said['delivery_id'][:24]}-{said['attempt']}"
