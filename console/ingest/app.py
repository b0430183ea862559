"""Segment's HTTP Tracking API: accepts events, confirms them once they are stored, and rejects item by item.

POST /v1/{track,identify,page,screen,group,alias}   one event      (browser SDK: /v1/t i p s g a)
POST /v1/{batch,import}                             many           (browser SDK: /v1/b)
POST /v1/m                                          the browser SDK's own statistics, read and dropped
GET  /v1/pixel/{track,identify,...}?data=           one event in an image's address; always 200 and the image
GET  /v1/projects/{writeKey}/settings               settings for SDKs: see `console.ingest.sdk_settings`
GET  /health

200 {"success":true}, with `rejected` when some items were not accepted     400 no item was accepted
401 write key unknown     408 413 415 the request itself     429 503 not stored: send again after Retry-After
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from console.ingest.body import BodyReader, RequestRefused, basic_write_key
from console.ingest.items import BrokenItem, TrackingRequest, parse_batch, parse_call
from console.ingest.limits import IngestLimits
from console.ingest.paths import PlainPaths
from console.ingest.pixel import FIELDS, image, pixel_body
from console.ingest.proxy_headers import ProxyHeaders
from console.ingest.rejections import Rejection, RejectionFacts, new_id
from console.ingest.responses import answer, failure, json_response, refusal
from console.ingest.salvage import Salvage
from console.ingest.sdk_settings import settings_routes
from console.ingest.writer import Append, GroupWriter, Saturated
from flows.topics.interface import EVENTS, ProduceFailed, TopicFull, Topics
from model.events.envelope import encode_record
from model.events.ids import event_key
from model.events.tracking import RequestContext, normalize_event
from model.events.validation import CALL_TYPES, InvalidItem, traced_id
from model.workspace.settings import Network
from model.workspace.workspace import Source, Workspace

log = logging.getLogger("waybill.ingest")


@dataclass(slots=True)
class IngestSources:
    """The sources by write key; one object for the life of the server."""

    by_write_key: Mapping[str, Source]

    def change(self, workspace: Workspace) -> None:
        """Replace the sources by those of another version of the workspace."""
        self.by_write_key = workspace.sources_by_write_key()

    def find(self, write_key: Any) -> Source | None:
        """Return the source of a write key, which may be of any type."""
        return self.by_write_key.get(write_key) if isinstance(write_key, str) else None


def create_ingest(
    sources: IngestSources,
    topics: Topics,
    *,
    clock: Callable[[], int],
    run: str,
    limits: IngestLimits | None = None,
    anonymous_interval_seconds: float = 1,
    trusted_proxies: Sequence[Network] = (),
) -> Starlette:
    """Make the app; topics `events` and `outcomes` must exist. ``run`` names this process in the facts it writes.

    Its lifespan must run. Starlette does not run that of a mounted app, so an app around this one must pass it on:
    `Starlette(routes=[Mount("/", ingest)], lifespan=ingest.router.lifespan_context)`.

    ``anonymous_interval_seconds``: how often rejections without a known source are written. ``trusted_proxies``: whose
    X-Forwarded-For and similar headers are believed, also by what is mounted into the app.
    """
    ingest = _Ingest(sources, topics, clock, run, limits or IngestLimits(), anonymous_interval_seconds)
    # Write keys are public and no cookie is read, so any page may post; with credentials, as beacons always send them.
    # Only these routes: what else is mounted into this app stays closed to other pages.
    tracking = CORSMiddleware(
        ingest,
        allow_origins=["*"],
        allow_credentials=True,
        allow_methods=["POST"],
        allow_headers=["*"],
        expose_headers=["Retry-After"],
        max_age=86_400,
    )
    believing = [Middleware(ProxyHeaders, trusted_proxies)] if trusted_proxies else []
    app = Starlette(
        routes=[
            *settings_routes(lambda write_key: sources.find(write_key) is not None),
            Route("/v1/{name}", tracking),
            Route("/v1/pixel/{name}", _Asgi(ingest.pixel)),
            Route("/health", _health, methods=["GET"]),
        ],
        middleware=[*believing, Middleware(PlainPaths)],
        exception_handlers={HTTPException: _http_error, Exception: _fault},
        lifespan=ingest.lifespan,
    )
    app.router.redirect_slashes = False  # few SDKs follow a redirect, and none sends its body twice
    return app


@dataclass(frozen=True, slots=True)
class _Asgi:
    """A method as an ASGI app: Starlette would call a plain function with a request."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


