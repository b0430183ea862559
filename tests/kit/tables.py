"""The content of every table of a store that a system has kept."""

from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

from sinks.clickhouse.store import open_store


def tables_of(data: Path) -> dict[str, str]:
    """The values of each table, a line each, by ``database.name``; of ClickHouse's own tables too.

    In a process of its own: a process has one chDB directory open, and once it was opened goes on seeing what it saw.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(_read, data / "store").result()


def _read(directory: Path) -> dict[str, str]:
    kept = "SELECT database, name FROM system.tables WHERE engine LIKE '%MergeTree' OR engine LIKE '%Log'"
    with closing(open_store(f"chdb:///{directory}")) as store, store.client() as client:
        return {
            f"{database}.{name}": "\n".join(
                str(value) for row in client.query(f"SELECT * FROM `{database}`.`{name}`").result_rows for value in row
            )
            for database, name in client.query(kept).result_rows
        }
