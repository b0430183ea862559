"""Views with the views they read written out."""

from pathlib import Path

import pytest

from sinks.store_views import flatten, parameters_of, read_definitions, without_views

VIEWS = {
    "plain": "SELECT 1 AS one",
    "since": "SELECT at FROM facts WHERE at >= {from_ms:Int64} AND source = {source:String}",
    "twice": "SELECT * FROM since(from_ms = {from_ms:Int64}, source = {source:String})",
}


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ("SELECT * FROM facts", "SELECT * FROM facts"),
        ("SELECT one FROM plain AS p", "SELECT one FROM (SELECT 1 AS one) AS p"),
        ("SELECT one FROM plain\nWHERE one = 1", "SELECT one FROM (SELECT 1 AS one)\nWHERE one = 1"),
        (
            "SELECT * FROM since(from_ms = {from_ms:Int64}, source = '')",
            "SELECT * FROM (SELECT at FROM facts WHERE at >= {from_ms:Int64} AND source = CAST('', 'String'))",
        ),
        (
            "SELECT * FROM since(from_ms = greatest(0, {a:Int64} - 1), source = 'it\\'s, (one)') AS s JOIN plain",
            "SELECT * FROM (SELECT at FROM facts WHERE at >= CAST(greatest(0, {a:Int64} - 1), 'Int64')"
            " AND source = CAST('it\\'s, (one)', 'String')) AS s JOIN (SELECT 1 AS one)",
        ),
        (
            "SELECT * FROM twice(from_ms = {to_ms:Int64}, source = {source:String})",
            "SELECT * FROM (SELECT * FROM (SELECT at FROM facts"
            " WHERE at >= {to_ms:Int64} AND source = {source:String}))",
        ),
    ],
)
def test_each_view_stands_in_the_place_of_its_name(nested: str, flat: str) -> None:
    assert flatten(nested, VIEWS) == flat


def test_the_last_definition_counts_and_migrations_are_left_without_views(tmp_path: Path) -> None:
    first = "CREATE TABLE t (x Int8) ENGINE = Memory;\n\n-- v: a view.\nCREATE VIEW IF NOT EXISTS v AS\nSELECT 1;\n"
    (tmp_path / "001_first.sql").write_text(first)
    (tmp_path / "002_second.sql").write_text("CREATE OR REPLACE VIEW v AS\nSELECT {n:UInt8} -- n\nFROM t;\n")
    assert read_definitions(tmp_path) == {"v": "SELECT {n:UInt8} \nFROM t"}
    assert parameters_of("SELECT {n:UInt8}, {names:Array(String)}") == {"n": "UInt8", "names": "Array(String)"}
    assert without_views(first) == "CREATE TABLE t (x Int8) ENGINE = Memory;\n\n-- v: a view.\n\n"
