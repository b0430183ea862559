"""10,000 rules over 5,000 connections: what does one closed minute cost, how large are windows and their snapshot?

    python -m tests.bench.alerts

One JSON line. Every source has rows in two days and every connection in one; each minute measured is turned to, added
and evaluated. Filling the windows before takes a minute or two.
"""

import random
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import orjson
import psutil

from model.alerts.evaluator import evaluate_minute
from model.alerts.measures import FIVE_MINUTES_MS
from model.alerts.rule import RULE
from model.alerts.state import RuleState, StateKey
from model.alerts.version import RuleChange, RuleVersion
from model.alerts.windows import Windows
from model.durations import DAY_MS, MINUTE_MS

SOURCES, DESTINATIONS = 50, 100  # each to each
RULES = 10_000
MINUTES = 15
BEGIN_MS = 1_800_000_000_000 // FIVE_MINUTES_MS * FIVE_MINUTES_MS
END_MS = BEGIN_MS + 2 * DAY_MS


class NoHistory:
    """Knows nothing."""

    def received(self, source: str, from_ms: int, to_ms: int) -> int | None:
        """Nothing."""
        return None


def rows(minute_ms: int, chance: random.Random, failing: int) -> Iterator[dict[str, Any]]:
    """What one minute counts: of each source what came, of each connection what was delivered and what failed."""
    for source in range(SOURCES):
        yield _row(minute_ms, f"source-{source}", "", "received", chance.randrange(500, 600))
        for destination in range(DESTINATIONS):
            names = f"source-{source}", f"destination-{destination}"
            yield _row(minute_ms, *names, "delivered", chance.randrange(90, 110))
            yield _row(minute_ms, *names, "attempt_failed", 500 if destination < failing else 1)
            yield _row(minute_ms, *names, "discarded", 500 if destination < failing else 1)


def _row(minute_ms: int, source: str, destination: str, status: str, count: int) -> dict[str, Any]:
    return {
        "source": source, "destination": destination, "mapping": "all" if destination else "", "event_type": "track",
        "event_name": "Order Completed", "app_version": "1.2.3", "status": status, "code": "", "count": count,
        "latency": {"7": count}, "by_attempt": {"1": count}, "minute_ms": minute_ms,
    }  # fmt: skip


def rules() -> dict[str, RuleVersion]:
    """Half of them with two checks, over connections, sources and destinations."""
    made: dict[str, RuleVersion] = {}
    for number in range(RULES):
        source, destination = f"source-{number % SOURCES}", f"destination-{number // SOURCES % DESTINATIONS}"
        definition: dict[str, Any] = {"name": f"Rule {number}"}
        if number % 20 == 0:
            definition |= {"kind": "source-volume", "source": source, "change_percent": 20}
        elif number % 20 == 1:
            definition |= {"kind": "failed-events", "destination": destination, "enabled": False}
        else:
            definition |= {"kind": "delivery-rate", "source": source, "destination": destination, "below_percent": 60}
            definition |= {"first_attempts_below_percent": 60} if number % 2 else {}
        rule = RULE.validate_json(orjson.dumps(definition))
        made[f"rule-{number}"] = RuleVersion(
            rule_id=f"rule-{number}", version=1, at_ms=BEGIN_MS, author="ada", creator="ada",
            change=RuleChange.CREATED, rule=rule,
        )  # fmt: skip
    return made


def main() -> None:
    """Measure and say so."""
    chance, process = random.Random(6), psutil.Process()
    before_bytes = process.memory_info().rss
    windows = Windows(BEGIN_MS)
    for minute_ms in range(BEGIN_MS, END_MS, FIVE_MINUTES_MS):  # one row stands for five minutes: the slots are full
        windows.advance_to(minute_ms + MINUTE_MS)
        day_before = minute_ms < END_MS - DAY_MS
        windows.add(row for row in rows(minute_ms, chance, 0) if row["status"] == "received" or not day_before)
    for minute_ms in range(END_MS - 60 * MINUTE_MS, END_MS, MINUTE_MS):
        windows.advance_to(minute_ms + MINUTE_MS)
        windows.add(rows(minute_ms, chance, 0))
    windows_bytes = process.memory_info().rss - before_bytes
    versions, states = rules(), dict[StateKey, RuleState]()
    parts: dict[str, list[float]] = {"turn": [], "add": [], "evaluate": [], "all": []}
    alert_events = 0
    for number in range(MINUTES):
        minute_ms = END_MS + number * MINUTE_MS
        counted = list(rows(minute_ms, chance, 20))  # a fifth of the destinations is down
        clock = [time.process_time()]
        windows.advance_to(minute_ms + MINUTE_MS)
        clock.append(time.process_time())
        windows.add(counted)
        clock.append(time.process_time())
        changed, made = evaluate_minute(versions, states, windows, NoHistory(), minute_ms + MINUTE_MS)
        clock.append(time.process_time())
        states |= changed
        alert_events += len(made)
        for name, begin, end in (("turn", 0, 1), ("add", 1, 2), ("evaluate", 2, 3), ("all", 0, 3)):
            parts[name].append(clock[end] - clock[begin])
    started = time.process_time()
    record = windows.to_record()
    snapshot_s = time.process_time() - started
    started = time.process_time()
    Windows.from_record(record)
    restore_s = time.process_time() - started
    result = {
        "scenario": "alert_rules",
        "rules": RULES,
        "connections": SOURCES * DESTINATIONS,
        "rows_per_minute": len(counted),
        "alert_events": alert_events,
        "cpu_ms_per_minute": {name: round(median(spent) * 1_000) for name, spent in parts.items()},
        "cpu_ms_longest_minute": round(max(parts["all"]) * 1_000),
        "windows_mb": round(windows_bytes / 1e6, 1),
        "snapshot_mb": round(len(record["slots"]) / 1e6, 1),
        "snapshot_cpu_ms": round(snapshot_s * 1_000),
        "restore_cpu_ms": round(restore_s * 1_000),
    }
    print(orjson.dumps(result).decode())


if __name__ == "__main__":
    main()
