"""Receivers find the signatures they compute themselves, and none after anything was changed."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.http.signatures import standard_webhooks, x_signature

BODY = b'{"type":"track","event":"Order Completed"}'
KEY = bytes(range(32))


def verified(headers: dict[str, str], body: bytes, key: bytes) -> bool:
    """As a receiver checks it, written after the specification alone."""
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    version, _, given = headers["webhook-signature"].partition(",")
    return version == "v1" and hmac.compare_digest(expected, given.encode())


def test_known_answers_of_hmac_sha1() -> None:
    assert x_signature(b"Hi There", "\x0b" * 20) == "b617318655057264e28bc0b6fb378c8ef146be00"  # RFC 2202, case 1
    assert x_signature(b"what do ya want for nothing?", "Jefe") == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"


@given(st.binary(max_size=200), st.text(min_size=1, max_size=50))
def test_the_x_signature_covers_the_whole_body(body: bytes, secret: str) -> None:
    assert x_signature(body, secret) == hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()
    assert x_signature(body + b" ", secret) != x_signature(body, secret)


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("whsec_" + base64.b64encode(KEY).decode(), KEY),
        ("whsec_" + base64.b64encode(KEY).decode().rstrip("="), KEY),
        ("a plain secret", b"a plain secret"),
        ("whsec_not base64!", b"whsec_not base64!"),
        ("grün", "grün".encode()),
    ],
)
def test_standard_webhooks_headers_verify(secret: str, key: bytes) -> None:
    headers = standard_webhooks("msg-1", 1_763_690_000, BODY, secret)
    assert list(headers) == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("msg-1", "1763690000")
    assert verified(headers, BODY, key)


def test_nothing_can_be_changed_unnoticed() -> None:
    headers = standard_webhooks("msg-1", 1_763_690_000, BODY, "secret")
    assert verified(headers, BODY, b"secret")
    assert not verified(headers, BODY + b" ", b"secret")
    assert not verified(headers, BODY, b"another")
    for name, value in (("webhook-id", "msg-2"), ("webhook-timestamp", "1763690001")):
        assert not verified({**headers, name: value}, BODY, b"secret")


def test_a_batch_is_signed_to_its_last_event() -> None:
    batch, changed = b'[{"a":1},{"a":2}]', b'[{"a":1},{"a":3}]'
    assert x_signature(batch, "s") != x_signature(changed, "s")
    headers = standard_webhooks("msg-1", 1, batch, "s")
    assert verified(headers, batch, b"s") and not verified(headers, changed, b"s")
