"""The connections of a workspace, compiled once for routing and for mapping."""

from collections.abc import Iterable

from model.destinations.destination import HttpDestination
from model.fql.filters import compile_filter
from model.fql.triggers import compile_trigger
from model.mapping.compiling import compile_mapping
from model.routing.routing import WHOLE_EVENT_MAPPING, CompiledConnection, FilterRule, MappingRule
from model.workspace.connections import Connection, MappingConfig
from model.workspace.workspace import Workspace


def compile_connections(workspace: Workspace) -> dict[str, tuple[CompiledConnection, ...]]:
    """Return the connections that Waybill delivers, by source: none in device mode, none to storage."""
    elsewhere = {(connection.source, connection.destination) for connection, _ in workspace.not_reportable()}
    destinations = workspace.http_destinations()
    plans: dict[str, list[CompiledConnection]] = {}
    for connection in workspace.connections:
        if (connection.source, connection.destination) not in elsewhere:
            plan = compile_connection(connection, destinations[connection.destination])
            plans.setdefault(connection.source, []).append(plan)
    return {source: tuple(of_source) for source, of_source in plans.items()}


def compile_connection(connection: Connection, destination: HttpDestination) -> CompiledConnection:
    """Compile one connection of a valid workspace."""
    off = None
    if not destination.enabled:
        off = "DESTINATION_DISABLED"
    elif not connection.enabled:
        off = "CONNECTION_DISABLED"
    return CompiledConnection(
        source=connection.source,
        destination=connection.destination,
        off=off,
        supported_types=destination.supported_types,
        integration_names=frozenset(
            {destination.title, *destination.integration_names, destination.id, *destination.was, destination.name}
            - {""}
        ),
        filters=tuple(
            FilterRule(f"filters[{index}]", config.name, compile_filter(config.condition), config.actions)
            for index, config in enumerate(connection.filters)
            if config.enabled
        ),
        mappings=_mappings(connection, destination),
    )


def _mappings(connection: Connection, destination: HttpDestination) -> tuple[MappingRule, ...]:
    if connection.mappings:
        return tuple(_own(connection.mappings))
    if not destination.default_mappings:
        return (WHOLE_EVENT_MAPPING,)
    return tuple(
        MappingRule(f"default {d.name}", d.name, compile_trigger(d.trigger), compile_mapping(d.mapping))
        for d in destination.default_mappings
    )


def _own(configs: Iterable[MappingConfig]) -> Iterable[MappingRule]:
    for index, config in enumerate(configs):
        if config.enabled:
            trigger = None if config.trigger is None else compile_trigger(config.trigger)
            mapping = None if config.mapping is None else compile_mapping(config.mapping)
            yield MappingRule(f"mappings[{index}]", config.name, trigger, mapping, config.was)
