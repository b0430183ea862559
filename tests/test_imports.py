"""What import-linter cannot express: the model does no I/O, and modules are short. Layers are in pyproject.toml."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("model", "sinks", "flows", "console", "dashboards")
NOT_IN_MODEL = {"bytewax", "httpx", "httptools", "clickhouse_connect", "sqlite3", "socket", "asyncio", "time", "random"}


def imported(file: Path) -> set[str]:
    """The top-level names a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_the_model_does_no_io_and_reads_no_clock() -> None:
    for file in (ROOT / "model").glob("**/*.py"):
        assert not imported(file) & NOT_IN_MODEL, file.name


def test_the_product_imports_no_tests() -> None:
    for package in PRODUCT:
        files = sorted((ROOT / package).glob("**/*.py"))
        assert files
        for file in files:
            assert "tests" not in imported(file), file.name


def test_no_module_is_longer_than_a_head_can_hold() -> None:
    lengths = {
        file.relative_to(ROOT).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for package in (*PRODUCT, "tests")
        for file in (ROOT / package).glob("**/*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}
    product = sorted(length for name, length in lengths.items() if not name.startswith("tests/"))
    assert product[len(product) // 2] < 150