CALLS: dict[str, str | None] = {
    **{name: call_type for call_type in CALL_TYPES for name in (call_type, call_type[0])},
    **dict.fromkeys(("batch", "import", "b")),  # None: each item has its own type
}
STATISTICS = "m"


class _Ingest:
    """The endpoint of all tracking paths and its state: one per process, on one event loop."""

    def __init__(
        self,
        sources: IngestSources,
        topics: Topics,
        clock: Callable[[], int],
        run: str,
        limits: IngestLimits,
        anonymous_interval_seconds: float,
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._limits = limits
        self._anonymous_interval_seconds = anonymous_interval_seconds
        self._writer = GroupWriter(topics, max_waiting_bytes=limits.waiting_bytes)
        self._facts = RejectionFacts(clock=clock, run=run)
        self._bodies = BodyReader(limits)
        self._second = 0
        self._requests_this_second = 0

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        """Run the writer and the timer of anonymous rejections while the server runs."""
        await self._writer.start()
        writing = asyncio.create_task(self._write_anonymous())
        try:
            yield
        finally:
            writing.cancel()
            await self._facts.write_anonymous(self._writer)
            await self._writer.close()

    async def _write_anonymous(self) -> None:
        while True:
            await asyncio.sleep(self._anonymous_interval_seconds)
            await self._facts.write_anonymous(self._writer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        try:
            response = await self._handle(scope, receive)
        except RequestRefused as refused:
            response = refusal(refused)
        except Saturated:
            response = failure(429, "too_many_requests", "events come faster than they can be stored", retry_after=1)
        except TopicFull:
            response = failure(503, "unavailable", "there is no room to store events", retry_after=30)
        except ProduceFailed:
            response = failure(503, "unavailable", "the events could not be stored", retry_after=5)
        except ClientDisconnect:
            return  # there is nobody left to respond to
        await response(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive) -> Response:
        name = scope["path_params"]["name"]
        if name not in CALLS and name != STATISTICS:
            raise HTTPException(404)
        if scope["method"] == "OPTIONS":  # not from a browser: CORSMiddleware answers its preflight requests
            return Response(status_code=204, headers={"Allow": "OPTIONS, POST"})
        if scope["method"] != "POST":
            raise HTTPException(405, headers={"Allow": "POST"})
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if name == STATISTICS:
            await self._bodies.read(headers, receive)
            return answer(True, [], is_batch=True)
        self._check_rate()
        call_type = CALLS[name]
        read = partial(self._bodies.read, headers, receive)
        accepted, rejected = await self._take(read, call_type, scope, from_browser=b"origin" in headers)
        return answer(accepted, rejected, is_batch=call_type is None)

    async def pixel(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Store the event in an image's address (ASGI). It always succeeds: nobody reads the response to an image."""
        name = scope["path_params"]["name"]
        if name not in CALL_TYPES:
            raise HTTPException(404)
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if scope["method"] == "GET":  # HEAD means that no image was shown
            try:
                self._check_rate()
                await self._take(partial(self._read_query, scope["query_string"]), name, scope, from_browser=True)
            except (RequestRefused, Saturated, ProduceFailed) as error:
                log.warning("the event of an image was not stored: %s", error)
        await image()(scope, receive, send)

    async def _read_query(self, query: bytes) -> bytes:
        if len(query) > self._limits.request_bytes:
            raise RequestRefused(413, "batch_too_large", "the address is longer than ingest.max_request_bytes")
        try:
            return pixel_body(query)
        except ValueError:
            raise RequestRefused(400, "bad_request", f"the address has over {FIELDS:,} fields") from None

    async def _take(
        self, read: Callable[[], Awaitable[bytes]], call_type: str | None, scope: Scope, *, from_browser: bool
    ) -> tuple[bool, list[tuple[int, Rejection]]]:
        """Store the items of a request; return whether any was accepted, and the rejections by index."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        header_key = basic_write_key(headers.get(b"authorization", b""))
        client = scope.get("client")
        body = b""
        try:
            body = await read()
            depth = self._limits.event.depth
            if call_type is None:
                tracking = await parse_batch(body, max_items=self._limits.items, max_depth=depth)
            else:
                tracking = parse_call(body, max_depth=depth)
            arrival = RequestContext(
                received_at_ms=self._clock(),
                sent_at=tracking.sent_at,
                context=tracking.context,
                integrations=tracking.integrations,
                client_ip=client[0] if client else None,
                from_browser=from_browser,
            )
            appends, rejected = self._judge(tracking, arrival, call_type, header_key)
        except RequestRefused as refused:
            if refused.retry_after_seconds is None:  # else the sender sends again: nothing is rejected yet
                await self._record_refusal(refused, header_key, body)
            raise
        accepted = bool(appends)
        if rejected:
            appends += self._facts.take(rejection for _, rejection in rejected)
        if appends:
            await self._writer.append(appends)
        return accepted, rejected

    def _judge(
        self, tracking: TrackingRequest, arrival: RequestContext, call_type: str | None, header_key: str | None
    ) -> tuple[list[Append], list[tuple[int, Rejection]]]:
        """Return the records of the accepted items and, by index, the rejections of the others."""
        appends: list[Append] = []
        rejected: list[tuple[int, Rejection]] = []
        merged_bytes = 0
        for index, item in enumerate(tracking.items):
            fields = item.fields if isinstance(item, BrokenItem) else item if isinstance(item, dict) else {}
            write_key = fields.get("writeKey")
            source = self._sources.find(write_key or tracking.write_key or header_key)
            try:
                if isinstance(item, BrokenItem):
                    raise item.why
                if source is None:
                    raise InvalidItem("unknown_source", "the write key is missing or belongs to no source")
                if not source.enabled:
                    raise InvalidItem("source_disabled", "the source is disabled")
                tracked = normalize_event(
                    item,
                    arrival,
                    self._limits.event,
                    call_type=call_type,
                    source=source.id,
                    index=index,
                    new_id=new_id,
                )
            except InvalidItem as invalid:
                rejected.append((index, _rejection(source, invalid, fields, call_type)))
                continue
            merged_bytes += len(tracked.payload)
            if merged_bytes > self._limits.merged_bytes:
                text = "the batch's context is too large for so many items; send smaller batches"
                count, key = len(tracking.items), tracking.write_key
                raise RequestRefused(413, "batch_too_large", text, count=count, write_key=key)
            record = encode_record({"source": source.id}, tracked.payload)
            appends.append(Append(EVENTS, event_key(source.id, tracked.message_id), record))
        return appends, rejected

    async def _record_refusal(self, refused: RequestRefused, header_key: str | None, body: bytes) -> None:
        salvage = refused.salvage
        if salvage is None:
            salvage = Salvage(self._limits.items)
            salvage.feed(body)
        keys = [refused.write_key, *salvage.write_keys, header_key]
        source = next(filter(None, map(self._sources.find, keys)), None)
        refusal = Rejection(source=source.id if source else "", code=refused.code, message=refused.message)
        rejections = [replace(refusal, message_id=traced_id(message_id)) for message_id in salvage.message_ids]
        if refused.count > len(rejections):
            rejections.append(replace(refusal, count=refused.count - len(rejections)))
        appends = self._facts.take(rejections)
        if appends:
            await self._writer.append(appends)

    def _check_rate(self) -> None:
        limit = self._limits.requests_per_second
        if limit is None:
            return
        second = self._clock() // 1_000
        if second != self._second:
            self._second, self._requests_this_second = second, 0
        self._requests_this_second += 1
        if self._requests_this_second > limit:
            text = f"more than {limit:,} requests this second; send larger batches or fewer"
            raise RequestRefused(429, "too_many_requests", text, retry_after_seconds=1)


def _rejection(
    source: Source | None, invalid: InvalidItem, fields: Mapping[str, Any], call_type: str | None
) -> Rejection:
    event_type = call_type or fields.get("type")
    return Rejection(
        source=source.id if source else "",
        code=invalid.code,
        message=invalid.message,
        message_id=traced_id(fields.get("messageId")),
        event_type=event_type if isinstance(event_type, str) and event_type in CALL_TYPES else "",
    )


async def _health(request: Request) -> Response:
    return json_response(200, {"status": "ok"})


async def _fault(request: Request, error: Exception) -> Response:
    """Respond to an error in Waybill, which Starlette logs."""
    return failure(500, "unavailable", "the request could not be handled; send it again")


async def _http_error(request: Request, error: Exception) -> Response:
    """Respond to 404 and 405 in the same form as to everything else."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    response = failure(status, "bad_request", f"{request.method} is not answered at this path; see the Tracking API")
    response.headers.update(headers or {})
    return response
