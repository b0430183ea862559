"""Reads an event from a file or from topic events, in the form in which the delivery flow sees it."""

import sys
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from console.ingest.items import BrokenItem, parse_call
from flows.topics.interface import EVENTS, Topics
from model.events.envelope import UnreadableRecord
from model.events.event import Event, from_record, to_record
from model.events.ids import event_key, partition_of
from model.events.tracking import EventLimits, RequestContext, normalize_event
from model.events.validation import InvalidItem
from model.workspace.workspace import Workspace

LIMITS = EventLimits()
SEARCHED_RECORDS = 200_000  # newest first, in each partition the event may stand in
_READ_RECORDS = 5_000
_READ_BYTES = 16 * 1024 * 1024


class NoSuchEvent(ValueError):
    """There is no usable event; the text says why and what to do."""


def read_event(path: Path, source: str, now_ms: int) -> Event:
    """Read an event as an app sends it (``-``: standard input) and complete it as ingest does."""
    body = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    return complete(body, source, now_ms, str(path))


def complete(body: bytes, source: str, now_ms: int, place: str = "the event") -> Event:
    """Check and complete one event. Raises `NoSuchEvent` with what is wrong in it."""
    (item,) = parse_call(body, max_depth=LIMITS.depth).items
    try:
        if isinstance(item, BrokenItem):
            raise item.why
        arrival = RequestContext(received_at_ms=now_ms)
        tracked = normalize_event(
            item, arrival, LIMITS, call_type=None, source=source, index=0, new_id=lambda: str(uuid4())
        )
    except InvalidItem as error:
        raise NoSuchEvent(f"{place}: {error}") from None
    return from_record(to_record(source, tracked.payload))


def find_event(topics: Topics, workspace: Workspace, message_id: str, source: str = "") -> Event:
    """Find the newest event with a messageId in topic events. Raises `NoSuchEvent`."""
    partitions = topics.partitions(EVENTS)
    for name in [source] if source else [known.id for known in workspace.sources]:
        key = event_key(name, message_id)
        partition = partition_of(key, partitions)
        earliest, end = topics.bounds(EVENTS, partition)
        stop = end
        while stop > max(earliest, end - SEARCHED_RECORDS):
            start = max(earliest, stop - _READ_RECORDS)
            found = None
            with closing(topics.reader(EVENTS, partition, start)) as reader:
                while reader.position < stop:
                    for record in reader.read(stop - reader.position, _READ_BYTES):
                        found = record if record.key == key else found
            if found is not None:
                try:
                    return from_record(found.value)
                except UnreadableRecord as error:
                    raise NoSuchEvent(f"the event with messageId {message_id!r} cannot be read: {error}") from None
            stop = start
    raise NoSuchEvent(
        f"no event with messageId {message_id!r} is among the newest {SEARCHED_RECORDS} of topic events; give a file "
        "with --event"
    )


def source_of(workspace: Workspace, source: str, destination: str = "") -> str:
    """Return the source named, or the only one there is to choose. Raises `NoSuchEvent`."""
    known = [s.id for s in workspace.sources]
    if source:
        if source not in known:
            raise NoSuchEvent(f"there is no source {source!r}; there are {', '.join(known) or 'none'}")
        return source
    connected = [c.source for c in workspace.connections if destination in {"", c.destination}]
    choices = list(dict.fromkeys(connected)) or known
    if len(choices) != 1:
        raise NoSuchEvent(f"choose the source with --source: {', '.join(choices) or 'there is none'}")
    return choices[0]
