"""Views are inlined; applied migrations are recognised by their statements."""

from pathlib import Path

import pytest
from clickhouse_migrations.migration import Migration  # type: ignore[import-untyped]

from sinks.clickhouse.schema import keep_applied
from sinks.clickhouse.views import inline_views, parameters_of, read_definitions

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
    assert inline_views(nested, VIEWS) == flat


def test_views_are_read_with_their_parameters_and_without_comments(tmp_path: Path) -> None:
    (tmp_path / "first.sql").write_text("-- v: a view.\nCREATE VIEW v AS\nSELECT {n:UInt8} -- n\nFROM t;\n")
    assert read_definitions(tmp_path) == {"v": "SELECT {n:UInt8} \nFROM t"}
    assert parameters_of("SELECT {n:UInt8}, {names:Array(String)}") == {"n": "UInt8", "names": "Array(String)"}


def test_a_view_that_is_defined_twice_is_refused(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"{name}.sql").write_text("CREATE VIEW v AS\nSELECT 1;\n")
    with pytest.raises(ValueError, match=r"second\.sql: view v is defined a second time"):
        read_definitions(tmp_path)


APPLIED = [
    Migration(1, "a", "-- Old words.\nCREATE TABLE t (x Int8);\n"),
    Migration(2, "b", "ALTER TABLE t ADD COLUMN y Int8; -- y\n"),
]


def test_applied_migrations_are_recognised_by_their_statements() -> None:
    now = [
        Migration(1, "c", "-- New words.\nCREATE TABLE t\n  (x Int8);\n"),
        Migration(2, "d", "ALTER TABLE t ADD COLUMN y Int8;"),
        Migration(3, "e", "DROP TABLE t;"),
    ]
    assert keep_applied(now, APPLIED) == [*APPLIED, now[2]]
    assert keep_applied(now, []) == now


def test_control_an_applied_migration_with_other_statements_is_not_recognised() -> None:
    now = [Migration(1, "c", "CREATE TABLE t (x Int16);"), Migration(3, "b", APPLIED[1].script)]
    assert keep_applied(now, APPLIED) == now
