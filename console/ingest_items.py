"""From the bytes of a request to its items, each one a parsed value or the reason why it is none."""

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson

from console.batch_split import NotABatch, split_batch
from console.ingest_body import RequestRefused
from model.tracking import deeper_than
from model.validation import InvalidItem

SENT_AT_LIMIT_CHARACTERS = 64  # it is copied into every item of the batch


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingRequest:
    """The items of one request in order, and what they share."""

    items: list[Any]  # parsed JSON, or `InvalidItem`
    write_key: Any = None
    sent_at: str | None = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None


def parse_call(body: bytes, *, max_depth: int) -> TrackingRequest:
    """Read a body that is one event. Never raises: a body that cannot be read is one invalid item."""
    try:
        item = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return TrackingRequest(items=[_why_invalid(error, max_depth)])
    return TrackingRequest(items=[item])


async def parse_batch(body: bytes, *, max_items: int, max_depth: int) -> TrackingRequest:
    """Read a body that is a batch. Raises `RequestRefused` when there are no items to judge one by one."""
    try:
        members = orjson.loads(body)
        items = members.get("batch") if isinstance(members, dict) else None
    except orjson.JSONDecodeError:
        # Scanning is plain Python: off the event loop, so that a hostile body delays nobody else's answer.
        members, items = await asyncio.to_thread(_parse_scanned, body, max_items, max_depth)
    if not isinstance(items, list):
        raise RequestRefused(400, "batch_not_array", "there is no array `batch`; send the items in it")
    write_key = members.get("writeKey")
    if not items:
        raise RequestRefused(400, "empty_batch", "`batch` is empty; send at least one item", write_key=write_key)
    if len(items) > max_items:
        text = f"`batch` has over {max_items:,} items; send smaller batches"
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


def _parse_scanned(body: bytes, max_items: int, max_depth: int) -> tuple[dict[str, Any], list[Any]]:
    try:
        split = split_batch(body, max_items=max_items)
    except NotABatch:
        text = "the body is not JSON, and no array `batch` can be made out in it; send valid JSON"
        raise RequestRefused(400, "not_json", text) from None
    items = [_parse_item(text, max_depth) for text in split.items]
    members: dict[str, Any] = {}
    for name in ("writeKey", "sentAt", "context", "integrations"):
        if name in split.members:
            try:
                members[name] = orjson.loads(split.members[name])
            except orjson.JSONDecodeError:
                text = f"the batch's {name} is not valid JSON; correct it"
                key = members.get("writeKey")
                raise RequestRefused(400, "not_json", text, count=len(items), write_key=key) from None
    return members, items


def _parse_item(text: bytes, max_depth: int) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _why_invalid(error, max_depth)


def _why_invalid(error: orjson.JSONDecodeError, max_depth: int) -> InvalidItem:
    """Name the reason. orjson has one kind of error, so its words decide; tests hold them to what they are now."""
    if "not valid UTF-8" in error.msg or "surrogate" in error.msg:
        return InvalidItem("invalid_string", "the item holds text that is not Unicode (a lone surrogate or bad UTF-8)")
    if "depth limit" in error.msg:
        return InvalidItem("too_deep", f"the item is nested over {max_depth} levels; flatten it")
    text = f"the item is not valid JSON at character {error.pos} of it; NaN and Infinity are not JSON"
    return InvalidItem("not_json", text)
