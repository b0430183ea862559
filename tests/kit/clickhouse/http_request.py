"""Reading one request: chunks, content encoding, form fields, who asks; out comes a `Statement`."""

import base64
from email import message_from_bytes
from email.message import Message
from io import BufferedIOBase
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from tests.kit.clickhouse.protocol import DECODERS, TRANSPORT_KEYS, USERS, Answer, Statement, refusal

MAX_FIELD_BYTES = 128 * 1024  # http_max_field_value_size
MAX_URI_BYTES = 1024 * 1024  # http_max_uri_size


class Refused(Exception):
    """The request gets this answer instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def read_body(stream: BufferedIOBase, headers: Message) -> bytes:
    """Read a body of known length or in chunks, as it is encoded."""
    if headers.get("Transfer-Encoding", "").lower() != "chunked":
        return stream.read(int(headers.get("Content-Length") or 0))
    parts: list[bytes] = []
    while size := int(stream.readline().split(b";")[0], 16):
        parts.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():  # trailers
        pass
    return b"".join(parts)


def read_statement(method: str, target: str, headers: Message, body: bytes) -> Statement:
    """Understand a request. Raises `Refused`."""
    if len(target) > MAX_URI_BYTES:
        raise Refused(Answer(414, {}, b"URI too long"))
    values = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
    readonly = _user_of(values, headers)
    encoding = headers.get("Content-Encoding", "")
    if encoding:
        if encoding not in DECODERS:
            raise Refused(refusal(48, "NOT_IMPLEMENTED", f"Unknown compression method {encoding}"))
        body = DECODERS[encoding](body)
    if headers.get_content_type() == "multipart/form-data":
        values.update(_form_fields(headers["Content-Type"], body))
        body = b""
    query = values.get("query", "").encode(errors="surrogateescape")
    if not query and not body.strip():
        raise Refused(refusal(62, "SYNTAX_ERROR", "Empty query"))
    return Statement(
        sql=query + b"\n" + body if query and body else query or body,
        database=values.get("database") or headers.get("X-ClickHouse-Database") or "default",
        settings={k: v for k, v in values.items() if k not in TRANSPORT_KEYS and not k.startswith("param_")},
        parameters={k.removeprefix("param_"): v for k, v in values.items() if k.startswith("param_")},
        default_format=values.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        readonly=readonly or (2 if method == "GET" else 0),
    )


def _user_of(values: dict[str, str], headers: Message) -> int:
    """Check who asks; return what `readonly` is to be."""
    scheme, _, credentials = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        user, _, password = base64.b64decode(credentials).decode().partition(":")
    else:
        user = headers.get("X-ClickHouse-User") or values.get("user") or "default"
        password = headers.get("X-ClickHouse-Key") or values.get("password") or ""
    known, readonly = USERS.get(user, (None, 0))
    if password != known:
        text = f"{user}: Authentication failed: password is incorrect, or there is no user with such name"
        raise Refused(refusal(516, "AUTHENTICATION_FAILED", text))
    return readonly


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    message = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields: dict[str, str] = {}
    for part in message.get_payload():
        assert isinstance(part, Message)
        value = part.get_payload(decode=True)
        assert isinstance(value, bytes)
        if len(value) > MAX_FIELD_BYTES:
            text = "Code: 1000. DB::Exception: HTML Form Exception: Field value too long. (POCO_EXCEPTION)"
            raise Refused(Answer(400, {"X-ClickHouse-Exception-Code": "1000"}, text.encode()))
        name = str(part.get_param("name", "", "content-disposition"))
        fields[unquote_to_bytes(name).decode()] = value.decode()
    return fields
