"""The outbox: alert events and messages not yet sent or recorded, in one SQLite file in the recovery directory.

Alert events are written before Bytewax's snapshot is committed, once per id, so replaying minutes adds nothing. A
message stays until its channel has accepted it or it is given up. Which messages are sent together is stored before
sending, so that after a crash the same message is sent with the same id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import orjson

from flows.alerting.notifications import Message, MessageState
from flows.sqlite.database import SqliteFile
from model.alerts.alert_event import AlertEvent
from model.alerts.notification import Notification
from model.alerts.records import from_record, to_record
from model.durations import DAY_MS

KEPT_MS = 60 * DAY_MS  # how long sent and recorded rows are kept: longer than topic minutes, which a replay reads
MAX_DUE = 200  # per channel and query; more than fits into one message
MAX_UNDELIVERED = 1_000
MAX_UNRECORDED = 500  # of each kind
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS alert_events (id TEXT PRIMARY KEY, at_ms INTEGER, record BLOB, recorded INTEGER)",
    """CREATE TABLE IF NOT EXISTS messages (
        id TEXT PRIMARY KEY, alert_event_id TEXT, channel TEXT, recipient TEXT, notification BLOB, at_ms INTEGER,
        state TEXT, attempts INTEGER, due_ms INTEGER, batch_id TEXT, code TEXT, message TEXT,
        version INTEGER, recorded_version INTEGER)""",
    "CREATE INDEX IF NOT EXISTS unsent ON messages (channel, due_ms) WHERE state IN ('queued', 'failed')",
    """CREATE TABLE IF NOT EXISTS channels (
        channel TEXT PRIMARY KEY, identity TEXT, state TEXT, since_ms INTEGER, at_ms INTEGER, code TEXT, message TEXT,
        recorded INTEGER)""",
    "CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value BLOB)",
)


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """The state of a channel: ok, failing or disabled. ``identity``: digest of its configuration at that time."""

    channel: str
    identity: str
    state: str
    since_ms: int
    at_ms: int
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """What is not in the store yet, oldest first."""

    alert_events: list[AlertEvent]
    messages: list[Message]
    channels: list[ChannelHealth]

    def __bool__(self) -> bool:
        return bool(self.alert_events or self.messages or self.channels)


_MESSAGE = ", ".join(field.name for field in fields(Message))
_HEALTH = ", ".join(field.name for field in fields(ChannelHealth))


class Outbox:
    """Used by one thread at a time; open one for each thread. Raises `flows.sqlite.database.DatabaseError`."""

    def __init__(self, path: Path) -> None:
        file = SqliteFile(path, fsync=True)
        file.create()
        self._file = file
        self._connection = file.connect()
        with self._connection.transaction() as sqlite:
            for statement in _SCHEMA:
                sqlite.execute(statement)

    def for_another_thread(self) -> "Outbox":
        """Open the same outbox again, for another thread."""
        return Outbox(self._file.path)

    def put(
        self, alert_events: Iterable[AlertEvent], messages: Iterable[Message], mark: tuple[str, bytes] | None = None
    ) -> None:
        """Add new alert events and messages, and set a small named value; atomic, durable on return.

        Messages of a known alert event are not added again: the workspace may name other recipients by now.
        """
        with self._connection.transaction() as sqlite:
            known = {
                made.id
                for made in alert_events
                if not sqlite.execute(
                    "INSERT OR IGNORE INTO alert_events VALUES (?, ?, ?, 0)",
                    (made.id, made.at_ms, orjson.dumps(to_record(made))),
                ).rowcount
            }
            sqlite.executemany(
                "INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, '', '', '', 1, 0)",
                [
                    (
                        m.id,
                        m.alert_event_id,
                        m.channel,
                        m.recipient,
                        orjson.dumps(to_record(m.notification)),
                        m.at_ms,
                        m.state,
                    )
                    for m in messages
                    if m.alert_event_id not in known
                ],
            )  # fmt: skip
            if mark is not None:
                sqlite.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", mark)

    def queued(self, now_ms: int) -> list[Message]:
        """Messages due now, oldest first; limited per channel, so that no channel waits behind another."""
        channels = self._connection.rows("SELECT DISTINCT channel FROM messages WHERE state IN ('queued', 'failed')")
        due = [
            queued
            for (channel,) in list(channels)
            for queued in self._undelivered("channel = ? AND due_ms <= ?", channel, now_ms, MAX_DUE)
        ]
        return sorted(due, key=lambda queued: (queued.at_ms, queued.id))

    def batch(self, batch_id: str) -> list[Message]:
        """The unsent messages of a batch."""
        return self._undelivered("batch_id = ?", batch_id, MAX_UNDELIVERED)

    def alert_event_of(self, message_id: str) -> AlertEvent | None:
        """The alert event a message is about; None if no rule caused it."""
        row = self._connection.row(
            "SELECT record FROM alert_events WHERE id = (SELECT alert_event_id FROM messages WHERE id = ?)", message_id
        )
        return None if row is None else from_record(AlertEvent, orjson.loads(row[0]))

    def assign_batch(self, batch_id: str, notifications: Sequence[tuple[str, Notification]]) -> None:
        """Store which messages are sent together, and their final notifications: (message id, notification)."""
        with self._connection.transaction() as sqlite:
            sqlite.executemany(
                "UPDATE messages SET batch_id = ?, notification = ?, version = version + 1 WHERE id = ?",
                [(batch_id, orjson.dumps(to_record(notification)), id_) for id_, notification in notifications],
            )

    def record_result(
        self, ids: Iterable[str], state: MessageState, *, due_ms: int = 0, code: str = "", message: str = "",
        alone: bool = False,
    ) -> None:  # fmt: skip
        """Record the result of an attempt. ``alone``: send each message by itself from now on."""
        with self._connection.transaction() as sqlite:
            sqlite.executemany(
                "UPDATE messages SET state = ?, attempts = attempts + 1, due_ms = ?, code = ?, message = ?,"
                " batch_id = CASE WHEN ? THEN id ELSE batch_id END, version = version + 1 WHERE id = ?",
                [(str(state), due_ms, code, message, alone, message_id) for message_id in ids],
            )

    def undelivered_on(self, channel: str) -> list[Message]:
        """Unsent messages of a channel, due or not."""
        return self._undelivered("channel = ?", channel, MAX_UNDELIVERED)

    def health(self, channel: str) -> ChannelHealth | None:
        """The state of a channel; None if it was never used."""
        row = self._connection.row(f"SELECT {_HEALTH} FROM channels WHERE channel = ?", channel)  # noqa: S608
        return None if row is None else ChannelHealth(*row)

    def put_health(self, health: ChannelHealth) -> None:
        """Record the state of a channel."""
        with self._connection.transaction() as sqlite:
            sqlite.execute("INSERT OR REPLACE INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, 0)", astuple(health))

    def disabled(self) -> list[ChannelHealth]:
        """The disabled channels."""
        return self._health("state = 'disabled'")

    def mark(self, name: str) -> bytes | None:
        """Read a small named value."""
        row = self._connection.row("SELECT value FROM marks WHERE name = ?", name)
        return None if row is None else row[0]

    def unrecorded(self) -> Unrecorded:
        """What is not in the store yet."""
        alert_events = self._connection.rows(
            "SELECT record FROM alert_events WHERE NOT recorded ORDER BY at_ms LIMIT ?", MAX_UNRECORDED
        )
        return Unrecorded(
            [from_record(AlertEvent, orjson.loads(record)) for (record,) in alert_events],
            self._messages("recorded_version < version ORDER BY at_ms", MAX_UNRECORDED),
            self._health("NOT recorded"),
        )

    def recorded(self, done: Unrecorded, now_ms: int) -> None:
        """Mark rows as recorded in the store, and delete old rows that were sent and recorded."""
        with self._connection.transaction() as sqlite:
            sqlite.executemany(
                "UPDATE alert_events SET recorded = 1 WHERE id = ?", [(event.id,) for event in done.alert_events]
            )
            sqlite.executemany(
                "UPDATE messages SET recorded_version = ? WHERE id = ?",
                [(message.version, message.id) for message in done.messages],
            )
            sqlite.executemany(
                "UPDATE channels SET recorded = 1 WHERE channel = ? AND at_ms = ?",
                [(health.channel, health.at_ms) for health in done.channels],
            )
            sqlite.execute("DELETE FROM alert_events WHERE recorded AND at_ms < ?", (now_ms - KEPT_MS,))
            sqlite.execute(
                "DELETE FROM messages WHERE recorded_version = version AND state IN ('sent', 'dropped') AND at_ms < ?",
                (now_ms - KEPT_MS,),
            )

    def _undelivered(self, which: str, *parameters: object) -> list[Message]:
        """Unsent messages that match ``which``, oldest first; the last parameter is the limit."""
        return self._messages(f"state IN ('queued', 'failed') AND {which} ORDER BY at_ms, id", *parameters)

    def _messages(self, which: str, *parameters: object) -> list[Message]:
        rows = self._connection.rows(f"SELECT {_MESSAGE} FROM messages WHERE {which} LIMIT ?", *parameters)  # noqa: S608
        messages = []
        for id_, about, channel, recipient, notification, at_ms, state, *progress in rows:
            content = from_record(Notification, orjson.loads(notification))
            messages.append(Message(id_, about, channel, recipient, content, at_ms, MessageState(state), *progress))
        return messages

    def _health(self, which: str) -> list[ChannelHealth]:
        rows = self._connection.rows(f"SELECT {_HEALTH} FROM channels WHERE {which}")  # noqa: S608
        return [ChannelHealth(*row) for row in rows]

    def close(self) -> None:
        """Release the file."""
        self._connection.close()
        self._file.close()
