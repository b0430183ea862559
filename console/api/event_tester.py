"""POST /test-event: what `waybill test-event` does, without asking for confirmation."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter
from pydantic import Field

from console.access import Caller
from console.api.errors import Refused
from console.api.routing import ApiRoute, Body, faults, requires
from console.api.services import ServicesOfApp
from console.operations.event_file import complete, find_event, source_of
from console.operations.event_tester import SAMPLE, EventTest, run_event_test, to_json
from flows.workspace.compiled import compile_workspace
from model.workspace.permissions import Action

router = APIRouter(route_class=ApiRoute, responses=faults(400, 401, 403, 413, 503))


class EventToSend(Body):
    """What to send, and where."""

    destination: str = Field(min_length=1)
    """The destination's id."""
    source: str = ""
    """The source's id; not given: one that is connected to the destination."""
    mapping: str = ""
    """Only this mapping; not given: all."""
    message_id: str = ""
    """Send this event again, as it was received; not given: `event`."""
    event: dict[str, Any] = SAMPLE
    """The event; not given: a sample."""
    apply_filters: bool = False
    """Whether the connection's filters apply."""
    apply_insert_function: bool = False
    """Whether the connection's insert function applies."""


@router.post("/test-event", summary="Send a real event to a destination", operation_id="test-event")
def test_event(
    test: EventToSend, who: Annotated[Caller, requires(Action.TEST_EVENT)], services: ServicesOfApp
) -> dict[str, Any]:
    """Send a test, which is in no count, and return the calls with their responses, redacted."""
    topics = services.installation.topics
    configuration = compile_workspace(services.installation.workspace)
    source = source_of(configuration.workspace, test.source, test.destination)
    if test.message_id:
        event = find_event(topics, configuration.workspace, test.message_id, source)
    else:
        event = complete(_json(test.event), source, services.clock())
    wish = EventTest(who=who, **test.model_dump(exclude={"source", "message_id", "event"}))
    result = run_event_test(configuration, topics, event, wish, agreed=lambda *_: True)
    return to_json(configuration, result)


def _json(event: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(event)
    except TypeError as error:  # nested deeper than any event may be
        raise Refused(400, f"event: {error}") from None
