"""Bundles, knowledge, alert events and channels as the tests of the alerting flow need them."""

import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import orjson

from flows.alerting.evaluation import Evaluation
from flows.alerting.notifications import messages_of
from flows.alerting.outbox import Outbox
from flows.topics.interface import Record
from model.alerts.alert_event import AlertEvent
from model.alerts.messages import notification_of
from model.alerts.notification import Change, Notification
from model.alerts.rule import RULE
from model.alerts.state import Check
from model.alerts.version import RuleChange, RuleVersion
from model.durations import MINUTE_MS
from model.workspace.workspace import Workspace
from sinks.channels.channel import SendResult, SendStatus
from tests.kit.alert_samples import NOW
from tests.kit.workspaces import webhook, workspace

START = NOW  # of the first append minute
OK = SendResult(outcome=SendStatus.OK)
SMTP = {"host": "mail.example.com", "security": "none", "from": "waybill@example.com"}


def example_workspace(destinations: Sequence[str] = ("crm", "mail"), **alerts: Any) -> Workspace:
    """Two destinations, people, and channels team, ops and email."""
    channels = [{"id": name, "type": "webhook", "url": f"https://{name}.example.com/in"} for name in ("team", "ops")]
    users = [{"id": "ada", "role": "write", "email": "ada@example.com"}, {"id": "bob", "role": "write"}]
    section = {"channels": channels, "smtp": SMTP, **alerts}
    return workspace([webhook(name) for name in destinations], users=users, alerts=section)


def said(destination: str, state: str, at_ms: int, code: str = "", message: str = "") -> dict[str, Any]:
    """A state in a bundle."""
    return {"destination": destination, "at_ms": at_ms, "state": state, "code": code, "message": message}


def bundle_value(
    number: int, rows: Iterable[dict[str, Any]] = (), states: Iterable[dict[str, Any]] = (), partition: int = 0
) -> bytes:
    """The bundle of append minute ``number`` of a partition."""
    minute_ms = START + number * MINUTE_MS
    made = {"append_minute_ms": minute_ms, "partition": partition, "rows": list(rows), "states": list(states)}
    return orjson.dumps({"v": 1, **made})


def bundle(number: int, *rows: dict[str, Any], states: Iterable[dict[str, Any]] = (), partition: int = 0) -> Record:
    """The same as a record of topic minutes, appended when its minute is over."""
    appended_ms = START + (number + 1) * MINUTE_MS
    return Record(partition, number, appended_ms, b"0", bundle_value(number, rows, states, partition))


def rule(rule_id: str, number: int = 1, at_ms: int = 0, **fields: Any) -> RuleVersion:
    """A version of a rule; without more, of failed events of crm."""
    definition = {"kind": "failed-events", "name": f"Rule {rule_id}"} | fields
    if definition["kind"] != "source-volume":
        definition.setdefault("destination", "crm")
    definition["channels"] = tuple(definition.get("channels", ("in-app",)))
    made: RuleVersion = RuleVersion(
        rule_id=rule_id,
        version=number,
        at_ms=at_ms,
        author="ada",
        creator="ada",
        change=RuleChange.CREATED if number == 1 else RuleChange.EDITED,
        rule=RULE.validate_python(definition),
    )
    return made


class Knowing:
    """What the store knows; ``away``: nothing can be asked now."""

    def __init__(self, *versions: RuleVersion) -> None:
        self.kept = list(versions)
        self.firsts: dict[str, int] = {}
        self.away = False
        self.asked_for_firsts = 0

    def versions(self, from_ms: int) -> list[RuleVersion] | None:
        """As view alert_rule_versions."""
        if self.away:
            return None
        before: dict[str, RuleVersion] = {}
        for version in self.kept:
            if version.at_ms < from_ms:
                before[version.rule_id] = version
        return [*before.values(), *(version for version in self.kept if version.at_ms >= from_ms)]

    def received(self, source: str, from_ms: int, to_ms: int) -> int | None:
        """Nothing."""
        return None if self.away else 0

    def first_events(self, to_ms: int) -> dict[str, int] | None:
        """As view first_events."""
        self.asked_for_firsts += 1
        return None if self.away else dict(self.firsts)


class Evaluating:
    """An `Evaluation` over ``partitions`` that can be stopped and resumed; ``now_ms`` is its clock."""

    def __init__(self, known: Knowing, partitions: int = 1, configured: Workspace | None = None) -> None:
        self.known = known
        self.partitions = partitions
        self.workspace = configured or example_workspace()
        self.now_ms = START + 2 * MINUTE_MS
        self.minute_seen = 0
        self.on_heard: Callable[[], None] = lambda: None
        self.logic = self.make(None)

    def make(self, resume_state: dict[str, Any] | None) -> Evaluation:
        """From the beginning, or from a snapshot."""
        return Evaluation(
            self.partitions, self.known, lambda: self.workspace, lambda: self.now_ms, self._hear, resume_state
        )

    def take(self, *records: Record) -> list[AlertEvent]:
        """What comes of these records."""
        found, discarded = self.logic.on_batch(list(records))
        assert not discarded
        return list(found)

    def _hear(self) -> None:
        self.minute_seen += 1
        self.on_heard()


def alert_event(number: int = 1, **changes: Any) -> AlertEvent:
    """A rule that fired, told on team."""
    fields: dict[str, Any] = {
        "id": f"{number:032x}", "rule_id": "r1", "rule_version": 1, "rule_name": "To CRM", "kind": "delivery-rate",
        "check": Check.DAY, "change": Change.FIRED, "at_ms": NOW + number, "since_ms": NOW + number,
        "episode": f"{number:032x}", "from_ms": NOW - 86_400_000, "to_ms": NOW, "destination": "crm", "operator": "<",
        "numerator": 940, "denominator": 1_000, "threshold_bp": 9_500, "excluded": (("filtered", 7),),
        "notes": ("A note.",), "channels": ("in-app", "team"), "author": "ada",
    }  # fmt: skip
    return AlertEvent(**(fields | changes))


def put(outbox: Outbox, configured: Workspace, *alert_events: AlertEvent) -> None:
    """Put alert events and their messages into an outbox, as the sink does."""
    messages = [message for made in alert_events for message in messages_of(made, notification_of(made), configured)]
    outbox.put(alert_events, messages)


def through_pickle(value: Any) -> Any:
    """A copy made as Bytewax makes it of a snapshot."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301


class ScriptedChannel:
    """Answers as told, then takes everything; keeps what it was sent. ``before_answer``: called with each."""

    def __init__(self, *answers: SendResult | Exception, max_notifications: int = 3) -> None:
        self.max_notifications = max_notifications
        self.answers = list(answers)
        self.sent: list[tuple[str, tuple[Notification, ...]]] = []
        self.before_answer: Callable[[], None] = lambda: None

    def send(self, notifications: Sequence[Notification], recipient: str = "") -> SendResult:
        """Take one message."""
        assert 1 <= len(notifications) <= self.max_notifications
        self.sent.append((recipient, tuple(notifications)))
        self.before_answer()
        answer = self.answers.pop(0) if self.answers else OK
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ids(self) -> list[list[int]]:
        """The numbers of the alert events told, by message."""
        return [[int(notification.id, 16) for notification in notifications] for _, notifications in self.sent]


class AtOnce(Executor):
    """Does everything at once; what is no Exception passes through, as a kill does."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Do it."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class WhenAsked(Executor):
    """Does what it was asked to when the test says so, in any order."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Put it off."""
        future: Future[Any] = Future()
        self.waiting.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future

    def finish(self, index: int) -> None:
        """Do one of the things put off."""
        self.waiting.pop(index)()
