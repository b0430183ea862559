"""Insert functions: the user's Python code that may change, drop or reject an event before it is mapped.

A handler is ``def handler(event: dict, settings: dict) -> dict | None``, or the same with ``async def``. It returns the
event to send; None drops it. These three may be raised, from this package; anything else raised is a failure.
"""


class DropEvent(Exception):
    """Drop the event on purpose; the text says why."""


class RetryEvent(Exception):
    """Call the function again later, as after a failed call."""


class RejectEvent(Exception):
    """The event is invalid and cannot be sent; the text says what is wrong with it."""
