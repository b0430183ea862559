"""Rules across the fields of section ``alerts``: duplicate ids, undefined channels, sources and destinations.

Like `model.workspace.validation` it reads plain data that may be invalid in any way, and skips what has another shape:
other checks report that.
"""

from collections.abc import Iterator
from typing import Any

from model.alerts.channels import EMAIL
from model.alerts.rule import EMAIL_PREFIX, IN_APP
from model.config.problems import FieldPath, Violation, did_you_mean, quoted


def errors(data: Any) -> Iterator[Violation]:
    """Yield the errors in section ``alerts`` of the data of a workspace file."""
    section = _dict(_dict(data).get("alerts"))
    for name in ("channels", "rules"):
        yield from _unique_ids(section, name)
    known = {IN_APP} | _ids(section.get("channels")) | ({EMAIL} if section.get("smtp") else set())
    yield from _channels(("alerts", "always"), section.get("always"), known)
    defined = {"source": _ids(_dict(data).get("sources")), "destination": _ids(_dict(data).get("destinations"))}
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


def _unique_ids(section: dict[str, Any], name: str) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, entry in enumerate(_list(section.get(name))):
        id_ = _dict(entry).get("id")
        if isinstance(id_, str) and first.setdefault(id_, index) != index:
            message = f"id {quoted(id_)} is taken by alerts.{name}[{first[id_]}]"
            yield Violation(("alerts", name, index, "id"), message, "Give each its own id")


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


def _ids(entries: Any) -> set[str]:
    ids = (_dict(entry).get("id") for entry in _list(entries))
    return {id_ for id_ in ids if isinstance(id_, str)}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
