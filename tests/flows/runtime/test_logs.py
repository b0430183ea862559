"""The log: one JSON object a line with stable names, and text that reads the same as before."""

import ast
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.processes.supervisor import FlowProcesses
from flows.runtime.logs import JsonFormatter, LogConfig, LogFormat, LogLevel

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import logging, threading
from flows.runtime.logs import LogConfig, LogFormat, LogLevel, configure_logging

configure_logging(LogConfig(LogFormat({format!r}), LogLevel({level!r}), {{"flow": "delivery", "process": 1}}))
log = logging.getLogger("waybill.delivery")
log.debug("a detail")
log.info("plain %d", 1)
log.warning("destination %(destination)s is blocked: %(code)s", {{"destination": "crm", "code": "HTTP_401"}})
logging.getLogger("library").info("not ours")
def fail(): raise ValueError("two\\nlines")
thread = threading.Thread(target=fail, name="worker")
thread.start(); thread.join()
"""


def lines(format: str, level: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM.format(format=format, level=level)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.splitlines()


def test_json_has_one_object_a_line_with_the_fields_of_process_and_call() -> None:
    plain, blocked, thread = [json.loads(line) for line in lines("json", "info")]
    time, *_ = plain.pop("time"), blocked.pop("time")
    assert time.endswith("Z") and len(time) == len("2026-01-01T00:00:00.000Z")
    shared = {"logger": "waybill.delivery", "flow": "delivery", "process": 1}
    assert plain == {"level": "info", "event": "plain 1", **shared}
    text = "destination crm is blocked: HTTP_401"
    assert blocked == {"level": "warning", "event": text, "destination": "crm", "code": "HTTP_401", **shared}
    assert thread["level"] == "critical" and thread["thread"] == "worker"
    assert thread["exception"].endswith("ValueError: two\nlines")


def test_text_names_level_and_process() -> None:
    plain, blocked, *_ = lines("text", "info")
    assert plain.endswith(" INFO [delivery 1] plain 1")
    assert blocked.endswith(" WARNING [delivery 1] destination crm is blocked: HTTP_401")


@pytest.mark.parametrize(("level", "events"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
def test_a_level_leaves_out_what_is_less_severe(level: str, events: int) -> None:
    assert sum('"waybill.delivery"' in line for line in lines("json", level)) == events


@pytest.mark.parametrize("value", ["\ud800", b"\xff", Path("x"), float("nan"), 1 << 70, {1: {"\ud800": 2}}])
def test_any_value_can_be_a_field(value: Any) -> None:
    record = logging.makeLogRecord({"msg": "%(field)s", "args": {"field": value}, "levelname": "INFO"})
    assert "field" in json.loads(JsonFormatter({}).format(record))


def test_a_field_cannot_replace_time_level_logger_or_event() -> None:
    record = logging.makeLogRecord(
        {"msg": "%(event)s", "levelname": "INFO", "args": {"event": "x", "level": "y"}, "name": "log"}
    )
    line = json.loads(JsonFormatter({"logger": "z"}).format(record))
    assert (line["event"], line["level"], line["logger"]) == ("x", "info", "log")


def test_every_field_is_in_the_documentation() -> None:
    files = [file for package in ("flows", "console") for file in (ROOT / package).glob("**/*.py")]
    used = {name for file in files for text in log_texts(file) for name in re.findall(r"%\((\w+)\)", text)}
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "logs.md").read_text()))
    assert {"destination", "partition", "flow"} <= used <= documented


def log_texts(file: Path) -> Iterator[str]:
    """The texts a file logs."""
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Call(ast.Attribute(ast.Name("log")), [ast.Constant(str(text)), *_]):
                yield text
            case ast.Call(ast.Attribute(value=ast.Call()), [ast.Constant(str(text)), *_]):  # getLogger(…).critical
                yield text


def test_children_get_the_same_log(tmp_path: Path) -> None:
    logs = LogConfig(LogFormat.JSON, LogLevel.DEBUG)
    environment = FlowProcesses("delivery", 1, tmp_path / "w.yaml", tmp_path, logs).environment()
    assert LogConfig.from_environment(environment, {}) == logs
    assert LogConfig.from_environment({}, {}) == LogConfig()
    with pytest.raises(ValueError, match="loud"):
        LogConfig.from_environment({"WAYBILL_LOG_LEVEL": "loud"}, {})
