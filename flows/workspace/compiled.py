"""One version of the workspace, compiled for the delivery flow: connections, destinations, insert functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Protocol

from model.delivery.failure_window import BreakerPolicy
from model.delivery.retry_policy import RetryPolicy
from model.destinations.destination import BatchLimits, HttpDestination
from model.http.failure_rules import Classifier
from model.redaction.redactor import Redactor
from model.routing.compile import compile_connections
from model.routing.routing import CompiledConnection
from model.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class InsertFunction:
    """An insert function and its settings, secrets included."""

    handler: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CompiledDestination:
    """One destination: how to call it and how to classify its responses."""

    destination: HttpDestination
    classifier: Classifier
    batching: BatchLimits
    breaker: BreakerPolicy | None


class Sent(Protocol):
    """Anything with the names of a connection and mapping: a delivery, or a count of several."""

    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def destination(self) -> str: ...  # noqa: D102
    @property
    def mapping(self) -> str: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class CompiledWorkspace:
    """``routes``: compiled connections by source; ``plans``: the same by (source, destination).

    Sources and destinations are keyed by their former ids (``was``) too. ``renamed`` maps each former id of a
    destination to its current id; ``sources``: every id an event may have; ``used``: destinations with an active
    connection.
    """

    workspace: Workspace
    routes: Mapping[str, tuple[CompiledConnection, ...]]
    plans: Mapping[tuple[str, str], CompiledConnection]
    destinations: Mapping[str, CompiledDestination]
    renamed: Mapping[str, str]
    sources: frozenset[str]
    used: frozenset[str]
    functions: Mapping[tuple[str, str], InsertFunction]
    policy: RetryPolicy
    redactor: Redactor

    @property
    def fan_out(self) -> int:
        """The largest number of connections of a source."""
        return max([1, *map(len, self.routes.values())])

    def current_id(self, destination: str) -> str:
        """The current id of a destination, for any of its ids."""
        return self.renamed.get(destination, destination)

    def disabled_reason(self, sent: Sent) -> str | None:
        """The reason code if the connection or mapping of a delivery was removed or disabled; None if it is active."""
        plan = self.plans.get((sent.source, sent.destination))
        if plan is not None:
            return plan.off or ("MAPPING_REMOVED" if plan.mapping(sent.mapping) is None else None)
        if sent.source not in self.sources:
            return "SOURCE_REMOVED"
        return "CONNECTION_REMOVED" if sent.destination in self.destinations else "DESTINATION_REMOVED"


def compile_workspace(workspace: Workspace) -> CompiledWorkspace:
    """Compile a valid workspace."""
    destinations = workspace.http_destinations()
    by_source = compile_connections(workspace)
    names = {source.id: (source.id, *source.was) for source in workspace.sources}
    names_of_destinations = {name: (name, *destination.was) for name, destination in destinations.items()}

    def pairs(source: str, destination: str) -> Iterator[tuple[str, str]]:
        return product(names[source], names_of_destinations.get(destination, (destination,)))

    return CompiledWorkspace(
        workspace=workspace,
        routes={name: plans for source, plans in by_source.items() for name in names[source]},
        plans={
            pair: plan
            for plans in by_source.values()
            for plan in plans
            for pair in pairs(plan.source, plan.destination)
        },
        destinations={
            name: setup
            for destination in destinations.values()
            for setup in [_setup(destination)]
            for name in names_of_destinations[destination.id]
        },
        renamed={former: name for name, known in names_of_destinations.items() for former in known[1:]},
        sources=frozenset(name for known in names.values() for name in known),
        used=frozenset(plan.destination for plans in by_source.values() for plan in plans if plan.off is None),
        functions={
            pair: InsertFunction(
                connection.insert_function,
                {name: value.value for name, value in connection.function_settings.items()},
            )
            for connection in workspace.connections
            if connection.insert_function is not None
            for pair in pairs(connection.source, connection.destination)
        },
        policy=workspace.delivery.retry_policy(),
        redactor=Redactor(workspace.secret_values(), workspace.redaction.rules()),
    )


def _setup(destination: HttpDestination) -> CompiledDestination:
    own = tuple(config.to_rule() for config in destination.failures)
    breaker = destination.breaker
    slow_seconds = breaker.slow_seconds or 0.8 * destination.timeout_seconds
    policy = BreakerPolicy(
        failure_ratio=breaker.failure_ratio,
        slow_ms=round(slow_seconds * 1_000),
        slow_ratio=breaker.slow_ratio,
        min_calls=breaker.min_calls,
        window_ms=round(breaker.window_seconds * 1_000),
        pause_ms=round(breaker.pause_seconds * 1_000),
    )
    return CompiledDestination(
        destination=destination,
        classifier=Classifier((*own, *destination.failure_rules)),
        batching=destination.batching(),
        breaker=policy if breaker.enabled else None,
    )
