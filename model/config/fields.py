"""Field types of the workspace file: ids, names, URLs, headers, secrets; each with its error and remedy."""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from model.config.env_string import EnvString, config_error, refers_to_environment, require

URL_LIMIT_CHARS = 2048
# Set for every call by Waybill or by HTTP itself; another value would break the call or idempotency.
RESERVED_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "host", "idempotency-key", "te", "transfer-encoding"}
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_HEADER_VALUE = re.compile(r"[!-~]([ -~\t]*[!-~])?|")
_WRITE_KEY = re.compile(r"[!-9;-~]{1,256}")  # printable ASCII; HTTP Basic auth leaves no room for a colon


def _check_url(url: EnvString) -> EnvString:
    text = url.value
    if len(text) > URL_LIMIT_CHARS or not text.isascii() or not text.isprintable() or " " in text:
        raise config_error(
            "the URL is too long or has spaces, control or non-ASCII characters",
            f"Use at most {URL_LIMIT_CHARS} characters; percent-encode others and write hosts in punycode (xn--…)",
        )
    try:
        parts = urlsplit(text)
        complete = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        complete = False
    if not complete:
        raise config_error(
            "this is not an http or https URL", "Write the whole address, such as https://example.com/hook"
        )
    if "@" in parts.netloc:
        raise config_error("the URL carries a user name or password", "Put credentials in a header as ${NAME}")
    if "#" in text:
        raise config_error(
            "the URL has a fragment ('#…'), which is never sent", "Remove it, or percent-encode it as %23"
        )
    return url


def _one_or_several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
FormerIds = Annotated[
    tuple[Slug, ...],
    Field(max_length=20),
    BeforeValidator(_one_or_several, json_schema_input_type=Slug | Annotated[tuple[Slug, ...], Field(max_length=20)]),
]
Name = Annotated[
    str,
    Field(max_length=200),
    require(str.isprintable, "the name has characters that are not printable", "Write it in one line of plain text"),
]
WriteKey = Annotated[
    EnvString,
    require(
        lambda key: _WRITE_KEY.fullmatch(key.value),
        "this is not a write key",
        "Use 1 to 256 ASCII letters, digits and signs; no spaces, no colon",
    ),
]
# With pydantic's own length limit, a list whose only key has an error would be reported as empty.
WriteKeys = Annotated[
    tuple[WriteKey, ...],
    Field(max_length=100, json_schema_extra={"minItems": 1}),
    require(bool, "there is no write key", "Write at least one: SDKs authenticate with it"),
]
AnyHeaderName = Annotated[
    str,
    require(_HEADER_NAME.fullmatch, "this is not a header name", "Use letters, digits and hyphens, such as X-Api-Key"),
]
HeaderName = Annotated[
    AnyHeaderName,
    require(lambda name: name.lower() not in RESERVED_HEADERS, "Waybill sets this header itself", "Remove it"),
]
FROM_ENVIRONMENT = require(
    lambda text: refers_to_environment(text.raw),
    "a credential is written in the file",
    "Secrets only as ${NAME}, with NAME in the environment",
)
_FIT_FOR_A_HEADER = require(
    lambda value: _HEADER_VALUE.fullmatch(value.value),
    "the header value has line breaks, non-ASCII characters, or spaces at its ends",
    "Use ASCII text in one line; look for a line break at the end of the environment variable",
)
HeaderValue = Annotated[EnvString, _FIT_FOR_A_HEADER]
Url = Annotated[EnvString, AfterValidator(_check_url)]
Secret = Annotated[EnvString, FROM_ENVIRONMENT, _FIT_FOR_A_HEADER]
