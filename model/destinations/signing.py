"""What proves to a destination who sends a request: HTTP Basic credentials, and signatures over the whole body."""

from base64 import b64encode
from collections.abc import Sequence

from model.config.env_string import EnvString
from model.destinations.destination import Item
from model.events.ids import request_key
from model.http.signatures import standard_webhooks, x_signature


def basic_authorization(user_and_password: str) -> str:
    """Return the value of the Authorization header for ``user:password``."""
    return f"Basic {b64encode(user_and_password.encode()).decode()}"


def signature_headers(secret: EnvString | None, items: Sequence[Item], body: bytes, now_ms: int) -> dict[str, str]:
    """Return ``X-Signature`` and the Standard Webhooks headers; none without a secret."""
    if secret is None:
        return {}
    message_id = request_key([item.key for item in items])
    return {
        "x-signature": x_signature(body, secret.value),
        **standard_webhooks(message_id, now_ms // 1_000, body, secret.value),
    }
