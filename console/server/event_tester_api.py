"""POST /api/test-event: what `waybill test-event` does, for those whose role allows it. It does not ask twice."""

from typing import Any

import orjson

from console.access import Caller
from console.operations.event_file import complete, find_event, source_of
from console.operations.event_tester import EventTest, run_event_test, sample_event, to_json
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import Deployment
from flows.workspace.compiled import compile_workspace

_TEXTS = ("destination", "source", "mapping", "message_id")
_SWITCHES = ("apply_filters", "apply_insert_function")


def send_test_over_api(deployment: Deployment, parameters: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Send a test and return what came of it, redacted. Raises ValueError naming what is wrong with ``parameters``:
    destination, and optionally source, mapping, event (object), message_id, apply_filters, apply_insert_function."""
    unknown = sorted(set(parameters) - {*_TEXTS, *_SWITCHES, "event"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known here; known are {', '.join((*_TEXTS, 'event', *_SWITCHES))}")
    texts = {name: parameters.get(name, "") for name in _TEXTS}
    switches = {name: parameters.get(name, False) for name in _SWITCHES}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} must be text")
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false")
    if not texts["destination"]:
        raise ValueError("destination is missing")
    configuration = compile_workspace(deployment.workspace)
    source = source_of(configuration.workspace, texts["source"], texts["destination"])
    if texts["message_id"]:
        event = find_event(deployment.topics, configuration.workspace, texts["message_id"], source)
    else:
        body = orjson.dumps(parameters["event"]) if "event" in parameters else sample_event()
        event = complete(body, source, wall_clock_ms())
    test = EventTest(
        destination=texts["destination"],
        mapping=texts["mapping"],
        author=caller.name,
        role=caller.role,
        **switches,
    )
    result = run_event_test(configuration, deployment.topics, event, test, agreed=lambda *_: True)
    return to_json(configuration, result)
