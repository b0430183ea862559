"""The protocol between host and child: lines of JSON over pipes.

host:   a number, then as many lines of {"handler": "package.module:name", "event": {...}, "settings": {...}}
child:  {"kind": "importing"}                                a module is imported first, which may take long
        {"kind": "started"}                                  the time limit of the next event starts
        {"kind": "returned", "event": {...}}                 one of these for each event, in order
        {"kind": "dropped" | "retry" | "rejected" | "failed" | "exhausted" | "unavailable", "why": "..."}
"""

from typing import Any

import msgspec

from model.http.failure import FOUND_LIMIT_CHARS

REPLY_LIMIT_BYTES = 1024 * 1024
REASON_LIMIT_CHARS = FOUND_LIMIT_CHARS  # the host redacts and shortens it


class Request(msgspec.Struct, frozen=True):
    """One event for one function."""

    handler: str
    event: dict[str, Any]
    settings: dict[str, str]


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of the child. ``event`` is JSON, an object."""

    kind: str
    why: str = ""
    event: msgspec.Raw = msgspec.Raw()


encode = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(dict[str, Any]).decode
decode_request = msgspec.json.Decoder(Request).decode
decode_reply = msgspec.json.Decoder(Reply).decode
