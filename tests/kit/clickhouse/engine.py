"""One statement in, one answer out: chDB, spoken to as ClickHouse's HTTP interface is.

What chDB cannot do is not there: users of its own, replication and the cluster's DDL, BlockInfo in Native
(client_protocol_version), errors in the middle of an answer.
"""

import json
import re
import tempfile
import uuid
from pathlib import Path
from typing import Any

import chdb

from tests.kit.clickhouse.protocol import Answer, Statement, error_answer

_INSERT = re.compile(rb"\s*(INSERT\s+INTO\s+.+?)\s+FORMAT\s+(\w+)[ \t]*(?:\r?\n|$)", re.IGNORECASE | re.DOTALL)
_FORMAT = re.compile(rb"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_RESULT = re.compile(rb"\s*(SELECT|WITH|SHOW|EXISTS|DESC|DESCRIBE|EXPLAIN|CHECK|\()", re.IGNORECASE)


class Engine:
    """chDB in one directory. Each statement has a connection of its own, so settings and databases never mix."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._keeps_engine_open = _connect(self._directory)
        self._version = self._keeps_engine_open.query("SELECT version()").bytes().decode().strip()

    def run(self, statement: Statement) -> Answer:
        """Run it."""
        connection = _connect(self._directory)
        try:
            connection.query(f"USE `{statement.database}`")
            for key, value in statement.settings.items():
                connection.query(f"SET {key} = {_quoted(value)}")
            if statement.readonly:
                connection.query(f"SET readonly = {statement.readonly}")
            insert = _INSERT.match(statement.sql)
            if insert is None:
                return _result(connection, statement)
            return _inserted(connection, insert[1].decode(), insert[2].decode(), statement.sql[insert.end() :])
        except RuntimeError as error:
            return error_answer(f"{error} (version {self._version} (official build))")
        finally:
            connection.close()

    def close(self) -> None:
        """Let another process open the directory."""
        self._keeps_engine_open.close()


def _connect(directory: str) -> Any:
    return chdb.connect(directory)  # type: ignore[no-untyped-call]


def _result(connection: Any, statement: Statement) -> Answer:
    found = connection.query(statement.sql.decode(), statement.default_format, params=dict(statement.parameters))
    headers = _summary(read_rows=found.rows_read(), read_bytes=found.bytes_read(), written_rows=found.rows_written())
    if _RESULT.match(statement.sql):
        asked = _FORMAT.search(statement.sql)
        headers["X-ClickHouse-Format"] = asked[1].decode() if asked else statement.default_format
    return Answer(200, headers, found.bytes())


def _inserted(connection: Any, into: str, form: str, rows: bytes) -> Answer:
    with tempfile.NamedTemporaryFile(suffix=".rows") as file:
        file.write(rows)
        file.flush()
        done = connection.query(f"{into} FROM INFILE {_quoted(file.name)} FORMAT {form}")
    return Answer(200, _summary(written_rows=done.rows_written(), written_bytes=done.bytes_written()), b"")


def _summary(**counts: int) -> dict[str, str]:
    return {
        "X-ClickHouse-Summary": json.dumps({name: str(count) for name, count in counts.items()}),
        "X-ClickHouse-Query-Id": str(uuid.uuid4()),
        "X-ClickHouse-Timezone": "UTC",
    }


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
