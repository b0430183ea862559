"""Pages in a real browser: headless Chromium opens a page of a site of its own, whose scripts send to ingest."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.server.http_server import serve_in_thread
from flows.topics.interface import Topics
from tests.kit.ingest import new_topics
from tests.sdks.installing import npm_packages, run, tool
from tests.sdks.kit import Front, serving
from tests.sdks.lines import KEY, PROGRAMS, for_address

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage"
).split()
TYPES = {".js": "text/javascript", ".html": "text/html; charset=utf-8"}


@dataclass(slots=True)
class Page:
    """A page that is open: what came of it, and what its scripts say they were told."""

    topics: Topics
    front: Front
    told: list[dict[str, Any]] = field(default_factory=list)


def bundle(lines: str, directory: Path) -> str:
    """One script of lines that import from npm packages, as sites are built. Raises `ToolMissing`."""
    modules = npm_packages()
    (directory / "page.js").write_text(lines)
    esbuild = [str(modules / ".bin" / "esbuild"), "page.js", "--bundle", "--format=iife", "--outfile=bundle.js"]
    run([*esbuild, "--log-level=error"], directory, {"NODE_PATH": str(modules)})
    return (directory / "bundle.js").read_text()


def calls() -> str:
    """The script that makes one call of each type."""
    return (PROGRAMS / "browser" / "calls.js").read_text()


@contextmanager
def page(files: dict[str, str], directory: Path, *, known: bool = True, busy: Sequence[int] = ()) -> Iterator[Page]:
    """Open ``/`` of a site of these files, with the lines of the docs in them; ingest is on another origin.

    ``known``: whether ingest knows the write key.
    """
    chromium = tool("chromium", "chromium")
    topics = new_topics(directory / "topics")
    with serving(topics, KEY if known else "another", busy) as (address, front):
        opened = Page(topics, front)
        site = serve_in_thread(_site(files, opened, address), "127.0.0.1", 0)
        command = [chromium, *OPTIONS, f"--user-data-dir={directory / 'profile'}", f"http://127.0.0.1:{site.port}/"]
        with (directory / "chromium.log").open("wb") as log:
            # In a group of its own: a browser is many processes.
            process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            yield opened
        finally:
            os.killpg(process.pid, 9)
            process.wait()
            site.stop()
    topics.close()


def _site(files: dict[str, str], opened: Page, address: str) -> Starlette:
    async def serve(request: Request) -> Response:
        content = files.get(request.url.path)
        if content is None:
            return Response(status_code=404)
        kind = TYPES[Path(request.url.path).suffix or ".html"]
        return Response(for_address(content, address), media_type=kind)

    async def tell(request: Request) -> Response:
        opened.told.append(json.loads(await request.body()))
        return Response(status_code=204)

    return Starlette(
        routes=[Route("/told", tell, methods=["POST"]), Route("/{path:path}", serve)],
    )
