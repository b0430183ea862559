"""How a workspace names an insert function: ``package.module:handler``."""

import re

_NAME = re.compile(r"[A-Za-z_]\w{0,63}(\.[A-Za-z_]\w{0,63}){0,15}:[A-Za-z_]\w{0,63}", re.ASCII)


def check_handler(handler: str) -> None:
    """Check the syntax only; importing it happens at the first call. Raises `ValueError` with a message."""
    if not _NAME.fullmatch(handler):
        raise ValueError("this is not the name of a function")
