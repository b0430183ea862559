"""Where Waybill's mappings differ from Segment's on purpose: the document and the comparison rest on this table."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Deviation:
    """One difference. ``title`` and ``reason`` stand in the document as they are here.

    ``examples``: mapping, event, and what Waybill makes of them: a value, or that it refuses the mapping when it is
    read, or fails with the event.
    """

    title: str
    reason: str
    examples: tuple[tuple[Any, dict[str, Any], Any], ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Waybill makes nothing of an example."""

    what: Literal["refused", "failed"]


REFUSED, FAILED = Not("refused"), Not("failed")


def _liquid(template: str, event: dict[str, Any], made: Any) -> tuple[Any, dict[str, Any], Any]:
    return {"x": {"@liquid": template}}, event, made if isinstance(made, Not) else {"x": made}


DEVIATIONS = (
    Deviation(
        "Mistakes are found when the file is read",
        "Segment leaves unknown filters, empty braces and misspelt options out, or fails with each event; here the "
        "mapping is refused with the place of the mistake.",
        (
            _liquid("{{ a | upcas }}", {"a": "x"}, REFUSED),
            _liquid("{{ a | }}", {"a": "x"}, REFUSED),
            ({"x": {"@template": "<{{ }}>"}}, {"a": "x"}, REFUSED),
            ({"x": {"@if": {"exists": {"@path": "$.a"}, "then": 1, "els": 2}}}, {}, REFUSED),
        ),
    ),
    Deviation(
        "Long numbers keep their digits",
        "JavaScript rounds whole numbers beyond 9,007,199,254,740,992, which would change an id; only numbers that are "
        "computed with are rounded as there.",
        (
            ({"x": {"@path": "$.id"}}, {"id": 9007199254740993}, {"x": 9007199254740993}),
            ({"x": {"@template": "{{id}}"}}, {"id": 9007199254740993}, {"x": "9007199254740993"}),
            _liquid("{{ id }}", {"id": 9007199254740993}, "9007199254740993"),
        ),
    ),
    Deviation(
        "What an event holds stays data",
        "In Segment's @template, braces within a value of the event are filled in again, so an event could read fields "
        "it is not meant to; a template is the text in the mapping, never one that an event gives, and its braces "
        "do not close across a value.",
        (
            ({"x": {"@template": "{{a}{{{b}}}}}"}}, {"a": 1}, {"x": "{{a}}}"}),
            ({"x": {"@template": "{{{a}}}"}}, {"a": "{{b}}", "b": "secret"}, {"x": "{{b}}"}),
            ({"x": {"@template": {"@path": "$.a"}}}, {"a": "{{b}}", "b": 1}, REFUSED),
        ),
    ),
    Deviation(
        "Paths may be $ alone and have names with dots in brackets",
        "Both are common elsewhere, and lead nowhere at Segment.",
        (
            ({"x": {"@path": "$"}}, {"a": 1}, {"x": {"a": 1}}),
            ({"x": {"@path": "$['a']['b.c']"}}, {"a": {"b.c": 1}}, {"x": 1}),
        ),
    ),
    Deviation(
        "Paths read what the event holds and nothing else",
        "JavaScript's objects have names of their own, such as constructor, which no event sent.",
        (({"x": {"@path": "$.a.constructor.name"}}, {"a": {}}, {}),),
    ),
    Deviation(
        "@merge passes over texts and lists",
        "JavaScript would make a field of each of their characters and items.",
        (
            (
                {"@merge": {"direction": "right", "objects": [{"a": 1}, {"@path": "$.b"}]}},
                {"b": "text"},
                {"a": 1},
            ),
        ),
    ),
    Deviation(
        "@flatten leaves a single value as it is",
        "Segment makes an object of it whose only field has no name.",
        (({"x": {"@flatten": {"separator": ".", "value": {"@path": "$.a"}}}}, {"a": 5}, {"x": 5}),),
    ),
    Deviation(
        "@replace refuses $` and $' in a replacement",
        "They stand for what is before and behind each place, which makes texts grow with the square of their length.",
        (
            (
                {"x": {"@replace": {"pattern": "b", "replacement": "$`", "value": {"@path": "$.a"}}}},
                {"a": "abc"},
                REFUSED,
            ),
        ),
    ),
    Deviation(
        "Fields named __segment_internal are settings",
        "Segment's editor keeps them in a mapping; they are not sent.",
        (({"__segment_internal_sync_mode": "add", "x": 1}, {}, {"x": 1}),),
    ),
    Deviation(
        "now and today are the moment the event was received",
        "So an event gives the same at every attempt. Where there is no receivedAt, as in the items of @arrayPath, the "
        "mapping fails. The filter sample, which chooses by chance, is refused.",
        (
            _liquid("{{ 'now' | date: '%Y-%m-%d' }}", {"receivedAt": "2001-02-03T04:05:06Z"}, "2001-02-03"),
            _liquid("{{ 'today' | date: '%Y' }}", {}, FAILED),
            _liquid("{{ a | sample }}", {"a": [1]}, REFUSED),
        ),
    ),
    Deviation(
        "Some more filters and directives of dates",
        "squish, base64_url_safe_encode and base64_url_safe_decode, and %D, %F, %G, %R, %T and %V, which Segment "
        "leaves as they are.",
        (
            _liquid("{{ 0 | date: '%F %T %D %R %G-%V' }}", {}, "1970-01-01 00:00:00 01/01/70 00:00 1970-01"),
            _liquid("{{ a | squish }}", {"a": " x  y "}, "x y"),
        ),
    ),
    Deviation(
        "Half a character becomes U+FFFD",
        "Segment counts an emoji as two characters and may cut it; half of one is no text that can be sent.",
        (_liquid("{{ a | slice: 0 }}", {"a": "😀"}, "\ufffd"),),
    ),
    Deviation(
        "increment and decrement count in their own template",
        "At Segment they change the event for all that is mapped after them.",
        (({"x": {"@liquid": "{% increment n %}"}, "y": {"@path": "$.n"}}, {"n": 1}, {"x": "1", "y": 1}),),
    ),
    Deviation(
        "Limits are of size, not of time",
        "In Liquid no text or list may have more than 100,000 characters or items, and a rendering may read a million; "
        "a text of @template may have 1,048,576 characters. Segment stops a template after half a second, so whether "
        "it is done depends on the load.",
        (_liquid("{{ (1..200000) | size }}", {}, FAILED),),
    ),
    Deviation(
        "base64_decode skips every character that is no Base64",
        "At Segment, some characters beyond ASCII end the text.",
        (_liquid("{{ a | base64_decode }}", {"a": "a😀b"}, "i"),),
    ),
)
