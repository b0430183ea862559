"""The planted secrets and personal data through all of `waybill up`: found where original bytes live, nowhere else."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from console.data_dir import find_server
from flows.engine.clock import wall_clock_ms
from flows.topics.factory import open_topics
from flows.topics.interface import DEAD_LETTERS, EVENTS, MINUTES, OUTCOMES
from flows.topics.records import fact
from model.recording.facts import Audited
from tests.cli.talkative import Partner, partner
from tests.kit import planted
from tests.kit.commands import Done, waybill
from tests.kit.ingest import records
from tests.kit.isolation import closed_port
from tests.kit.system import WRITE_KEY, Waybill, running, wait_until
from tests.kit.tables import tables_of

EVER = {"from_ms": 0, "to_ms": 4_000_000_000_000}
MAY_HOLD_EVENTS = ("topics/events.", "topics/retries.", "topics/dead_letters.", "recovery/delivery/part-")
# Hidden by the workspace's own rules: by the name of a field, by a pattern, by the name of a header.
RULED = {
    "customer_number": "planted customer 4711",
    "reference": "internal-918273",
    "X-Customer": "planted of a header",
}
PIECE = "planted.per"  # of the address: what a cut made before it was hidden would leave
EXPECTED = {*planted.CLEAR, *RULED.values(), PIECE} - {RULED["X-Customer"]}  # what events hold
# Short texts, one value each: messages are cut, and only what is short is shown whole.
TOLD = [
    *planted.BY_FORM.values(),
    *planted.SECRETS.values(),
    *(f'"{name}": "{value}"' for name, value in planted.BY_NAME.items()),
    f"customer_number={RULED['customer_number']}",
    RULED["reference"],
    f"{67 * 'far '}{planted.BY_FORM['email']}",  # where messages are cut
]
ENDS = ("return", "raise", "reject", "drop", "retry")  # of the insert function


def workspace(at: str, closed: str) -> str:
    return f"""\
version: 1
ingest: {{port: 0}}
sources: [{{id: web, write_keys: [{WRITE_KEY}]}}]
destinations:
  - {{id: taking, type: webhook, url: "{at}/200/taking", headers: {{Authorization: "Bearer ${{PLANTED_TOKEN}}"}}}}
  - {{id: batched, type: http, url: "{at}/207/batched", batch: {{max_events: 5, max_age_seconds: 0.5}}}}
  - id: whole
    type: http
    url: "{at}/400/whole?key=${{PLANTED_TOKEN}}"
    basic_auth: {{username: waybill, password: "${{PLANTED_PASSWORD}}"}}
    batch: {{max_events: 4, max_age_seconds: 0.5}}
  - {{id: refusing, type: webhook, url: "{at}/422/refusing", headers: {{X-Settings: "${{PLANTED_PASSWORD}}"}}}}
  - {{id: function, type: webhook, url: "{at}/422/function"}}
  - {{id: mapped, type: http, url: "{at}/422/mapped", bearer_token: "${{PLANTED_TOKEN}}"}}
  - {{id: picky, type: amplitude, url: "{at}/200/picky", api_key: "${{PLANTED_TOKEN}}"}}
  - {{id: broken, type: webhook, url: "{at}/500/broken", breaker: {{min_calls: 3, pause_seconds: 1}}}}
  - {{id: locked, type: webhook, url: "{at}/401/locked"}}
  - {{id: gone, type: webhook, url: "{closed}?token=${{PLANTED_TOKEN}}"}}
connections:
  - {{source: web, destination: taking}}
  - {{source: web, destination: batched}}
  - {{source: web, destination: whole}}
  - {{source: web, destination: refusing}}
  - source: web
    destination: function
    insert_function: tests.cli.talkative:insert
    function_settings: {{first: "${{PLANTED_TOKEN}}", second: "${{PLANTED_PASSWORD}}", third: "${{PLANTED_KEY}}"}}
  - source: web
    destination: mapped
    mappings:
      - name: good
        mapping:
          password: {{"@path": $.properties.password}}
          said: {{"@template": "for {{{{userId}}}}: {{{{properties.said}}}}"}}
          all: {{"@json": {{mode: encode, value: {{"@path": $.properties}}}}}}
      - name: bad
        mapping:
          sum: {{"@liquid": "{{{{ (1..200000) | join: properties.contact.email }}}}"}}
  - source: web
    destination: picky
    mappings: [{{name: odd, mapping: {{event_type: {{"@path": $.event}}, time: {{"@path": $.properties.said}}}}}}]
  - {{source: web, destination: broken}}
  - {{source: web, destination: locked}}
  - {{source: web, destination: gone}}
