"""Rules across the fields of the workspace file: duplicate or undefined names, secrets written in the file.

The rules read plain data that may be invalid in any way (`model.workspace.yaml_reader`), so that one error does not
hide another. They skip what has another shape: other checks report that.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from math import ceil
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic_core import PydanticCustomError

from model.alerts.channels import EMAIL
from model.alerts.rule import EMAIL_PREFIX, IN_APP
from model.config.env_string import refers_to_environment, substitute
from model.config.problems import DiagnosticSeverity, FieldPath, Violation, did_you_mean, format_path, quoted
from model.mapping.compiling import MappingInvalid, compile_mapping
from model.redaction.detectors import looks_like_credential
from model.workspace.settings import DAY_SECONDS, DeliveryConfig, RetentionConfig
from model.workspace.warnings import connection_doubts
from model.workspace.workspace import Workspace


def errors(data: Any, environ: Mapping[str, str]) -> Iterator[Violation]:
    """Yield the errors in the data of a file."""
    yield from _unique_ids(data, "sources")
    yield from _unique_ids(data, "destinations")
    yield from _unique_ids(data, "users")
    yield from _former_ids(data)
    yield from _unique_write_keys(data, environ)
    yield from _connections(data)
    yield from _mappings(data)
    yield from _plain_secrets(data)
    yield from _retention(data)
    yield from _seams(data)


def alert_errors(data: Any) -> Iterator[Violation]:
    """Yield the errors in section ``alerts`` of the data of a file."""
    section = _dict(_dict(data).get("alerts"))
    for name in ("channels", "rules"):
        yield from _unique_ids(section, name, ("alerts",))
    known = {IN_APP, *_ids(section, "channels")} | ({EMAIL} if section.get("smtp") else set())
    yield from _channels(("alerts", "always"), section.get("always"), known)
    defined = {"source": _ids(data, "sources"), "destination": _ids(data, "destinations")}
    for index, entry in enumerate(_list(section.get("rules"))):
        path: FieldPath = ("alerts", "rules", index)
        rule = _dict(entry)
        yield from _channels((*path, "channels"), rule.get("channels"), known)
        for kind, names in defined.items():
            watched = rule.get(kind)
            if isinstance(watched, str) and watched and watched not in names:
                remedy = did_you_mean(watched, sorted(names), f"Define it under {kind}s")
                yield Violation((*path, kind), f"there is no {kind} {quoted(watched)}", remedy)
        if rule.get("mapping") and not rule.get("source"):
            yield Violation((*path, "mapping"), "a mapping belongs to a connection", "Add the source of the connection")


def warnings(workspace: Workspace) -> Iterator[Violation]:
    """Yield what is valid and probably unintended."""
    for index, connection in enumerate(workspace.connections):
        yield from connection_doubts(connection, ("connections", index))
    from_sources = {connection.source for connection in workspace.connections}
    to_destinations = {connection.destination for connection in workspace.connections}
    for index, source in enumerate(workspace.sources):
        if source.id not in from_sources:
            message = f"source {quoted(source.id)} has no connection: its events go nowhere"
            yield Violation(("sources", index), message, "Add it under connections", DiagnosticSeverity.WARNING)
    reached, allowed = workspace.http_destinations(), workspace.delivery.allow_addresses
    for index, destination in enumerate(workspace.destinations):
        if destination.id not in to_destinations:
            message = f"destination {quoted(destination.id)} has no connection: nothing is sent to it"
            yield Violation(("destinations", index), message, "Add it under connections", DiagnosticSeverity.WARNING)
        called = reached.get(destination.id)
        address = _private_address(called.endpoint.value) if called else None
        if address and not any(ip_address(address) in network for network in allowed):
            message = "the URL names a private or loopback address, which is refused"
            remedy = "Add its network to delivery.allow_addresses if you mean it"
            yield Violation(("destinations", index, "url"), message, remedy, DiagnosticSeverity.WARNING)


def _private_address(url: str) -> str | None:
    """Checks literal addresses only: names are resolved at a call, not when a file is checked."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return None if ip_address(host).is_global else host
    except ValueError:
        return None


