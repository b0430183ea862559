"""The log of every process, on standard error: text for people, or one JSON object a line for log collectors.

Modules log with the standard library. A call whose values should be searchable names them, and text and fields are
then written from the same arguments::

    log.warning("destination %(destination)s is blocked: %(code)s", {"destination": id, "code": code})
"""

import json
import logging
import math
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

FORMAT_VARIABLE = "WAYBILL_LOG_FORMAT"
LEVEL_VARIABLE = "WAYBILL_LOG_LEVEL"
ROOT = "waybill"  # the logger that all of Waybill's loggers are below
_TEXT = "%(asctime)s %(levelname)s %(process_name)s%(message)s"


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least severe lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogConfig:
    """``fields``: what every line of this process carries, such as the flow."""

    format: LogFormat = LogFormat.TEXT
    level: LogLevel = LogLevel.INFO
    fields: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_environment(environ: Mapping[str, str], fields: Mapping[str, Any]) -> "LogConfig":
        """Read what the parent process passed on. Raises ValueError for an unknown format or level."""
        return LogConfig(
            LogFormat(environ.get(FORMAT_VARIABLE) or LogFormat.TEXT),
            LogLevel(environ.get(LEVEL_VARIABLE) or LogLevel.INFO),
            fields,
        )

    def environment(self) -> dict[str, str]:
        """Return the variables that give child processes the same log."""
        return {FORMAT_VARIABLE: self.format, LEVEL_VARIABLE: self.level}


class JsonFormatter(logging.Formatter):
    """One JSON object: time, level, logger, event, the fields of the process and of the call, and exception."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__()
        self._fields = dict(fields)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without a line break in it."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        named = record.args if isinstance(record.args, Mapping) else {}
        line: dict[str, Any] = {
            "time": f"{time.removesuffix('+00:00')}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in {**self._fields, **named}.items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # Not orjson: it refuses lone surrogates, which names of files and foreign text may hold.
        return json.dumps({name: _flat(value) for name, value in line.items()})


def configure_logging(config: LogConfig) -> None:
    """Log to standard error: Waybill's lines of ``config.level`` and above, and the warnings of libraries."""
    level = logging.getLevelNamesMapping()[config.level.upper()]
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[_handler(config)])
    logging.getLogger(ROOT).setLevel(level)
    if config.format is LogFormat.JSON:  # the interpreter would write tracebacks of many lines
        threading.excepthook = _log_thread_error


def _handler(config: LogConfig) -> logging.Handler:
    if config.format is LogFormat.JSON:
        handler: logging.Handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter(config.fields))
    elif sys.stderr.isatty() and not config.fields:
        handler = RichHandler(console=Console(stderr=True), show_path=False, rich_tracebacks=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        name = " ".join(str(value) for value in config.fields.values())
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_TEXT, defaults={"process_name": f"[{name}] " if name else ""}))
    return handler


def _log_thread_error(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    logging.getLogger(ROOT).critical(
        "thread %(thread)s ended with an error",
        {"thread": arguments.thread.name if arguments.thread else ""},
        exc_info=(arguments.exc_type, error, arguments.exc_traceback) if error else None,
    )


def _flat(value: object) -> str | int | float | None:
    is_plain = value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
    return value if is_plain else str(value)  # type: ignore[return-value]
