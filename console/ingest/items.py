"""Parses the bytes of a request into items: each is a value, or the reason why it cannot be parsed."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import orjson

from console.ingest.batch_split import NotABatch, split_batch
from console.ingest.body import RequestRefused
from console.ingest.salvage import salvaged_fields
from model.events import exact_json
from model.events.tracking import deeper_than
from model.events.validation import InvalidItem

SENT_AT_LIMIT_CHARACTERS = 64  # it is copied into every item of the batch


@dataclass(frozen=True, slots=True)
class BrokenItem:
    """An item that is not JSON: the reason, and its messageId, writeKey and type as far as they can be found."""

    why: InvalidItem
    fields: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingRequest:
    """The items of one request in order, and the members that they share."""

    items: list[Any]  # parsed JSON, or `BrokenItem`
    write_key: Any = None
    sent_at: str | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None


def parse_call(body: bytes, *, max_depth: int) -> TrackingRequest:
    """Parse a body that is one event. Never raises: a body that cannot be parsed is one broken item."""
    try:
        item = exact_json.loads(body)
    except orjson.JSONDecodeError:
        item = _parse_item(with_text_mended(body), max_depth)
    return TrackingRequest(items=[item])


async def parse_batch(body: bytes, *, max_items: int, max_depth: int) -> TrackingRequest:
    """Parse a body that is a batch. Raises `RequestRefused` when it has no separate items."""
    try:
        # Numbers that no double holds are parsed in plain Python, and broken bodies are scanned: in a thread, so that a
        # hostile body does not delay other requests.
        is_long = exact_json.holds_inexact(body)
        members = await asyncio.to_thread(exact_json.loads, body) if is_long else orjson.loads(body)
        items = members.get("batch") if isinstance(members, dict) else None
    except orjson.JSONDecodeError:
        members, items = await asyncio.to_thread(_parse_scanned, body, max_items, max_depth)
    if not isinstance(items, list):
        raise RequestRefused(400, "batch_not_array", "there is no array `batch`; send the items in it")
    write_key = members.get("writeKey")
    if not items:
        raise RequestRefused(400, "empty_batch", "`batch` is empty; send at least one item", write_key=write_key)
    if len(items) > max_items:
        text = (
            f"`batch` has over {max_items:,} items, which is ingest.max_items of the workspace; send smaller batches, "
            "or raise it"
        )
        raise RequestRefused(413, "too_many_items", text, count=len(items), write_key=write_key)
    sent_at = members.get("sentAt")
    return TrackingRequest(
        items=items,
        write_key=write_key,
        sent_at=sent_at if isinstance(sent_at, str) and len(sent_at) <= SENT_AT_LIMIT_CHARACTERS else None,
        context=_shared_object(members, "context", max_depth, len(items)),
        integrations=_shared_object(members, "integrations", max_depth, len(items)),
    )


def _shared_object(members: dict[str, Any], name: str, max_depth: int, count: int) -> dict[str, Any] | None:
    value = members.get(name)
    if value in (None, "", []):
        return None
    write_key = members.get("writeKey")
    if not isinstance(value, dict):
        text = f"the batch's {name} is not an object; send an object or leave it out"
        raise RequestRefused(400, f"{name}_not_object", text, count=count, write_key=write_key)
    if deeper_than(value, max_depth):
        text = f"the batch's {name} is nested over {max_depth} levels; flatten it"
        raise RequestRefused(400, "too_deep", text, count=count, write_key=write_key)
    return value


def _parse_scanned(body: bytes, max_items: int, max_depth: int) -> tuple[dict[str, Any], Any]:
    body = with_text_mended(body)
    try:
        members = exact_json.loads(body)
        return members, members.get("batch") if isinstance(members, dict) else None
    except orjson.JSONDecodeError:
        pass  # invalid for another reason than its text
    try:
        split = split_batch(body, max_items=max_items)
    except NotABatch:
        text = "the body is not JSON, and no array `batch` can be found in it; send valid JSON"
        raise RequestRefused(400, "not_json", text) from None
    items = [_parse_item(text, max_depth) for text in split.items]
    members = {}
    for name in ("writeKey", "sentAt", "context", "integrations"):
        if name in split.members:
            try:
                members[name] = exact_json.loads(split.members[name])
            except orjson.JSONDecodeError:
                text = f"the batch's {name} is not valid JSON; correct it"
                key = members.get("writeKey")
                raise RequestRefused(400, "not_json", text, count=len(items), write_key=key) from None
    return members, items


def _parse_item(text: bytes, max_depth: int) -> Any:
    try:
        return exact_json.loads(text)
    except orjson.JSONDecodeError as error:
        return BrokenItem(_why_invalid(error, text, max_depth), salvaged_fields(text))


def _why_invalid(error: orjson.JSONDecodeError, item: bytes, max_depth: int) -> InvalidItem:
    """Name the reason. orjson has one kind of error, so its message decides; a test notices when orjson changes it."""
    if "depth limit" in error.msg:
        return InvalidItem("too_deep", f"the item is nested over {max_depth} levels; flatten it")
    if "infinity" in error.msg:
        return InvalidItem("number_too_large", "a number of the item is over 1.8e308; send it as text")
    no_number = _NO_NUMBER.match(error.doc, error.pos)
    if no_number:
        return InvalidItem("not_json", f"the item holds {no_number[0]}, which is not JSON; send null or leave it out")
    return InvalidItem("not_json", f"the item is not valid JSON at character {error.pos} of it; correct it")


def with_text_mended(body: bytes) -> bytes:
    """Return the JSON with U+FFFD for whatever is not Unicode: bad UTF-8, half of a surrogate pair.

    SDKs send half a pair when they cut a text with an emoji by its length in UTF-16.
    """
    try:
        body.decode()
    except UnicodeDecodeError:
        body = body.decode("utf-8", "replace").encode()
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found["half"] else found[0], body)


# Every escape is matched, so that a backslash escaped by one before it begins none.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(?P<half>u[dD][89a-fA-F][\da-fA-F]{2})|.)", re.DOTALL
)
_REPLACEMENT = rb"\ufffd"
_NO_NUMBER = re.compile(r"-?(?:NaN|Infinity)\b")
