"""What host and child say to each other: lines of JSON over pipes.

host:   [{"handler": "package.module:name", "event": {...}, "settings": {...}}, ...]     one line a batch
child:  {"kind": "importing"}                                a module is loaded first, which may take its time
        {"kind": "began"}                                    the next event's time counts from now
        {"kind": "returned", "event": {...}}                 one of these for each event, in order
        {"kind": "dropped" | "retry" | "rejected" | "failed" | "unavailable", "why": "..."}
"""

from typing import Any

import msgspec

ANSWER_LIMIT_BYTES = 1024 * 1024
WHY_LIMIT_CHARS = 2_000


class Order(msgspec.Struct, frozen=True):
    """One event for one function."""

    handler: str
    event: dict[str, Any]
    settings: dict[str, str]


class Word(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing the child says."""

    kind: str
    why: str = ""
    event: dict[str, Any] | None = None


encode = msgspec.json.Encoder().encode
decode_orders = msgspec.json.Decoder(list[Order]).decode
decode_word = msgspec.json.Decoder(Word).decode
