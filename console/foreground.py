"""A command in the foreground: its log, and being told to stop."""

import logging
import signal
import sys
import threading

from rich.console import Console
from rich.logging import RichHandler


def log_to_stderr(level: int) -> None:
    """Log in colours for a person, and a line a message for everything that collects logs."""
    handler: logging.Handler = (
        RichHandler(console=Console(stderr=True), show_path=False, rich_tracebacks=False)
        if sys.stderr.isatty()
        else logging.StreamHandler()
    )
    form = "%(message)s" if sys.stderr.isatty() else "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, handlers=[handler])
    logging.getLogger("waybill").setLevel(level)


def asked_to_stop() -> threading.Event:
    """Set by Ctrl-C and SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop
