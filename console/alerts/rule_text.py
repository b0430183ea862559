"""Parses a rule written in JSON or YAML into a `Rule`, or lists everything that is wrong with it."""

from typing import Any

import orjson
from pydantic import ValidationError

from model.alerts.rule import RULE, DeliveryRate, FailedEvents, Rule, SourceVolume
from model.config.problems import did_you_mean, format_path, quoted
from model.workspace.yaml_reader import read_yaml

TEXT_LIMIT_BYTES = 64 * 1024
FAULTS_LIMIT = 20
KINDS: dict[str, type[SourceVolume] | type[DeliveryRate] | type[FailedEvents]] = {
    "source-volume": SourceVolume,
    "delivery-rate": DeliveryRate,
    "failed-events": FailedEvents,
}


def read_rule(definition: Any) -> Rule:
    """Make a rule of plain data. Raises ValueError with a line for each problem: place and remedy."""
    if not isinstance(definition, dict):
        raise ValueError("the rule must be names and values, such as kind, name, source")
    kind = definition.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        problem = "is missing" if kind is None else f"{quoted(str(kind))} is not known"
        known = f"There are {', '.join(KINDS)}"
        raise ValueError(f"kind {problem}. {did_you_mean(str(kind or ''), KINDS, known)}")
    try:
        # Through JSON, so that it is read exactly as a stored rule is.
        return RULE.validate_json(orjson.dumps(definition))
    except TypeError as error:
        raise ValueError(f"the rule holds a value that JSON cannot hold: {error}") from None
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)[:FAULTS_LIMIT]
        raise ValueError("\n".join(_problem(fault, kind) for fault in faults)) from None


def parse_rule(text: bytes, file: str) -> dict[str, Any]:
    """Read YAML or JSON into plain data. Raises ValueError with a line for each problem: place and remedy.

    ``file``: its name in places.
    """
    if len(text) > TEXT_LIMIT_BYTES:
        raise ValueError(f"{file} is over {TEXT_LIMIT_BYTES} bytes: check that this is the right file")
    document = read_yaml(text, file)
    if document.problems:
        raise ValueError("\n".join(map(str, document.problems[:FAULTS_LIMIT])))
    if not isinstance(document.data, dict):
        raise ValueError(f"{file}: the rule must be names and values, such as kind: delivery-rate")
    return document.data


def _problem(fault: Any, kind: str) -> str:
    place = tuple(step for step in fault["loc"] if step != kind)
    field, context = format_path(place), fault.get("ctx", {})
    if fault["type"] == "waybill":
        return f"{field}: {context['message']}. {context['remedy']}."
    if fault["type"] == "missing":
        return f"{field} is needed for {kind}."
    if fault["type"] == "extra_forbidden":
        known = list(KINDS[kind].model_fields)
        remedy = did_you_mean(str(place[-1]), known, f"Known are {', '.join(known)}.")
        return f"{field} is not known for {kind}. {remedy}"
    if fault["type"] == "string_pattern_mismatch":
        return f"{field}: this is not an id. Use lower-case letters, digits, '_' and '-'."
    return f"{field}: {fault['msg']}."
