"""The demo's receiver with more behaviours, for tests and the benchmark; it counts what it receives.

python -m tests.kit.receiver --port 0        prints {"port": 40213} and serves until SIGTERM

/healthy, /flaky  as in `console.demo.receiver`
/scripted         as properties.script of the event says, one response per call, the last one for all later calls:
                  [503, {"status": 429, "retry_after": 1, "body": {"message": "slow down"}}, "hang", "close", 200]
/status/401?ms=9  that status, after that time if one is given
/slow?ms=50       200 after that time
/hang             accepts the request and never responds
/large            200 with 10 MB

GET /tally                     {"healthy/crm": {"calls": …, "keys": …, "delivered_keys": …, …}, …}
GET /tally/healthy/crm/keys    {"<Idempotency-Key>": [503, 200], …}; 0 stands for no answer
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import orjson

from console.demo.receiver import FLAKY_RATE_PER_SECOND, MAX_KEYS, NOT_FOUND, CannedResponse, ClientConnection, main
from console.demo.receiver import Receiver as DemoReceiver

MAX_NAMES = 1_000
NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Answer(CannedResponse):
    """The response to a call: a status, or NO_ANSWER, which closes the connection at once or leaves it waiting."""

    delay_ms: int = 0
    close: bool = False


class Connection(ClientConnection):
    """One keep-alive HTTP/1.1 connection, which may respond late or never."""

    def reply(self, answer: CannedResponse) -> None:
        if not isinstance(answer, Answer):
            super().reply(answer)
        elif answer.delay_ms:
            # One ms more: uvloop counts in whole ms, and may be up to one early.
            later = replace(answer, delay_ms=0)
            asyncio.get_running_loop().call_later((answer.delay_ms + 1) / 1000, self.reply, later)
        elif answer.close:
            self._transport.close()
        elif answer.status != NO_ANSWER:
            super().reply(answer)


HANG = Answer(NO_ANSWER)
CLOSE = Answer(NO_ANSWER, close=True)
_LARGE = Answer(200, b"x" * 10_000_000)


@dataclass(slots=True)
class PathTally:
    """The calls to one path. ``statuses``: by key, in order."""

    statuses: dict[str, list[int]] = field(default_factory=dict)
    by_status: Counter[int] = field(default_factory=Counter)
    calls_after_success: int = 0
    calls_without_key: int = 0

    def summary(self) -> dict[str, Any]:
        """Return the counts as published by GET /tally."""
        successes = [sum(map(_is_success, answers)) for answers in self.statuses.values()]
        return {
            "calls": self.by_status.total(),
            "keys": len(successes),
            "delivered_keys": sum(count > 0 for count in successes),
            "keys_delivered_more_than_once": sum(count > 1 for count in successes),
            "calls_after_success": self.calls_after_success,
            "calls_without_key": self.calls_without_key,
            "statuses": {str(status): count for status, count in sorted(self.by_status.items())},
        }


class Receiver(DemoReceiver):
    """Chooses responses and counts them."""

    def __init__(self, clock: Callable[[], int], flaky_rate_per_second: int = FLAKY_RATE_PER_SECOND) -> None:
        super().__init__(clock, flaky_rate_per_second)
        self.tallies: dict[str, PathTally] = {}
        self._keys = 0

    def connection(self) -> Connection:
        return Connection(self)

    def answer(self, path: str, query: str, key: str, body: bytes) -> CannedResponse:
        """Choose the response to one call and count it."""
        if path == "tally" or path.startswith("tally/"):
            return self._tally(path)
        if path.partition("/")[0] not in _BEHAVIOURS or (path not in self.tallies and len(self.tallies) >= MAX_NAMES):
            return NOT_FOUND
        tally = self.tallies.setdefault(path, PathTally())
        earlier = tally.statuses.get(key, [])
        answer = self._chosen(path, query, key, body, len(earlier))
        tally.by_status[answer.status] += 1
        tally.calls_after_success += any(map(_is_success, earlier))
        if not key or (not earlier and self._keys >= MAX_KEYS):
            tally.calls_without_key += 1
        elif earlier:
            earlier.append(answer.status)
        else:
            tally.statuses[key] = [answer.status]
            self._keys += 1
        return answer

    def _tally(self, path: str) -> CannedResponse:
        if path == "tally":
            return Answer(200, orjson.dumps({name: tally.summary() for name, tally in self.tallies.items()}))
        tally = self.tallies.get(path.removeprefix("tally/").removesuffix("/keys"))
        return Answer(200, orjson.dumps(tally.statuses)) if tally else NOT_FOUND

    def _chosen(self, path: str, query: str, key: str, body: bytes, earlier: int) -> CannedResponse:
        match path.partition("/")[0]:
            case "scripted":
                return _scripted(body, earlier)
            case "status":
                return _status(path, query)
            case "slow":
                return Answer(200, delay_ms=_delay_ms(query, 50))
            case "hang":
                return HANG
            case "large":
                return _LARGE
            case _:
                return super().answer(path, query, key, body)


def json_answer(status: int, body: Any, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, orjson.dumps(body), headers)


def _scripted(body: bytes, earlier: int) -> Answer:
    try:
        event = orjson.loads(body)
        script = event.get("properties", {}).get("script") or [200]
        return _scripted_answer(script[min(earlier, len(script) - 1)])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return json_answer(400, {"message": f"properties.script cannot be followed: {error}"})


def _status(path: str, query: str) -> CannedResponse:
    code = path.removeprefix("status/").partition("/")[0]
    if not code.isdecimal() or len(code) != len("200"):
        return NOT_FOUND
    return Answer(int(code), delay_ms=_delay_ms(query, 0))


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _delay_ms(query: str, default_ms: int) -> int:
    text = parse_qs(query).get("ms", [""])[0]
    return min(int(text), 600_000) if text.isdecimal() else default_ms


def _scripted_answer(step: Any) -> Answer:
    """Turn one entry of a script into a response. Raises ValueError, TypeError or KeyError for a malformed one."""
    if step == "hang":
        return HANG
    if step == "close":
        return CLOSE
    if isinstance(step, dict):
        wait = (("Retry-After", str(int(step["retry_after"]))),) if "retry_after" in step else ()
        return json_answer(int(step["status"]), step.get("body", {}), wait)
    return Answer(int(step))


_BEHAVIOURS = {"healthy", "flaky", "scripted", "status", "slow", "hang", "large"}

if __name__ == "__main__":
    main(Receiver)
