"""One `waybill up` as its user meets it, from the first event to what can be asked after it has stopped."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from segment.analytics.client import Client  # type: ignore[import-untyped]

from flows.topics.factory import open_topics
from flows.topics.interface import DEAD_LETTERS, EVENTS, OUTCOMES
from model.events.envelope import decode_record
from model.recording.facts import Outcome, decode
from tests.cli.partner import Partner, partner
from tests.kit.commands import Done, track, waybill
from tests.kit.ingest import records
from tests.kit.system import WRITE_KEY, Waybill, receiver, running, wait_until
from tests.kit.tables import tables_of

TOKEN = "planted-token-5e1a7c"
PASSWORD = "planted-password-91"
EMAIL = "planted.person@mail.example"
CARD = "4012888888881881"
CLEAR = [TOKEN, PASSWORD, EMAIL, CARD]
MARK = "no-secret-at-all"
POISON = b"neither a header nor an event"
EVER = {"from_ms": 0, "to_ms": 4_000_000_000_000}
MAY_HOLD_EVENTS = ("topics/events.", "topics/retries.", "topics/dead_letters.", "recovery/")


def workspace(receiver_address: str, partner_address: str) -> str:
    return f"""\
version: 1
ingest: {{port: 0}}
sources:
  - {{id: web, write_keys: [{WRITE_KEY}]}}
  - {{id: odd, write_keys: [odd-key]}}
  - {{id: till, write_keys: [till-key]}}
destinations:
  - {{id: crm, type: webhook, url: "{receiver_address}/scripted"}}
  - {{id: large, type: webhook, url: "{receiver_address}/large"}}
  - {{id: silent, type: webhook, url: "{receiver_address}/hang", timeout_seconds: 1}}
  - {{id: partner, type: webhook, url: "{partner_address}/hook", headers: {{Authorization: "Bearer ${{TOKEN}}"}}}}
  - {{id: lake, type: s3}}
connections:
  - {{source: web, destination: crm}}
  - {{source: web, destination: lake}}
  - {{source: web, destination: partner, mode: device}}
  - {{source: odd, destination: large}}
  - {{source: odd, destination: silent}}
  - {{source: till, destination: partner}}
delivery:
  allow_addresses: [127.0.0.0/8]
  attempts: 2
  first_wait_seconds: 0.3
"""


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, and all that was said of it."""

    system: Waybill
    partner: Partner
    sdk_message_id: str
    server_file_mode: int
    second_up: Done
    running: dict[str, Done]  # by command
    balance: list[dict[str, Any]]
    odd: list[dict[str, Any]]  # trace of the event to the destinations large and silent
    exit_code: int
    after: dict[str, Done]

    def steps(self, command: str, *, after: bool = False) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = (self.after if after else self.running)[command].json()["steps"]
        return steps

    def connection(self, destination: str) -> dict[str, Any]:
        [row] = [row for row in self.balance if row["destination"] == destination]
        return row


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with receiver() as target, partner() as kept, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKEN", TOKEN)
        directory = tmp_path_factory.mktemp("up")
        with running(Waybill(directory, workspace(target.address, kept.address))) as system:
            yield live_through(system, kept)


def live_through(system: Waybill, kept: Partner) -> Story:
    mode = stat.S_IMODE((system.data / "server.json").stat().st_mode)
    send(system, WRITE_KEY, track("m-retried", 503, 200))
    send(system, "odd-key", track("m-odd"))
    send(system, "till-key", track("m-secret", password=PASSWORD, contact=EMAIL, note=f"paid with {CARD}", mark=MARK))
    append_poison(system)
    client = Client(WRITE_KEY, host=system.address, upload_interval=0.05)
    sdk_message_id = client.track("u1", "Signed Up", {"plan": "free"})[1]["messageId"]
    client.shutdown()
    second_up = ask(system, "up")
    wait_until(lambda: all_settled(system), 40, "every delivery has its outcome", every_seconds=0.3)
    commands = {
        "report": ["report"],
        "report --json": ["report", "--json"],
        "trace m-retried": ["trace", "m-retried"],
        "trace m-retried --json": ["trace", "m-retried", "--json"],
        "trace m-secret": ["trace", "m-secret"],
        "trace sdk --json": ["trace", sdk_message_id, "--json"],
        "trace unknown": ["trace", "unknown"],
    }
    said = {name: ask(system, *arguments) for name, arguments in commands.items()}
    balance, odd = system.view("balance", **EVER), system.view("event_trace", message_id="m-odd")
    exit_code = system.stop()
    asked_after = ("report --json", "trace m-retried --json")
    after = {name: ask(system, *commands[name]) for name in asked_after}
    return Story(system, kept, sdk_message_id, mode, second_up, said, balance, odd, exit_code, after)


