"""Signatures of requests, by which a receiver can tell who sent them and that nothing was changed on the way."""

import hmac
from base64 import b64decode, b64encode

_BASE64_PREFIX = "whsec_"


def x_signature(body: bytes, secret: str) -> str:
    """Return the value of ``X-Signature`` as Segment's webhooks send it: the HMAC-SHA1 of the whole body, in hex."""
    return hmac.digest(secret.encode(), body, "sha1").hex()


def standard_webhooks(message_id: str, timestamp_seconds: int, body: bytes, secret: str) -> dict[str, str]:
    """Return the headers of the Standard Webhooks specification, names in lower case; HMAC-SHA256.

    A secret of the form ``whsec_`` + Base64 stands for the bytes it encodes; any other is used as it is.
    """
    signed = b"%b.%d.%b" % (message_id.encode(), timestamp_seconds, body)
    signature = b64encode(hmac.digest(_key(secret), signed, "sha256")).decode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_seconds),
        "webhook-signature": f"v1,{signature}",
    }


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(_BASE64_PREFIX)
    if encoded != secret:
        try:
            return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except ValueError:  # also binascii.Error
            pass
    return secret.encode()