def _unique_ids(data: Any, section: str, place: FieldPath = ()) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, entry in _entries(data, section):
        name = entry.get("id")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            message = f"id {quoted(name)} is taken by {format_path((*place, section, first[name]))}"
            yield Violation((*place, section, index, "id"), message, "Give each its own id")


def _former_ids(data: Any) -> Iterator[Violation]:
    """A former id belongs to one entry, and is not the current id of another."""
    for section in ("sources", "destinations"):
        yield from _former_names(list(_entries(data, section)), "id", (section,))
    for index, connection in _entries(data, "connections"):
        mappings = list(enumerate(_list(connection.get("mappings"))))
        named = [(number, entry) for number, entry in mappings if isinstance(entry, dict)]
        yield from _former_names(named, "name", ("connections", index, "mappings"))


def _former_names(entries: list[tuple[int, dict[str, Any]]], field: str, place: FieldPath) -> Iterator[Violation]:
    taken: dict[str, int] = {
        entry[field]: index for index, entry in entries if isinstance(entry.get(field), str) and entry[field]
    }
    for index, entry in entries:
        was = entry.get("was")
        for name in (was,) if isinstance(was, str) else _list(was):
            if isinstance(name, str) and taken.setdefault(name, index) != index:
                message = f"{quoted(name)} is taken by {format_path((*place, taken[name]))}"
                yield Violation((*place, index, "was"), message, f"A former {field} belongs to one: remove it here")


def _unique_write_keys(data: Any, environ: Mapping[str, str]) -> Iterator[Violation]:
    first: dict[str, FieldPath] = {}
    for index, source in _entries(data, "sources"):
        for number, written in enumerate(_list(source.get("write_keys"))):
            path: FieldPath = ("sources", index, "write_keys", number)
            try:
                key = substitute(written, environ).value if isinstance(written, str) else None
            except PydanticCustomError:
                continue
            if key is not None and first.setdefault(key, path) != path:
                message = f"this write key is the same as {format_path(first[key])}"
                yield Violation(path, message, "A write key belongs to one source: give each its own")


def _connections(data: Any) -> Iterator[Violation]:
    known = {kind: _ids(data, f"{kind}s") for kind in ("source", "destination")}
    first: dict[tuple[Any, Any], int] = {}
    for index, connection in _entries(data, "connections"):
        pair = connection.get("source"), connection.get("destination")
        for kind, name in zip(known, pair, strict=True):
            if isinstance(name, str) and name not in known[kind]:
                remedy = did_you_mean(name, known[kind], f"Define it under {kind}s")
                yield Violation(("connections", index, kind), f"there is no {kind} {quoted(name)}", remedy)
        if all(isinstance(name, str) for name in pair) and first.setdefault(pair, index) != index:
            message = f"the same connection as connections[{first[pair]}]"
            yield Violation(("connections", index), message, "Keep one of the two")


def _mappings(data: Any) -> Iterator[Violation]:
    for index, connection in _entries(data, "connections"):
        first: dict[str, int] = {}
        for number, entry in enumerate(_list(connection.get("mappings"))):
            if not isinstance(entry, dict):
                continue
            path: FieldPath = ("connections", index, "mappings", number)
            name = entry.get("name")
            if isinstance(name, str) and first.setdefault(name, number) != number:
                message = f"mapping {quoted(name)} is listed twice"
                yield Violation((*path, "name"), message, "Give each mapping of a connection its own name")
            if isinstance(entry.get("mapping"), dict):
                try:
                    compile_mapping(entry["mapping"])
                except MappingInvalid as error:
                    for problem in error.problems:
                        yield Violation((*path, "mapping", *problem.path), problem.message, problem.remedy)


def _channels(path: FieldPath, names: Any, known: set[str]) -> Iterator[Violation]:
    for index, name in enumerate(_list(names)):
        if not isinstance(name, str):
            continue
        if name == f"{EMAIL_PREFIX}me":
            message = "nobody is 'me' here: the file has no author"
            yield Violation((*path, index), message, "Write the address, such as email:ada@example.com")
        elif name.startswith(EMAIL_PREFIX):
            if EMAIL not in known:
                yield Violation((*path, index), "there is no mail server", "Describe it under alerts.smtp")
        elif name not in known - {EMAIL}:
            remedy = did_you_mean(name, sorted(known), "Define it under alerts.channels")
            yield Violation((*path, index), f"there is no channel {quoted(name)}", remedy)


