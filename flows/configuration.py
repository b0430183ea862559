"""One version of the workspace as the delivery flow uses it: connections compiled, destinations ready for calls."""

from collections.abc import Mapping
from dataclasses import dataclass

from model.breaker import BreakerPolicy
from model.connection_plan import plans_of
from model.delivery import Delivery
from model.destinations.destination import BatchLimits, HttpDestination
from model.failure_rules import Classifier
from model.redaction import Redactor
from model.routing import ConnectionPlan
from model.schedule import RetryPolicy
from model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class InsertFunction:
    """An insert function and its settings, secrets included."""

    handler: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DestinationSetup:
    """One destination: how to call it and how to take its answers."""

    destination: HttpDestination
    classifier: Classifier
    batching: BatchLimits
    breaker: BreakerPolicy | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """``routes``: by source, what routing goes through; ``plans``: the same by (source, destination)."""

    workspace: Workspace
    routes: Mapping[str, tuple[ConnectionPlan, ...]]
    plans: Mapping[tuple[str, str], ConnectionPlan]
    destinations: Mapping[str, DestinationSetup]
    functions: Mapping[tuple[str, str], InsertFunction]
    policy: RetryPolicy
    redactor: Redactor

    @property
    def fan_out(self) -> int:
        """The most connections a source has."""
        return max([1, *map(len, self.routes.values())])

    def off(self, delivery: Delivery) -> str | None:
        """The reason code if the delivery's connection no longer sends."""
        plan = self.plans.get((delivery.source, delivery.destination))
        if plan is not None:
            return plan.off
        if not any(source.id == delivery.source for source in self.workspace.sources):
            return "SOURCE_REMOVED"
        return "CONNECTION_REMOVED" if delivery.destination in self.destinations else "DESTINATION_REMOVED"


def configure(workspace: Workspace) -> Configuration:
    """Compile a valid workspace."""
    routes = plans_of(workspace)
    return Configuration(
        workspace=workspace,
        routes=routes,
        plans={(plan.source, plan.destination): plan for plans in routes.values() for plan in plans},
        destinations={name: _setup(destination) for name, destination in workspace.http_destinations().items()},
        functions={
            (connection.source, connection.destination): InsertFunction(
                connection.insert_function,
                {name: value.value for name, value in connection.function_settings.items()},
            )
            for connection in workspace.connections
            if connection.insert_function is not None
        },
        policy=workspace.delivery.retry_policy(),
        redactor=Redactor(workspace.secret_values(), workspace.redaction.rules()),
    )


def _setup(destination: HttpDestination) -> DestinationSetup:
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
    return DestinationSetup(
        destination=destination,
        classifier=Classifier((*own, *destination.failure_rules)),
        batching=destination.batching(),
        breaker=policy if breaker.enabled else None,
    )
