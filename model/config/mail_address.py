"""Mail addresses in settings: one plain ASCII address, which needs no quoting in a header."""

import re
from typing import Annotated

from model.config.env_string import require

LONGEST_CHARS = 254  # what SMTP can carry between < and >
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
_LONGEST_NAME_CHARS = 64


def is_mail_address(text: str) -> bool:
    """Say whether this is a single plain address: no name, quotes, line break or other mail syntax."""
    # Lengths first: they limit the time of the pattern.
    return len(text) <= LONGEST_CHARS and text.find("@") <= _LONGEST_NAME_CHARS and bool(_ADDRESS.fullmatch(text))


def masked_address(address: str) -> str:
    """The form of an address in rows and logs: ``a…@example.com``."""
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}" if name else "…"


MailAddress = Annotated[
    str,
    require(
        is_mail_address, "this is not a mail address", "Write one such as ada@example.com, without a name before it"
    ),
]