def _plain_secrets(data: Any) -> Iterator[Violation]:
    for index, destination in _entries(data, "destinations"):
        headers = destination.get("headers")
        first: dict[str, str] = {}
        for name, value in headers.items() if isinstance(headers, dict) else ():
            path: FieldPath = ("destinations", index, "headers", name)
            if first.setdefault(name.lower(), name) != name:
                message = f"the same header as {quoted(first[name.lower()])}: upper and lower case do not matter"
                yield Violation(path, message, "Keep one of the two")
            if looks_like_credential(name) and isinstance(value, str) and not refers_to_environment(value):
                message = "a credential is written in the file"
                yield Violation(path, message, "Secrets only as ${NAME}, with NAME in the environment")
        for name, value in _query(destination.get("url")):
            if looks_like_credential(name) and not refers_to_environment(value):
                message = f"query parameter {quoted(name)} of the URL is a credential written in the file"
                path = ("destinations", index, "url")
                yield Violation(path, message, "Secrets only as ${NAME}, with NAME in the environment")


def _retention(data: Any) -> Iterator[Violation]:
    window = _number(data, "delivery", "window_seconds", DeliveryConfig().window_seconds)
    kept = _number(data, "retention", "retries_seconds", RetentionConfig().retries_seconds)
    if window is not None and kept is not None and kept < window + DAY_SECONDS:
        message = "retries are deleted before their time is up: retention is shorter than the retry window and a day"
        remedy = f"Set retention.retries_seconds to {ceil(window) + DAY_SECONDS} or more (the window and 24 hours)"
        yield Violation(("retention", "retries_seconds") if "retention" in data else ("delivery",), message, remedy)


def _seams(data: Any) -> Iterator[Violation]:
    """Settings for another kind of topics or store than the configured one."""
    topics, store = (_dict(data).get(name) for name in ("topics", "store"))
    url = topics.get("url") if isinstance(topics, dict) else None
    on_kafka = isinstance(url, str) and url.startswith("kafka:")
    for section, name, on in (("topics", "fsync", False), ("topics", "kafka", True), ("topics", "replication", True)):
        given = topics.get(name) if isinstance(topics, dict) else None
        if given and on_kafka != on:
            kind, other = ("Kafka", "SQLite") if on else ("SQLite", "Kafka")
            remedy = f"Remove it, or set topics.url to {'kafka://host:9092' if on else 'sqlite:///directory'}"
            yield Violation((section, name), f"this is for topics on {kind}, and topics.url is of {other}", remedy)
    disk = _dict(data).get("disk")
    if on_kafka and isinstance(disk, dict) and disk.get("topics_budget_bytes"):
        message = "topics on Kafka use the brokers' disks, which Waybill does not see"
        yield Violation(("disk", "topics_budget_bytes"), message, "Remove it, and limit retention on the brokers")
    if isinstance(store, dict) and store.get("cluster") and not str(store.get("url") or "").startswith("http"):
        message = "only a ClickHouse server has clusters"
        yield Violation(
            ("store", "cluster"), message, "Remove it, or set store.url to http(s)://user:${PASSWORD}@host:8123"
        )


def _number(data: Any, section: str, name: str, default: float) -> float | None:
    value = _dict(_dict(data).get(section)).get(name, default)
    return value if isinstance(value, int | float) else None


def _query(url: Any) -> list[tuple[str, str]]:
    try:
        return parse_qsl(urlsplit(url).query, max_num_fields=100) if isinstance(url, str) else []
    except ValueError:
        return []


def _ids(data: Any, section: str) -> dict[str, None]:
    """The ids of a section, in the order of the file."""
    return {entry["id"]: None for _, entry in _entries(data, section) if isinstance(entry.get("id"), str)}


def _entries(data: Any, section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    entries = _list(_dict(data).get(section))
    return ((index, entry) for index, entry in enumerate(entries) if isinstance(entry, dict))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
