"""Who may import whom: model <- nothing of ours; sinks <- model; flows <- model, sinks; console <- all."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = {"model": {"model"}, "sinks": {"sinks", "model"}, "flows": {"flows", "sinks", "model"}}
OURS = {"model", "sinks", "flows", "console", "tests"}
NOT_IN_MODEL = {"bytewax", "httpx", "pyreqwest", "clickhouse_connect", "sqlite3", "socket", "asyncio", "time", "random"}


def imported(file: Path) -> set[str]:
    """The top-level names a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    files = sorted((ROOT / room).glob("**/*.py"))
    assert files
    for file in files:
        assert imported(file) & OURS <= ROOMS[room], file.name


def test_the_model_does_no_io_and_reads_no_clock() -> None:
    for file in (ROOT / "model").glob("**/*.py"):
        assert not imported(file) & NOT_IN_MODEL, file.name


def test_no_module_is_longer_than_a_head_can_hold() -> None:
    lengths = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for room in (*ROOMS, "console", "tests")
        for file in (ROOT / room).glob("**/*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}
    product = sorted(length for name, length in lengths.items() if not name.startswith("tests/"))
    assert product[len(product) // 2] < 150
