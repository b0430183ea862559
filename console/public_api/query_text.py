"""Query strings as Segment's clients write them, made into nested values.

groupBy=eventName,eventType    groupBy.0=eventName&groupBy.1=eventType    groupBy[]=eventName
filter.eventName.0=Signed Up   filter[eventName]=Signed Up                pagination.count=10
"""

from collections.abc import Iterable

from console.public_api.errors import FIELD_LIMIT_CHARS, ErrorType, Refused

Nested = dict[str, list[str] | dict[str, list[str]]]


def read_query(items: Iterable[tuple[str, str]]) -> Nested:
    """Gather the values of each name, or of each name within a name; numbers at the end only say which of several.

    Raises `Refused` for names nested deeper, and for a name that is both a value and a group of values.
    """
    nested: Nested = {}
    for written, value in items:
        name, *inner = written.replace("[", ".").replace("]", "").split(".")
        if inner and (not inner[-1] or inner[-1].isdecimal()):
            inner.pop()
        within = nested.setdefault(name, {} if inner else [])
        if len(inner) > 1 or isinstance(within, dict) != bool(inner):
            field = written[:FIELD_LIMIT_CHARS]
            raise Refused(ErrorType.VALIDATION, f"{field}: no parameter is written like that", field)
        if isinstance(within, dict):
            within.setdefault(inner[0], []).append(value)
        else:
            within.append(value)
    return nested
