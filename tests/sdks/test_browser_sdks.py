"""Segment's and RudderStack's SDKs for browsers send to Waybill by the lines of docs/sdks.md, in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.ingest import rejections
from tests.kit.system import wait_until
from tests.sdks.browser import Page, bundle, calls, page
from tests.sdks.installing import ToolMissing, npm_packages
from tests.sdks.kit import BUSY, answered, assert_calls, once_each
from tests.sdks.lines import DOCS, docs_lines

pytestmark = pytest.mark.slow
SECONDS = 90.0
NPM, SNIPPET, RUDDER = "Browser, npm package", "Browser, snippet", "RudderStack, browser"
BATCHING = "deliveryStrategy: { strategy: 'batching' }"
SCRIPT = '<!doctype html><title>Shop</title><script type="module" src="/page.js"></script>'
LEAVES = "\nsetTimeout(() => { location.href = '/next.html' }, 1000)\n"


def bundled(lines: str, directory: Path) -> dict[str, str]:
    """A site whose script is built from npm packages."""
    return {"/": SCRIPT, "/page.js": bundle(lines, directory), "/next.html": "<!doctype html><title>Next</title>"}


def plain_http(lines: str) -> str:
    """The lines for an ingest without TLS."""
    assert "protocol: 'https'" in lines
    return lines.replace("protocol: 'https'", "protocol: 'http'")


def of_npm(directory: Path) -> dict[str, str]:
    return bundled(docs_lines(NPM) + calls(), directory)


def of_npm_with_address(directory: Path) -> dict[str, str]:
    return bundled(plain_http(docs_lines(NPM, 1)) + calls(), directory)


def of_npm_batching(directory: Path) -> dict[str, str]:
    """Calls are still waiting for their batch when the page is left."""
    lines = plain_http(docs_lines(NPM, 1))
    assert BATCHING in DOCS.read_text(encoding="utf-8")
    return bundled(lines.replace("protocol:", f"{BATCHING}, protocol:") + calls() + LEAVES, directory)


def of_snippet(directory: Path) -> dict[str, str]:
    standalone = npm_packages() / "@segment" / "analytics-next" / "dist" / "umd" / "standalone.js"
    head = f"<!doctype html><title>Shop</title>{docs_lines(SNIPPET)}"
    return {"/": f"{head}<script>{calls()}</script>", "/js/segment.js": standalone.read_text()}


def of_rudder(directory: Path) -> dict[str, str]:
    return bundled(docs_lines(RUDDER) + calls(), directory)


@dataclass(frozen=True)
class Site:
    """What a site is made of, what its SDK calls itself, and how many events come of it."""

    files: Callable[[Path], dict[str, str]]
    library: str = "analytics.js"
    calls: int = 6
    busy: tuple[int, ...] = BUSY
    known: bool = True


SITES = {
    "segment-npm": Site(of_npm),
    "segment-npm-address": Site(of_npm_with_address),
    "segment-npm-batching": Site(of_npm_batching, busy=()),  # who has left cannot come again
    "segment-snippet": Site(of_snippet, calls=7),  # the snippet's own page, too
    "rudder-npm": Site(of_rudder, library="RudderLabs JavaScript SDK", calls=5),  # it has no screen
    "unknown-key": Site(of_npm, known=False, busy=()),
}
Pages = dict[str, Page | str]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """All pages, open side by side; or why one cannot be opened here."""
    found: Pages = {}
    with ExitStack() as stack:
        for name, site in SITES.items():
            directory = tmp_path_factory.mktemp(name)
            try:
                opened = page(site.files(directory), directory, known=site.known, busy=site.busy)
                found[name] = stack.enter_context(opened)
            except ToolMissing as missing:
                found[name] = str(missing)
        yield found


def opened(pages: Pages, name: str) -> Page:
    found = pages[name]
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.mark.parametrize("name", [name for name, site in SITES.items() if site.known])
def test_calls_arrive_once_each(pages: Pages, name: str) -> None:
    site, made = SITES[name], opened(pages, name)
    try:
        there = lambda: answered(made.front, site.busy) and len(once_each(made.topics)) >= site.calls  # noqa: E731
        wait_until(there, SECONDS, f"{site.calls} events have come", 0.1)
    except AssertionError as late:
        raise AssertionError(f"{late}: {made.front.answers} {made.told}") from None
    found = once_each(made.topics)
    if name == "segment-snippet":
        [first] = [event for event in found if event["type"] == "page" and not event.get("name")]
        found.remove(first)
    assert len(found) + (name == "segment-snippet") == site.calls
    assert_calls(found, library=site.library, dated=False)
    assert set(made.front.posts()[len(site.busy) :]) == {200}
    assert rejections(made.topics) == [] and [said for said in made.told if "error" in said] == []
    for event in found:
        assert event["context"]["page"]["title"] == "Shop"
        assert event["context"]["ip"] == "127.0.0.1"


def test_with_an_unknown_key_nothing_is_sent_and_the_page_is_told(pages: Pages) -> None:
    made = opened(pages, "unknown-key")
    wait_until(lambda: bool(made.told), SECONDS, "the page is told", 0.1)
    assert "unknown_source" in str(made.told)
    assert [answer for answer in made.front.answers if answer[0] != "OPTIONS"] == [
        ("GET", "/v1/projects/YOUR_WRITE_KEY/settings", 404)
    ]
