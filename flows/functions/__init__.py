"""Insert functions: Python of the user's that may change, drop or reject an event before it is mapped.

A handler is ``def handler(event: dict, settings: dict) -> dict | None``, or the same with ``async def``. It returns the
event to send; None drops it. These three may be raised, from this package; anything else raised is a failure.
"""


class DropEvent(Exception):
    """The event is not to be sent, and that is right so; the text says why."""


class RetryEvent(Exception):
    """The event cannot be decided now; it is tried again as after a failed call."""


class RejectEvent(Exception):
    """The event should have been sent and is wrong; the text says what is wrong with it."""
