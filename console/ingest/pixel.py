"""Events in the address of an image, for e-mails and pages without scripts: Segment's Pixel Tracking API.

GET /v1/pixel/track?data=eyJ3cml0ZUtleSI6...            JSON in base64, write key included
GET /v1/pixel/track?writeKey=k&userId=u&event=Email%20Opened&properties.subject=News
"""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
from starlette.responses import Response

FIELDS = 1_000  # of one address
DEPTH = 10  # dots that count in one name
_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # 1 x 1, transparent
_STANDARD = str.maketrans("-_ ", "+/+")  # a + of the standard alphabet is a space in a query


def pixel_body(query: bytes) -> bytes:
    """Return the event of a query as JSON; if it cannot be decoded, as it came, which is then not JSON.

    Raises ValueError for more than FIELDS fields.
    """
    fields = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=FIELDS)
    if "data" not in fields:
        return orjson.dumps(_nested({name: values[-1] for name, values in fields.items()}))
    data = fields["data"][0].strip()
    if "%" in data and not data.startswith("{"):
        data = unquote(data).strip()  # escaped twice on its way into a template
    if data.startswith("{"):
        return data.encode()
    encoded = data.translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return data.encode("utf-8", "replace")


def _nested(fields: dict[str, str]) -> dict[str, Any]:
    """Put fields named with dots into nested objects. Where a name is both a value and an object, the object wins."""
    event: dict[str, Any] = {}
    for name, value in sorted(fields.items()):
        *path, last = name.split(".", DEPTH)
        place = event
        for step in path:
            inner = place.get(step)
            if not isinstance(inner, dict):
                inner = place[step] = {}
            place = inner
        place[last] = value
    return event


def image() -> Response:
    """Respond with the image; caches must not serve the next one."""
    return Response(_GIF, media_type="image/gif", headers={"Cache-Control": "no-store"})
