"""`waybill destinations`: the catalogue of destination types, read from their classes."""

import inspect
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, get_args

import orjson
import typer
from rich.console import Console
from rich.text import Text

from console.command_line import AsJson, print_json
from console.reports.render_parts import folding_table
from model.destinations.catalogue import DESTINATIONS
from model.destinations.destination import Destination, HttpDestination

_NAMED = {*Destination.model_fields, "type"}


@dataclass(frozen=True, slots=True)
class DestinationSetting:
    """One setting of a destination type. ``default``: as JSON, None when it must be given."""

    name: str
    type: str
    default: str | None
    about: str


def destinations(
    type_: Annotated[str, typer.Argument(metavar="[TYPE]", help="One type, in full detail.")] = "",
    json: AsJson = False,
) -> None:
    """Show what Waybill can deliver to, and the settings of each."""
    chosen = tuple(kind for kind in DESTINATIONS if type_ in {"", type_of(kind)})
    if not chosen:
        known = ", ".join(type_of(kind) for kind in DESTINATIONS)
        raise typer.BadParameter(f"there is no destination type {type_!r}; there are {known}")
    if json:
        print_json({"destinations": to_json(chosen)})
    elif type_:
        render_one(chosen[0], Console())
    else:
        render(Console())


def type_of(kind: type[HttpDestination]) -> str:
    """Return the value of ``type:`` in a workspace file."""
    (name,) = get_args(kind.model_fields["type"].annotation)
    return str(name)


def settings_of(kind: type[HttpDestination]) -> Iterator[DestinationSetting]:
    """Yield the settings of a type: its own, then those that every destination has."""
    schema = kind.model_json_schema()
    required = set(schema.get("required", ()))
    shared = {*HttpDestination.model_fields}
    for name in sorted(kind.model_fields, key=lambda field: field in shared):
        if name in _NAMED:
            continue
        field = schema["properties"][name]
        default = None if name in required else orjson.dumps(field.get("default")).decode()
        yield DestinationSetting(
            name, _kind(field, schema), default, " ".join(str(field.get("description", "")).split())
        )


def to_json(kinds: tuple[type[HttpDestination], ...] = DESTINATIONS) -> list[dict[str, Any]]:
    """Return the catalogue as JSON types."""
    return [
        {
            "type": type_of(kind),
            "title": kind.title,
            "about": _documentation(kind),
            "link": kind.link,
            "calls": sorted(kind.supported_types),
            "batch": (limits := kind.batch_limits) and {"max_events": limits.max_events, "max_bytes": limits.max_bytes},
            "settings": [asdict(setting) for setting in settings_of(kind)],
            "default_mappings": [
                {"name": of.name, "trigger": of.trigger, "mapping": of.mapping} for of in kind.default_mappings
            ],
            "codes": [
                {"code": r.code, "description": r.description, "action": r.action, "link": r.link} for r in kind.reasons
            ],
        }
        for kind in kinds
    ]


def render(console: Console) -> None:
    """Print the catalogue as a table."""
    headings = ("Type", "Accepts", "In one request", "Own settings", "Documentation")
    table = folding_table(*headings, title="Destinations", show_lines=True)
    for kind in DESTINATIONS:
        own = [s for s in settings_of(kind) if s.name not in HttpDestination.model_fields]
        names = [f"{s.name}{'' if s.default is None else '?'}" for s in own]
        limits = kind.batch_limits
        batch = "1 event" if limits is None else f"{limits.max_events:,} events, {limits.max_bytes // 1000:,} kB"
        table.add_row(
            Text(type_of(kind), "bold"), ", ".join(sorted(kind.supported_types)), batch, ", ".join(names), kind.link
        )
    console.print(table)
    console.print(Text("`waybill destinations TYPE` shows more; a question mark: optional.", "dim"))


def render_one(kind: type[HttpDestination], console: Console) -> None:
    """Print one type in full detail."""
    console.print(Text(f"{kind.title} (type: {type_of(kind)})", "bold"))
    console.print(Text(_documentation(kind)))
    table = folding_table("Name", "Type", "Default", "What it is", title="Settings", show_lines=True)
    for setting in settings_of(kind):
        default = Text("required", "yellow") if setting.default is None else Text(setting.default)
        table.add_row(Text(setting.name, "bold"), setting.type, default, setting.about)
    console.print(table)
    for mapping in kind.default_mappings:
        console.print(Text(f"\ndefault mapping {mapping.name}, for {mapping.trigger}", "bold"))
        console.print(Text(orjson.dumps(mapping.mapping, option=orjson.OPT_INDENT_2).decode()))
    for known in kind.reasons:
        console.print(Text(f"\n{known.code}: {known.description}\n  → {known.action} {known.link}"))


def _documentation(kind: type[HttpDestination]) -> str:
    return inspect.getdoc(inspect.getmodule(kind)) or ""


def _kind(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field:
        properties = schema["$defs"][field["$ref"].rsplit("/", 1)[1]].get("properties", {})
        return f"{{{', '.join(properties)}}}"
    if "anyOf" in field:
        return " or ".join(_kind(one, schema) for one in field["anyOf"] if one.get("type") != "null")
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}), schema)}"
    return str(field.get("type", "any"))
