"""What of a dashboard Grafana's own Python SDK does not know: misspelt keys fall out when it reads and writes it.

assert list(lost_keys(json.loads(path.read_text()))) == []
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

# Newer than the SDK's schema; @grafana/schema has it.
_UNKNOWN_TO_SDK = re.compile(r".*\.matcher\.scope")


def lost_keys(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the SDK drops or changes, with its place. What it adds are defaults."""
    register_default_plugins()
    written = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dict(document))))
    return _differences(document, written, "")


def _differences(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key, value in ours.items():
            inner = f"{place}.{key}"
            if key in theirs:
                yield from _differences(value, theirs[key], inner)
            elif not _UNKNOWN_TO_SDK.fullmatch(inner):
                yield f"{inner.removeprefix('.')} is not known"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _differences(one, other, f"{place}[{at}]")
    elif ours != theirs:
        yield f"{place.removeprefix('.')} is {ours!r}, which the SDK reads as {theirs!r}"
