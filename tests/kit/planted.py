"""Planted secrets and personal data, and a search for them: nothing of this may be found where it may not be.

``BY_FORM`` are recognised wherever they stand, ``BY_NAME`` by the field they stand in, ``SECRETS`` because the
workspace got them from its environment.
"""

from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlencode

BY_FORM = {
    "email": "planted.person+crm@mail.example",
    "card": "4012888888881881",
    "card_spaced": "5500 0055 5555 5559",
    "phone": "+49 30 901820441",
    "phone_us": "(555) 723-9184",
    "ssn": "078-05-1120",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2lnbmVkLXBsYW50ZWQ",
    "payment_key": "sk_" + "live_51Planted0Key0aBcD",
    "cloud_key": "AKIA" + "PLANTED0KEY0ABCD",
    "hex_key": "5eed" * 12,
}
BY_NAME = {
    "password": "correct horse battery",
    "user_ssn": "111223333",
    "cvc": "957",
    "phoneNumber": "5550102938",
    "api-key": "planted/api=key",
    "refreshToken": "planted-refresh-token",
    "Authorization": "Token planted-authorization",
}
SECRETS = {
    "PLANTED_TOKEN": "planted-token-5e1a7c",
    "PLANTED_PASSWORD": 'pl/nted "password" + 91%',
    "PLANTED_KEY": "äöü-planted-key",
}
_TOO_SHORT_TO_SEARCH = {BY_NAME["cvc"]}  # found in any number
CLEAR = tuple({*BY_FORM.values(), *BY_NAME.values(), *SECRETS.values()} - _TOO_SHORT_TO_SEARCH)


def properties() -> dict[str, Any]:
    """Properties of an event that hold all but the secrets: flat, nested, in arrays, in texts, as numbers and names."""
    return {
        **BY_NAME,
        "contact": dict(BY_FORM),
        "items": [[BY_FORM["email"]], {"deep": [{"note": f"paid with {BY_FORM['card']}", **BY_NAME}]}],
        "note": "; ".join(f"my {name} is {value}" for name, value in BY_FORM.items()),
        "number": int(BY_FORM["card"]),
        "url": url(BY_NAME | BY_FORM),
        "payload": str({**BY_NAME, **BY_FORM}).replace("'", '"'),
        BY_FORM["email"]: True,
    }


def url(fields: dict[str, str]) -> str:
    """A URL with the fields in its query."""
    return f"https://shop.example/thanks?{urlencode(fields)}"


def headers() -> dict[str, str]:
    """Headers as requests and answers carry them, with all of it."""
    return {
        "Authorization": f"Bearer {SECRETS['PLANTED_TOKEN']}",
        "X-Api-Key": BY_NAME["api-key"],
        "Set-Cookie": f"session={BY_NAME['refreshToken']}; Path=/",
        "Location": url(BY_NAME | BY_FORM | SECRETS),
        "X-Note": f"{BY_FORM['email']} {BY_FORM['card']}",
        "X-Settings": b64encode(f"user:{SECRETS['PLANTED_PASSWORD']}".encode()).decode(),
    }


def message() -> str:
    """A partner's complaint that quotes what it got."""
    quoted = ", ".join([*BY_FORM.values(), *SECRETS.values()])
    named = " ".join(f'"{name}": "{value}",' for name, value in BY_NAME.items())
    return f"refused {quoted} in {{{named}}}; Cookie: a={BY_NAME['refreshToken']}; b=1"


def found_in(data: bytes | str) -> set[str]:
    """Return what of `CLEAR` is in a text or file, whether as it is, percent-encoded, escaped or in Base64."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    texts = (text, unquote(text), unquote(text.replace("+", " ")), text.replace("\\", ""))
    return {clear for clear in CLEAR if any(form in text for text in texts for form in _forms(clear))}


def _forms(clear: str) -> set[str]:
    raw = clear.encode()
    whole = len(raw) - len(raw) % 3  # the rest of its Base64 depends on what follows
    encoded = {encode(raw[:whole]).decode() for encode in (b64encode, urlsafe_b64encode)}
    return {clear, clear.replace('"', ""), quote(clear, safe=""), quote_plus(clear), *encoded}
