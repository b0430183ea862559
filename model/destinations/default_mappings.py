"""Parts that default mappings are made of.

Official SDKs send '' for a missing id, name or URL, and {} for traits and properties. Empty counts as missing
(`@first`), so that the next best field is used, or none.
"""

from collections.abc import Mapping
from typing import Any


def path(path: str) -> dict[str, Any]:
    """The value at the path."""
    return {"@path": path}


def first(*values: Any) -> dict[str, Any]:
    """The first non-empty one of paths (texts that begin with ``$``) and other values; omitted when all are empty."""
    return {"@first": [path(v) if isinstance(v, str) and v.startswith("$") else v for v in values]}


def merged(*objects: Any) -> dict[str, Any]:
    """Several objects merged, from paths and parts of a mapping; the last one with a field wins."""
    parts = [path(part) if isinstance(part, str) else part for part in objects]
    return {"@merge": {"objects": parts, "direction": "right"}}


def viewed(what: str) -> dict[str, Any]:
    """The event name of a page or screen call: "Viewed Home", or "Viewed Page" for one without a name."""
    name = first("$.name")
    return {"@if": {"exists": name, "then": {"@template": "Viewed {{name}}"}, "else": f"Viewed {what}"}}


TRAITS: Mapping[str, Any] = merged("$.context.traits", "$.traits")
"""The user's traits: where Segment's SDKs put them, and where RudderStack's do. The call's own ``traits`` win.

Not for a group call: its ``traits`` are the group's, and those in ``context`` are the user's.
"""


def trait(name: str) -> dict[str, Any]:
    """One trait of the user."""
    return first(f"$.traits.{name}", f"$.context.traits.{name}")
