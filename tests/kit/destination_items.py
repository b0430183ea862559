"""Destinations for tests, and what their default mappings make of events."""

from functools import cache
from typing import Any, TypeVar

import orjson

from model.destinations.destination import HttpDestination, Item
from model.events.ids import delivery_id
from model.fql.filters import CompiledCondition
from model.fql.triggers import compile_trigger
from model.http.failure import FailureClass
from model.http.failure_rules import Classifier
from model.http.messages import HttpResponse
from model.mapping.compiling import CompiledMapping, compile_mapping

ENVIRON = {"KEY": "key-of-the-project", "SECRET": "secret-of-the-account"}
Kind = TypeVar("Kind", bound=HttpDestination)


def destination(kind: type[Kind], **settings: Any) -> Kind:
    """A destination as a workspace file would have it; ``${KEY}`` and ``${SECRET}`` can be used."""
    content = orjson.dumps({"id": "analytics", **settings})
    return kind.model_validate_json(content, context={"environ": ENVIRON})


@cache
def _mappings(kind: type[HttpDestination]) -> list[tuple[str, CompiledCondition, CompiledMapping]]:
    return [(of.name, compile_trigger(of.trigger), compile_mapping(of.mapping)) for of in kind.default_mappings]


def payloads(of: HttpDestination, event: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What the default mappings make of an event, by the name of the mapping."""
    return {name: of.finish(mapping(event)) for name, trigger, mapping in _mappings(type(of)) if trigger.matches(event)}


def items(of: HttpDestination, *events: dict[str, Any]) -> list[Item]:
    """The deliveries of some events."""
    return [
        Item(delivery_id("log-1", 0, number, "web", of.id, mapping), orjson.dumps(event), payload)
        for number, event in enumerate(events)
        for mapping, payload in payloads(of, event).items()
    ]


Said = tuple[FailureClass, str, str]  # and the reason code, and the partner's message


def said_of_items(of: HttpDestination, response: HttpResponse, sent: list[Item]) -> list[Said] | None:
    """What an answer says of each item; None when it counts for all of them."""
    answers = of.read(response, sent)
    if answers is None:
        return None
    classifier = Classifier(of.failure_rules)
    whole = classifier.classify(response.status, "", response.headers, response.body)
    said: list[Said] = []
    for answer in answers:
        if answer is None:
            said.append((*whole, ""))
        elif answer.status:
            said.append((*classifier.classify(answer.status, "", {}, answer.message.encode()), answer.message))
        else:
            said.append((answer.failure, answer.code, answer.message))
    return said
