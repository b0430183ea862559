"""Settings that SDKs fetch before the first event: where to send, and that no destination runs in the app itself.

GET /v1/projects/{writeKey}/settings    Segment's SDKs for browsers and phones: `cdnURL` or `cdnHost` is Waybill
GET /sourceConfig                       RudderStack's: `configUrl` or `controlPlaneUrl` is Waybill; the write key is the
                                        user name of HTTP Basic, or `writeKey` in the query

200 with an ETag, fresh for five minutes     304 unchanged     400 no usable Host     404 write key unknown
"""

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import orjson
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, request_response

from console.ingest.body import basic_write_key
from console.ingest.responses import failure

FRESH_SECONDS = 300
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_NAMES_SCHEME = "X-Forwarded-Proto"


def settings_routes(known: Callable[[str], bool]) -> list[Route]:
    """The routes; ``known``: whether a write key belongs to a source."""

    async def respond(request: Request) -> Response:
        if request.method not in {"GET", "HEAD"}:
            response = failure(405, "bad_request", f"{request.method} is not answered at this path; use GET")
            response.headers["Allow"] = "GET"
            return response
        for_segment = request.path_params.get("write_key")
        basic = request.headers.get("authorization", "").encode("latin-1")
        write_key = for_segment or basic_write_key(basic) or request.query_params.get("writeKey")
        if write_key is None or not known(write_key):
            response = failure(404, "unknown_source", "the write key is missing or belongs to no source")
            response.headers["Cache-Control"] = "no-store"  # a write key that is added must work at once
            return response
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            return failure(400, "bad_request", "the Host header names no address to which events could be sent")
        settings = segment_settings(write_key, host, _scheme(request)) if for_segment else rudder_config(write_key)
        return _cacheable(request, settings)

    # Write keys are public and no cookie is read, so any page may ask; Waybill's API stays closed to other pages.
    # RudderStack's SDK sends the write key as credentials, so browsers send a preflight request first.
    open_to_pages = CORSMiddleware(
        request_response(respond), allow_origins=["*"], allow_methods=["GET"], allow_headers=["*"], max_age=86_400
    )
    return [Route(path, open_to_pages) for path in ("/v1/projects/{write_key:path}/settings", "/sourceConfig")]


def segment_settings(write_key: str, host: str, scheme: str) -> dict[str, Any]:
    """Settings as Segment's SDKs read them.

    They hold the address of ingest: without it SDKs send to Segment's own, the Kotlin SDK even when its `apiHost` is
    set. The statistics of the SDKs (`metrics`) would go there too.
    """
    return {
        "integrations": {"Segment.io": {"apiKey": write_key, "apiHost": f"{host}/v1", "protocol": scheme}},
        "plan": {},
        "edgeFunction": {},
        "middlewareSettings": {"routingRules": []},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "remotePlugins": [],
        "legacyVideoPluginsEnabled": False,
    }


def rudder_config(write_key: str) -> dict[str, Any]:
    """A source as RudderStack's SDKs read it: enabled, no destination in the app, no statistics."""
    return {
        "source": {
            "id": write_key,
            "name": write_key,
            "writeKey": write_key,
            "enabled": True,
            "workspaceId": "waybill",
            "destinations": [],
            "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
        },
    }


def _scheme(request: Request) -> str:
    """Return the scheme of the sender's request. A proxy that ends TLS may not pass it on; a secure page uses https."""
    secure = (
        request.url.scheme == "https"
        or request.headers.get(_NAMES_SCHEME, "").strip().lower() == "https"
        or request.headers.get("origin", "").startswith("https://")
    )
    return "https" if secure else "http"


def _cacheable(request: Request, content: dict[str, Any]) -> Response:
    body = orjson.dumps(content)
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
    headers = {
        "ETag": tag,
        "Cache-Control": f"public, max-age={FRESH_SECONDS}",
        "Vary": f"Authorization, Origin, {_NAMES_SCHEME}",
    }
    asked = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    if asked & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
