"""Routes an event through one connection: to deliveries, or to the reason why there are none. Pure.

The order is Segment's: unsupported type, integrations object, filters, mapping triggers. Insert function, mapping and
call belong to the delivery and happen at every attempt.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec

from model.events import exact_json
from model.events.ids import uniform
from model.events.validation import CALL_TYPES
from model.fql.actions import FilterAction, SampleEvents, apply
from model.fql.filters import CompiledCondition
from model.mapping.compiling import CompiledMapping, MappingFailed
from model.recording.facts import State

WHOLE_EVENT = ""  # name of the mapping that sends the event as it is


@dataclass(frozen=True, slots=True)
class FilterRule:
    """A filter of a connection; ``place`` is where it stands in the workspace file, such as ``filters[0]``."""

    place: str
    name: str
    condition: CompiledCondition
    actions: tuple[FilterAction, ...]


@dataclass(frozen=True, slots=True)
class MappingRule:
    """A mapping of a connection. ``trigger`` None: every event; ``mapping`` None: the event as it is."""

    place: str
    name: str
    trigger: CompiledCondition | None
    mapping: CompiledMapping | None
    was: tuple[str, ...] = ()  # its former names


WHOLE_EVENT_MAPPING = MappingRule("", WHOLE_EVENT, None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledConnection:
    """One connection, compiled. ``off``: the reason code when it is disabled, else None."""

    source: str
    destination: str
    off: str | None = None
    supported_types: frozenset[str]
    integration_names: frozenset[str]
    filters: tuple[FilterRule, ...] = ()
    mappings: tuple[MappingRule, ...] = (WHOLE_EVENT_MAPPING,)

    def mapping(self, name: str) -> MappingRule | None:
        """Return the mapping with this current or former name; None if it was removed."""
        for rule in self.mappings:
            if name == rule.name or name in rule.was:
                return rule
        return None


class RouteResult(msgspec.Struct, frozen=True):
    """One delivery of an event. ``state`` None: it is to be sent, with ``event`` (JSON); else it ends here, with a
    reason."""

    mapping: str
    event: bytes
    state: State | None = None
    code: str = ""
    message: str = ""


def route(plan: CompiledConnection, event: dict[str, Any], payload: bytes, identity: str) -> list[RouteResult]:
    """Route an event, given parsed and as its JSON bytes. ``identity`` seeds sampling, so that it is repeatable.

    Never raises and never returns an empty list: a dropped event is one delivery with the reason.
    """
    if plan.off is not None:
        return [_ended(payload, State.FILTERED, plan.off)]
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in plan.supported_types:
        return [_ended(payload, State.FILTERED, "UNSUPPORTED_EVENT_TYPE", f"type {str(kind)[:64]!r}")]
    excluded = _excluded_by(event.get("integrations"), plan.integration_names)
    if excluded:
        return [_ended(payload, State.FILTERED, "FILTERED_BY_INTEGRATIONS_OBJECT", excluded)]
    # Filters make the event be encoded again: keep its numbers as written.
    whole = exact_json.loads(payload) if plan.filters and exact_json.holds_inexact(payload) else event
    kept = whole
    for rule in plan.filters:
        try:
            result = _filtered(rule, event, kept, identity)
        except MappingFailed as error:
            return [_ended(payload, State.DISCARDED, "FILTER_ERROR", f"{_said(rule)}: {error}")]
        except Exception as error:  # not expected; but a filter that fails must not let an event pass
            return [_ended(payload, State.DISCARDED, "FILTER_ERROR", f"{_said(rule)}: {type(error).__name__}")]
        if isinstance(result, str):
            return [_ended(payload, State.FILTERED, result, _said(rule))]
        kept = result
    body = payload if kept is whole else exact_json.dumps(kept)
    matched = [rule for rule in plan.mappings if rule.trigger is None or rule.trigger.matches(event)]
    if not matched:
        tried = ", ".join(rule.name for rule in plan.mappings)
        return [_ended(payload, State.FILTERED, "NO_MATCHING_MAPPING", f"no trigger matches (tried: {tried})"[:300])]
    return [RouteResult(rule.name, body) for rule in matched]


def unfiltered(plan: CompiledConnection) -> CompiledConnection:
    """The connection for a test event: enabled, for all types, without filters and integrations object."""
    return replace(plan, off=None, filters=(), supported_types=CALL_TYPES, integration_names=frozenset())


def _filtered(rule: FilterRule, event: dict[str, Any], kept: dict[str, Any], identity: str) -> dict[str, Any] | str:
    """The event after a filter, or the code if it is dropped. The condition reads the original event."""
    if not rule.condition.matches(event):
        return kept
    draw = partial(uniform, identity, rule.place)
    result = apply(rule.actions, kept, draw)
    if result is not None:
        return result
    samples = tuple(action for action in rule.actions if isinstance(action, SampleEvents))
    return "FILTERED_BY_SAMPLE" if samples and apply(samples, kept, draw) is None else "FILTERED_BY_RULES"


def _ended(payload: bytes, state: State, code: str, message: str = "") -> RouteResult:
    return RouteResult(WHOLE_EVENT, payload, state, code, message)


def _said(rule: FilterRule) -> str:
    return f"{rule.place} {rule.name!r}" if rule.name else rule.place


def _excluded_by(integrations: Any, names: frozenset[str]) -> str:
    """Return the entry of the integrations object that excludes the destination; '' for none.

    The destination's entry wins over ``All``; an object counts as true. Names are case-sensitive, as Segment's.
    """
    if not integrations or not isinstance(integrations, dict):
        return ""
    own = [name for name in integrations if name in names]
    if own:
        refused = [name for name in own if integrations[name] is False]
        return f"integrations.{refused[0]} is false" if len(refused) == len(own) else ""
    for name in ("All", "all"):
        if integrations.get(name) is False:
            return f"integrations.{name} is false"
    return ""
