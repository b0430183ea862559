"""Items sent by the real engine, and their answers taken as a batch_result takes them."""

from flows.delivery.isolation import Member, Sending
from flows.workspace.compiled import CompiledDestination
from model.destinations.destination import HttpDestination, Item
from model.http.failure_rules import Classifier
from model.redaction.redactor import Redactor
from sinks.http.engine import HttpEngine
from tests.kit.destination_items import Said
from tests.kit.fakes import Clock
from tests.kit.samples import T0, delivery


async def send(engine: HttpEngine, of: HttpDestination, items: list[Item]) -> list[Said]:
    """Send items in one request, and on from there until each has an answer of its own."""
    setup = CompiledDestination(
        destination=of, classifier=Classifier(of.failure_rules), batching=of.batching(), breaker=None
    )
    sending = Sending(setup, Redactor(of.secret_values()), engine, Clock(T0), max_calls=1_000)
    await sending.deliver([Member(place, delivery(events_offset=place), item) for place, item in enumerate(items)])
    answers = [sending.deliveries[place].answer for place in range(len(items))]
    return [(answer.failure, answer.code, answer.message) for answer in answers]
