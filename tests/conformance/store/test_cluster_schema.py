"""The migrations on a cluster, as text and as syntax; a replicated table cannot be made without a Keeper."""

import re

import pytest
from clickhouse_migrations.migrator import split_statement_tokens  # type: ignore[import-untyped]

from sinks.clickhouse.schema import MigrationFailed, migrate, on_cluster
from sinks.clickhouse.store import Store
from sinks.clickhouse.views import SQL
from tests.sql.test_store import rows_of

MIGRATIONS = sorted(SQL.glob("*.sql"))


def statements(sql: str) -> list[str]:
    """Without comments."""
    return [
        "".join(token.text for token in tokens if token.kind != "line_comment").strip()
        for tokens in split_statement_tokens(sql)
    ]


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_every_statement_runs_on_the_whole_cluster_and_every_table_is_replicated(store: Store, path: object) -> None:
    plain = SQL.joinpath(str(path)).read_text(encoding="utf-8")
    made = on_cluster(plain, "main-1")
    assert len(statements(made)) == len(statements(plain))
    for statement in statements(made):
        assert re.match(r'CREATE [A-Z ]+ \w+ ON CLUSTER "main-1"', statement), statement[:80]
        assert not re.search(r"ENGINE = (?!Replicated)\w*MergeTree", statement)
        with store.client() as client:
            assert client.command(f"EXPLAIN AST {statement}")


def test_nothing_else_of_the_migrations_changes() -> None:
    plain = "".join(path.read_text(encoding="utf-8") for path in MIGRATIONS)
    made = on_cluster(plain, "c")
    assert made != plain
    assert made.replace(' ON CLUSTER "c"', "").replace("ENGINE = Replicated", "ENGINE = ") == plain


@pytest.mark.parametrize(
    ("plain", "replicated"),
    [
        ("ALTER TABLE t ADD COLUMN y Int8;", 'ALTER TABLE t ON CLUSTER "c" ADD COLUMN y Int8;'),
        ("INSERT INTO t SELECT 1;", "INSERT INTO t SELECT 1;"),  # replication copies the rows
    ],
)
def test_later_migrations_run_on_the_whole_cluster(plain: str, replicated: str) -> None:
    assert on_cluster(plain, "c") == replicated


def test_engines_keep_their_arguments() -> None:
    assert on_cluster("ENGINE = ReplacingMergeTree(version)", "c") == "ENGINE = ReplicatedReplacingMergeTree(version)"


def test_tables_made_without_a_cluster_are_not_taken_for_replicated_ones(store: Store) -> None:
    before = rows_of(
        store, "SELECT name, create_table_query FROM system.tables WHERE database = 'waybill' ORDER BY name"
    )
    with pytest.raises(MigrationFailed, match=r"not replicated \(.*facts.*another database"):
        migrate(store, {}, (), cluster="main")
    after = rows_of(
        store, "SELECT name, create_table_query FROM system.tables WHERE database = 'waybill' ORDER BY name"
    )
    assert after == before