def ask(system: Waybill, *arguments: str) -> Done:
    return waybill(*arguments, workspace=system.file, data=system.data)


def send(system: Waybill, write_key: str, event: dict[str, Any]) -> None:
    answer = httpx.post(f"{system.address}/v1/track", json=event, auth=(write_key, ""), timeout=30)
    assert answer.json() == {"success": True}


def append_poison(system: Waybill) -> None:
    topics = open_topics(f"sqlite:///{system.data / 'topics'}")
    producer = topics.producer()
    producer.send(EVENTS, b"", POISON, partition=0)
    producer.flush()
    producer.close()
    topics.close()


def all_settled(system: Waybill) -> bool:
    """Three events to four destinations, the SDK's to one more; and the poison record, which is a routed event."""
    rows = system.view("balance", **EVER)
    [ingest] = system.view("ingest_balance", **EVER)
    settled = sum(row["delivered"] + row["discarded"] + row["expired"] for row in rows)
    return bool(settled == 5 and ingest["routed_events"] == 5)


def test_it_publishes_itself_to_its_owner_only_and_withdraws_at_the_end(story: Story) -> None:
    assert story.server_file_mode == 0o600
    assert not (story.system.data / "server.json").exists()


def test_a_second_up_on_the_same_data_is_refused_and_names_the_first(story: Story) -> None:
    assert story.system.process is not None
    assert story.second_up.code == 2
    assert f"process {story.system.process.pid} already runs" in story.second_up.err


def test_sigterm_ends_it_cleanly(story: Story) -> None:
    log = story.system.log.read_text()
    assert story.exit_code == 0
    assert "Stopping" in log
    assert "Traceback" not in log and "died" not in log


def test_a_trace_tells_each_step_of_an_event_while_it_runs(story: Story) -> None:
    received, routed, failed, outcome = story.steps("trace m-retried --json")
    assert (received["step"], received["source"]) == ("received", "web")
    assert (routed["step"], routed["destination"]) == ("routed", "crm")
    assert (failed["step"], failed["code"], failed["http_status"], failed["attempt"]) == (
        "attempt_failed",
        "503",
        503,
        1,
    )
    assert failed["due_at"] > failed["at"]
    assert (outcome["step"], outcome["state"], outcome["attempt"]) == ("outcome", "delivered", 2)
    assert outcome["latency_ms"] >= failed["due_at"] - failed["at"]
    parts = [outcome[name] for name in ("queue_ms", "retry_wait_ms", "limit_wait_ms", "calls_ms")]
    assert sum(parts) == outcome["latency_ms"] and outcome["retry_wait_ms"] >= failed["due_at"] - failed["at"]
    text = story.running["trace m-retried"]
    assert text.code == 0
    for words in ("Order Completed", "received", "routed", "attempt 1 failed", "HTTP 503", "delivered", "in 2 calls"):
        assert words in text.out, text.out


def test_a_trace_follows_an_event_of_the_official_sdk(story: Story) -> None:
    steps = story.steps("trace sdk --json")
    assert [step["step"] for step in steps] == ["received", "routed", "outcome"]
    assert {step["event_name"] for step in steps} == {"Signed Up"}
    assert steps[-1]["state"] == "delivered" and steps[-1]["destination"] == "crm"


def test_an_unknown_event_is_exit_code_1(story: Story) -> None:
    told = story.running["trace unknown"]
    assert told.code == 1 and "No event with this messageId is recorded" in told.out


def test_the_same_is_told_after_it_has_stopped(story: Story) -> None:
    assert story.steps("trace m-retried --json", after=True) == story.steps("trace m-retried --json")
    before, after = story.running["report --json"].json(), story.after["report --json"].json()
    counts = ("ingested", "accepted", "routed", "delivered", "discarded", "expired", "pending", "unexplained")
    assert {name: after[name] for name in counts} == {name: before[name] for name in counts}
    assert after["errors"] == before["errors"]


