"""An insert function: what it returns is mapped and sent. It runs in a process of its own, for five seconds at most."""

from typing import Any

from flows.functions import DropEvent, RejectEvent


def clean(event: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Drop test users (filtered), reject unknown plans (discarded, can be redriven), remove debug fields."""
    if str(event.get("userId", "")).startswith("test-"):
        raise DropEvent("a test user")
    properties = event.setdefault("properties", {})
    properties.pop("debug", None)
    plan = properties.get("plan")
    if plan is not None and plan not in [name.strip() for name in settings["plans"].split(",")]:
        raise RejectEvent(f"unknown plan {plan!r}")
    return event
