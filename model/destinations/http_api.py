"""HTTP: any API that accepts JSON, newline-delimited JSON or a form, with the usual ways to authenticate.

Sends the event unchanged, or the result of a mapping. Several events in one request (``batch.max_events``
above 1) are a JSON array, or lines with format ndjson; a form carries one event, nested fields as JSON.

A 207 with a list of ``{"status": …}`` gives a result per item (`model.destinations.multi_status`); ``answers`` declares
other responses with results per item (`model.destinations.declared_answers`), ``failures`` classifies responses. With a
``signing_secret`` requests are signed like those of a webhook.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import urlencode

import orjson
from pydantic import model_validator

from model.config.env_string import EnvString, config_error
from model.config.fields import Secret
from model.config.section import Section
from model.destinations.declared_answers import DeclaredDestination
from model.destinations.destination import BatchLimits, Item
from model.destinations.signing import basic_authorization
from model.http.messages import HttpRequest

_CONTENT_TYPES = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "form": "application/x-www-form-urlencoded",
}


class BasicAuth(Section):
    """User name and password."""

    username: EnvString
    """User name."""
    password: Secret
    """Password. Only as ${NAME}."""


class HttpApiDestination(DeclaredDestination):
    """Any HTTP API."""

    title: ClassVar[str] = "HTTP API"
    integration_names: ClassVar[tuple[str, ...]] = ("HTTP",)
    link: ClassVar[str] = "https://www.rfc-editor.org/rfc/rfc9110.html"
    batch_limits: ClassVar[BatchLimits] = BatchLimits(max_events=10_000, max_bytes=8 * 1024 * 1024)

    type: Literal["http"]
    """http: any HTTP API."""
    format: Literal["json", "ndjson", "form"] = "json"
    """How events are written: json, ndjson (one a line) or form (one event a request)."""
    bearer_token: Secret | None = None
    """Sent as Authorization: Bearer. Only as ${NAME}."""
    basic_auth: BasicAuth | None = None
    """Sent as Authorization: Basic."""

    @model_validator(mode="after")
    def _check(self) -> "HttpApiDestination":
        if self.bearer_token is not None and self.basic_auth is not None:
            raise config_error("there are two ways to authenticate", "Keep one of bearer_token and basic_auth")
        if self.format == "form" and self.batch.max_events > 1:
            raise config_error("a form carries one event", "Remove batch, or choose format json or ndjson")
        if self.basic_auth is not None and ":" in self.basic_auth.username.value:
            raise config_error("the user name of basic_auth has a colon", "A colon would end it; write it without")
        return self

    def request(self, items: Sequence[Item], now_ms: int) -> HttpRequest:
        """Build the request."""
        headers = {"content-type": _CONTENT_TYPES[self.format], **self._authorization()}
        return self.signed_request(items, self._body(items), now_ms, headers)

    def _body(self, items: Sequence[Item]) -> bytes:
        if self.format == "form":
            return _form(items[0])
        if self.format == "ndjson":
            # Line breaks in JSON are between tokens and can be removed. Encoding again would round long numbers.
            return b"".join(item.json.translate(None, b"\r\n") + b"\n" for item in items)
        return self.json_body(items)

    def _authorization(self) -> dict[str, str]:
        if self.bearer_token is not None:
            return {"authorization": f"Bearer {self.bearer_token.value}"}
        if self.basic_auth is not None:
            pair = f"{self.basic_auth.username.value}:{self.basic_auth.password.value}"
            return {"authorization": basic_authorization(pair)}
        return {}


def _form(item: Item) -> bytes:
    return urlencode({name: _field(value) for name, value in item.fields.items() if value is not None}).encode()


def _field(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
