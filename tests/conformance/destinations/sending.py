"""Items sent by the real engine, and their answers read as a shipment reads them."""

from model.destinations.destination import HttpDestination, Item
from model.failure import FailureClass
from model.failure_rules import Classifier
from sinks.http import HttpEngine
from tests.conformance.http_calls import answer_of
from tests.destination_items import Said, said_of_items
from tests.samples import T0

DIVIDED = (400, 413)


async def send(engine: HttpEngine, of: HttpDestination, items: list[Item]) -> list[Said]:
    """Make one call; a batch refused as a whole is halved until the bad ones stand alone."""
    response = answer_of(await engine.send(of.request(items, T0)))
    said = said_of_items(of, response, items)
    if said is not None:
        return said
    failure, code = Classifier(of.failure_rules).classify(response.status, "", response.headers, response.body)
    if failure is FailureClass.DISCARD and response.status in DIVIDED and len(items) > 1:
        half = len(items) // 2
        return [*await send(engine, of, items[:half]), *await send(engine, of, items[half:])]
    return [(failure, code, "")] * len(items)
