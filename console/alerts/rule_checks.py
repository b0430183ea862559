"""Checks that the source, destination, connection, mapping and channels that a rule names exist."""

from dataclasses import dataclass

from model.alerts.channels import EMAIL, AlertsConfig, Target, target_of
from model.alerts.rule import EMAIL_PREFIX, IN_APP, DeliveryRate, Rule, SourceVolume
from model.config.problems import did_you_mean, quoted
from model.routing.compile import compile_connection
from model.workspace.workspace import Workspace

FILE_PREFIX = "workspace:"  # of ids of rules in the workspace file; other ids have no colon


@dataclass(frozen=True, slots=True)
class RuleTargets:
    """The workspace whose parts and channels rules can name, and its own rules."""

    workspace: Workspace
    alerts: AlertsConfig

    @property
    def channels(self) -> frozenset[str]:
        """The ids of alerts.channels, and email if there is a mail server."""
        return frozenset(channel.id for channel in self.alerts.described()) - {IN_APP}

    @property
    def file_rules(self) -> dict[str, Rule]:
        """The rules of the workspace file, by rule id."""
        return {f"{FILE_PREFIX}{name}": rule for name, rule in self.alerts.rules_by_id().items()}

    def email_of(self, user: str) -> str | None:
        """The mail address of a user of the workspace."""
        return next((known.email for known in self.workspace.users if known.id == user), None)


def check_rule(rule: Rule, targets: RuleTargets, author: str) -> None:
    """Raise ValueError, with the field and the remedy, when the rule names something that does not exist."""
    workspace = targets.workspace
    if isinstance(rule, SourceVolume):
        _check_source(rule.source, workspace)
    else:
        _check_known("destination", rule.destination, [known.id for known in workspace.destinations])
        if rule.destination not in workspace.http_destinations():
            raise ValueError(
                f"destination: {quoted(rule.destination)} is loaded in bulk: it has no deliveries to watch"
            )
    if isinstance(rule, DeliveryRate) and rule.source:
        _check_connection(rule, workspace)
    elif isinstance(rule, DeliveryRate) and rule.mapping:
        raise ValueError("mapping: a mapping belongs to a connection. Name its source too")
    for channel in rule.channels:
        check_channel(channel, targets, author)


def _check_source(source: str, workspace: Workspace) -> None:
    _check_known("source", source, [known.id for known in workspace.sources])


def _check_connection(rule: DeliveryRate, workspace: Workspace) -> None:
    _check_source(rule.source, workspace)
    to_it = {known.source: known for known in workspace.connections if known.destination == rule.destination}
    connection = to_it.get(rule.source)
    if connection is None:
        sources = f"Connected to it are {', '.join(to_it)}" if to_it else "No source is connected to it"
        raise ValueError(
            f"source: there is no connection from {quoted(rule.source)} to {quoted(rule.destination)}. {sources}"
        )
    if connection.mode == "device":
        raise ValueError(
            f"source: the connection from {quoted(rule.source)} to {quoted(rule.destination)} is in device mode: the"
            " SDK sends past Waybill, which has no deliveries to watch"
        )
    if rule.mapping:
        plan = compile_connection(connection, workspace.http_destinations()[rule.destination])
        _check_known("mapping", rule.mapping, [mapping.name for mapping in plan.mappings if mapping.name])


def _check_known(kind: str, name: str, known: list[str]) -> None:
    if name not in known:
        remedy = did_you_mean(name, known, f"There are {', '.join(sorted(known)[:50])}" if known else "There are none")
        raise ValueError(f"{kind}: there is no {kind} {quoted(name)}. {remedy}")


def check_channel(channel: str, targets: RuleTargets, author: str) -> Target:
    """Return the target that a rule's channel stands for. Raises ValueError, with the remedy, when there is none."""
    if channel.startswith(EMAIL_PREFIX):
        if EMAIL not in targets.channels:
            raise ValueError(
                f"channels: {quoted(channel)} needs a mail server. Describe it under alerts.smtp of the workspace file"
            )
    elif channel != IN_APP and channel not in targets.channels - {EMAIL}:
        known = [IN_APP, *sorted(targets.channels - {EMAIL})]
        remedy = did_you_mean(channel, known, f"There are {', '.join(known)}, email:me and email:ADDRESS")
        raise ValueError(f"channels: there is no channel {quoted(channel)}. {remedy}")
    target = target_of(channel, targets.email_of(author))
    if target is None:
        raise ValueError(
            f"channels: the mail address of {quoted(author)} is not known. Set email of this user under users in the"
            " workspace file, or write email:ADDRESS"
        )
    return target
