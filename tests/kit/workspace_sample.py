"""One valid workspace file that uses everything, and ways to break it in one place."""

from model.config.problems import Diagnostic, DiagnosticSeverity
from model.workspace.reader import ParseResult, read_workspace
from model.workspace.workspace import Workspace

SECRET = "s3cr3t-of-the-shop"
ENVIRON = {"SHOP_TOKEN": SECRET, "HOOK_PATH": "T0/B0/long-hook-path", "OTHER_KEY": "app-key", "EMPTY": ""}

SHOP = """\
version: 1
sources:
  - id: web
    name: Web shop
    write_keys: [web-key, web-key-2]
  - id: app
    write_keys: ["${OTHER_KEY}"]
destinations:
  - id: crm
    type: webhook
    url: https://crm.example/hooks/${HOOK_PATH}
    method: PUT
    headers:
      Authorization: Bearer ${SHOP_TOKEN}
      X-Team: growth
    timeout_seconds: 2
  - id: lake
    type: s3
  - id: ads
    type: webhook
    url: https://ads.example/
connections:
  - {source: web, destination: crm}
  - {source: web, destination: lake}
  - {source: app, destination: ads, mode: device}
delivery:
  first_wait_seconds: 0.5
  allow_addresses: ["::1", 10.0.0.0/8]
"""


def read(text: str | bytes, environ: dict[str, str] | None = None) -> ParseResult:
    content = text.encode() if isinstance(text, str) else text
    return read_workspace(content, file="shop.yaml", environ=ENVIRON if environ is None else environ)


def valid(text: str) -> Workspace:
    return read(text).valid()


def changed(old: str, new: str) -> str:
    assert SHOP.count(old) == 1, f"{old!r} must stand in SHOP once"
    return SHOP.replace(old, new)


def problems(text: str | bytes) -> list[Diagnostic]:
    reading = read(text)
    assert reading.workspace is None
    return [problem for problem in reading.problems if problem.severity is DiagnosticSeverity.ERROR]


def only(text: str | bytes) -> Diagnostic:
    found = problems(text)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]