redaction: {{keys: ["customer_*"], values: ["internal-[0-9]{{6}}"], headers: [X-Customer]}}
delivery:
  allow_addresses: [127.0.0.0/8]
  attempts: 2
  first_wait_seconds: 0.3
  window_seconds: 6
  setup_probe_seconds: 1
"""


def event(said: str, end: str, message_id: str) -> dict[str, Any]:
    """All of the corpus; in its name and version, which are dimensions of every report, one value of it."""
    return {
        "type": "track",
        "event": f"Bought {said}",
        "userId": planted.BY_FORM["email"],
        "messageId": message_id,
        "context": {"app": {"version": f"1.0 {said}"}},
        "properties": {
            **planted.properties(),
            "leaked": list(planted.SECRETS.values()),
            "customer_number": RULED["customer_number"],
            "reference": RULED["reference"],
            "said": said,
            "do": end,
            "answer": 422 if end in {"raise", "reject"} else 200,
        },
    }


EVENTS_SENT = [event(said, end, f"m-{number}-{end}") for number, said in enumerate(TOLD) for end in ENDS]
EVENTS_SENT.append(event("crash", "crash", "m-crash"))


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, and all that was said of it."""

    system: Waybill
    partner: Partner
    said: dict[str, str] = field(default_factory=dict)  # by command

    def ask(self, *arguments: str, code: int = 0) -> Done:
        done = waybill(*arguments, workspace=self.system.file, data=self.system.data)
        self.said[" ".join(arguments)] = done.said
        assert done.code == code, done.said
        return done


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    headers = {**planted.headers(), "X-Customer": RULED["X-Customer"], "X-Reference": f"of {RULED['reference']}"}
    with partner(headers) as kept, closed_port() as closed, pytest.MonkeyPatch.context() as patch:
        for name, value in planted.SECRETS.items():
            patch.setenv(name, value)
        system = Waybill(tmp_path_factory.mktemp("planted"), workspace(kept.address, closed))
        with running(system):
            told = Story(system, kept)
            live_through(told)
            yield told


def live_through(story: Story) -> None:
    system = story.system
    for first in range(0, len(EVENTS_SENT), 10):
        assert system.post(EVENTS_SENT[first : first + 10]).json() == {"success": True}
    refused_at_the_door(story)
    wait_until(lambda: settled(system), 90, "every delivery has its outcome", every_seconds=0.5)
    file = system.directory / "event.json"
    file.write_bytes(orjson.dumps(EVENTS_SENT[1]))
    for end in ENDS:
        story.ask("trace", f"m-0-{end}")
    story.ask("trace", "m-3-raise", "--json")
    story.ask("report")
    story.ask("report", "--json")
    story.ask("check", "--explain", str(file))
    story.ask("check", "--explain", str(file), "--json")
    story.ask("redrive", "--destination", "refusing", "--yes")
    story.ask("redrive", "--destination", "batched", "--dry-run", "--json")
    for name in ("refusing", "whole", "mapped", "broken", "gone"):
        mapping = ("--mapping", "good") if name == "mapped" else ()
        story.ask("test-event", "--destination", name, *mapping, "--event", str(file), "--yes", code=1)
    story.ask("test-event", "--destination", "taking", "--message-id", "m-2-drop", "--yes", "--json")
    by_function = ("--destination", "function", "--event", str(file), "--apply-insert-function", "--yes")
    story.ask("test-event", *by_function, code=1)
    over_the_api(story)
    redriven = len(EVENTS_SENT)
    wait_until(lambda: redrives(system) == redriven, 60, "the redrive has ended", every_seconds=0.5)
    assert system.stop() == 0


def refused_at_the_door(story: Story) -> None:
    """Items of a batch that are no events, a body that is no JSON, a key that is a secret of another's."""
    address, secret = story.system.address, planted.SECRETS["PLANTED_TOKEN"]
    whole = EVENTS_SENT[0]
    items = [{**whole, "type": planted.BY_FORM["email"]}, {**whole, "event": whole["properties"]}, whole["properties"]]
    answers = [
        httpx.post(f"{address}/v1/batch", json={"batch": [*items, planted.message()], "writeKey": WRITE_KEY}),
        httpx.post(f"{address}/v1/batch", content=planted.message().encode(), auth=(WRITE_KEY, "")),
        httpx.post(f"{address}/v1/track", json=whole, auth=(secret, "")),
    ]
    story.said["refused at the door"] = "\n".join(answer.text for answer in answers)


def over_the_api(story: Story) -> None:
    server = find_server(story.system.data)
    assert server is not None
    headers = {"Authorization": f"Bearer {server.token}"}
    wish = {"destination": "refusing", "event": EVENTS_SENT[2]}
    answer = httpx.post(f"{server.address}/api/test-event", json=wish, headers=headers, timeout=30)
    assert answer.status_code == 200
    story.said["api/test-event"] = answer.text