def test_the_report_adds_up(story: Story) -> None:
    told = story.running["report --json"]
    report = told.json()
    assert told.code == 0
    assert (report["accepted"], report["routed_events"], report["rejected"], report["duplicates"]) == (5, 5, 0, 0)
    fates = ("routed", "filtered", "delivered", "discarded", "expired", "pending", "unexplained")
    assert [report[fate] for fate in fates] == [5, 0, 3, 1, 1, 0, 0]
    text = story.running["report"].out
    assert "Every event is accounted for" in text and "UNREADABLE_RECORD" in text


def test_connections_waybill_does_not_deliver_are_said_to_be_not_reportable(story: Story) -> None:
    counted = {(row["source"], row["destination"]) for row in story.balance}
    assert counted == {("web", "crm"), ("odd", "large"), ("odd", "silent"), ("till", "partner")}
    numbers, _, said = story.running["report"].out.partition("Not reportable here")
    assert "web → lake: s3" in said and "web → partner: device mode" in said
    assert "lake" not in numbers


def test_an_answer_of_10_megabytes_is_an_answer(story: Story) -> None:
    assert story.connection("large")["delivered"] == 1


def test_a_destination_that_never_answers_is_timed_out_and_given_up(story: Story) -> None:
    silent = [step for step in story.odd if step["destination"] == "silent"]
    assert [(step["step"], step["code"], step["attempt"]) for step in silent[1:]] == [
        ("attempt_failed", "ETIMEDOUT", 1),
        ("outcome", "ETIMEDOUT", 2),
    ]
    assert silent[-1]["state"] == "expired"
    assert all(900 <= step["http_ms"] < 5_000 for step in silent[1:])


def test_a_poison_record_becomes_a_dead_letter_with_its_bytes_and_a_discarded_outcome(story: Story) -> None:
    topics = open_topics(f"sqlite:///{story.system.data / 'topics'}")
    letters = [decode_record(record.value) for record in records(topics, DEAD_LETTERS)]
    facts = [decode(record.value) for record in records(topics, OUTCOMES)]
    topics.close()
    assert [payload for header, payload in letters if header["code"] == "UNREADABLE_RECORD"] == [POISON]
    outcomes = [fact for fact in facts if isinstance(fact, Outcome) and fact.code == "UNREADABLE_RECORD"]
    assert [(fact.state, fact.destination) for fact in outcomes] == [("discarded", "")]


def test_the_partner_gets_the_secret_and_the_event_as_it_was(story: Story) -> None:
    [(headers, body)] = story.partner.requests
    assert headers["authorization"] == f"Bearer {TOKEN}"
    properties = orjson.loads(body)["properties"]
    assert (properties["password"], properties["contact"]) == (PASSWORD, EMAIL) and CARD in properties["note"]


def test_planted_secrets_are_in_no_file_but_the_topics_of_original_bytes(story: Story) -> None:
    found: dict[str, set[str]] = {}
    for path in story.system.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            name = str(path.relative_to(story.system.data))
            found[name] = {clear for clear in CLEAR if clear.encode() in content}
    events = set().union(*(clear for name, clear in found.items() if name.startswith("topics/events.")))
    assert events == {PASSWORD, EMAIL, CARD}  # the token is added at send time
    elsewhere = {name: clear for name, clear in found.items() if not name.startswith(MAY_HOLD_EVENTS)}
    assert {name: clear for name, clear in elsewhere.items() if clear} == {}


def test_planted_secrets_are_in_no_table_of_the_store(story: Story) -> None:
    # Not by its files: what ClickHouse writes is compressed.
    content = tables_of(story.system.data)
    assert MARK in content["waybill.samples"] and "refused for" in content["waybill.facts"]
    assert [(table, clear) for table in content for clear in CLEAR if clear in content[table]] == []


def test_the_token_is_nowhere_on_the_disk(story: Story) -> None:
    holders = [
        path for path in story.system.directory.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()
    ]
    assert holders == []


def test_planted_secrets_are_in_no_output_and_no_log(story: Story) -> None:
    said = [story.system.log.read_text(), story.second_up.said]
    said += [done.said for done in (*story.running.values(), *story.after.values())]
    assert [clear for clear in CLEAR for text in said if clear in text] == []
    # The partner repeated all of it in its message, which is shown.
    assert "refused for" in story.running["trace m-secret"].out and "redacted" in story.running["trace m-secret"].out


def test_the_data_directory_is_its_owners_only(story: Story) -> None:
    data: Path = story.system.data
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    originals = [path for path in (data / "topics").iterdir() if path.is_file()]
    assert originals and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in originals)