def settled(system: Waybill) -> bool:
    rows = system.view("balance", **EVER)
    routed = sum(row["routed"] for row in rows)
    pending = sum(row["pending"] for row in rows)
    return bool(routed == 11 * len(EVENTS_SENT) and pending == 0)


def redrives(system: Waybill) -> int:
    """How many have ended."""
    return sum(row["redriven"] - row["pending"] for row in system.view("redrive_balance", **EVER))


def found(content: bytes | str) -> set[str]:
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    return planted.found_in(text) | {clear for clear in (*RULED.values(), PIECE) if clear in text}


def search(system: Waybill) -> dict[str, set[str]]:
    """What of the corpus is where, of all that is on the disk and may not hold it."""
    places: dict[str, bytes | str] = {"the log": system.log.read_bytes()}
    for path in system.data.rglob("*"):
        name = str(path.relative_to(system.data))
        if path.is_file() and not name.startswith(MAY_HOLD_EVENTS):
            places[name] = path.read_bytes()
    for topic in (OUTCOMES, MINUTES):
        places[f"topic {topic}"] = topic_content(system, topic)
    places |= {f"table {name}": content for name, content in tables_of(system.data).items()}
    return {name: clear for name, content in places.items() if (clear := found(content))}


def topic_content(system: Waybill, topic: str) -> bytes:
    with closing(open_topics(f"sqlite:///{system.data / 'topics'}")) as topics:
        return b"\n".join(record.key + b" " + record.value for record in records(topics, topic))


@pytest.mark.slow
def test_all_paths_were_taken(story: Story) -> None:
    """Else nothing found would mean nothing."""
    content = tables_of(story.system.data)
    facts = content["waybill.facts"]
    for code in (
        "422", "400", "500", "401", "ECONNREFUSED", "BREAKER_OPEN", "NEVER_ATTEMPTED", "FUNCTION_FAILED",
        "FUNCTION_REJECTED", "FUNCTION_RETRY", "FUNCTION_CRASHED", "FILTERED_BY_FUNCTION", "MAPPING_ERROR",
        "PAYLOAD_VALIDATION_FAILED",
    ):  # fmt: skip
        assert f"\n{code}\n" in facts, code
    for kind in ("rejected", "tested", "redriven", "redrive_outcome", "requeued"):
        assert f"{kind}\n" in facts, kind
    states = content["waybill.destination_states"]
    assert "\nopen\n" in states and "\nsetup\n" in states and "refused [redacted" in states
    assert "waybill.samples" in content and "[redacted email]" in content["waybill.samples"]
    assert max(story.partner.calls["/207/batched"]) == 5
    assert {1, 2, 4} <= set(story.partner.calls["/400/whole"])
    log = story.system.log.read_text(encoding="utf-8")
    assert "insert function: " in log and "locked refuses every call" in log
    assert all("redacted" in story.said[f"trace m-0-{end}"] for end in ("raise", "reject", "drop", "retry"))


@pytest.mark.slow
def test_the_search_finds_everything_where_original_bytes_live(story: Story) -> None:
    for topic in (EVENTS, DEAD_LETTERS):
        assert found(topic_content(story.system, topic)) == EXPECTED
    files = {path.name: found(path.read_bytes()) for path in (story.system.data / "topics").glob("events.*")}
    assert set().union(*files.values()) == EXPECTED


@pytest.mark.slow
def test_nothing_planted_is_anywhere_else_on_the_disk(story: Story) -> None:
    assert search(story.system) == {}


@pytest.mark.slow
def test_nothing_planted_is_in_anything_that_was_printed_or_answered(story: Story) -> None:
    assert {name: clear for name, text in story.said.items() if (clear := found(text))} == {}


@pytest.mark.slow
def test_control_a_fact_with_a_planted_value_is_found_in_topic_and_store(story: Story) -> None:
    system, email = story.system, planted.BY_FORM["email"]
    leak = Audited(at_ms=wall_clock_ms(), author="control", role="owner", action="leak", subject="", details=email)
    with closing(open_topics(f"sqlite:///{system.data / 'topics'}")) as topics, closing(topics.producer()) as producer:
        output = fact(b"control", leak)
        producer.send(output.topic, output.key, output.value, output.partition)
        producer.flush()
    system.start()
    wait_until(lambda: "control" in str(system.view("audit_log", **EVER, limit=1_000)), 30, "recorded")
    assert system.stop() == 0
    places = search(system)
    assert places["topic outcomes"] == places["table waybill.audit"] == {email, PIECE}
    assert any(name.startswith("topics/outcomes.") for name in places)
