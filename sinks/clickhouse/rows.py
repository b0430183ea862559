"""Inserts rows: converts times, and separates bad rows from a store in trouble."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

LATEST_TIME_MS = 4_102_444_800_000  # year 2100: a row from beyond would open a partition that never expires
# Refuse unknown fields: dropping them would hide that writer and schema disagree.
_INSERT_SETTINGS = {
    "async_insert": 0,
    "input_format_skip_unknown_fields": 0,
    "input_format_json_named_tuples_as_objects": 0,
}
# Errors caused by the content of a row.
_ROW_ERRORS = {
    "INCORRECT_DATA", "TYPE_MISMATCH", "ARGUMENT_OUT_OF_BOUND", "DECIMAL_OVERFLOW", "UNKNOWN_ELEMENT_OF_ENUM",
    "TOO_LARGE_STRING_SIZE", "TOO_LARGE_ARRAY_SIZE", "VIOLATED_CONSTRAINT", "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", "UNEXPECTED_END_OF_FILE", "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
}  # fmt: skip
# Errors of a store in trouble, which pass or which smaller inserts avoid: never a reason to refuse a row.
_STORE_ERRORS = {
    "MEMORY_LIMIT_EXCEEDED", "TOO_MANY_PARTS", "TOO_MANY_SIMULTANEOUS_QUERIES", "SERVER_OVERLOADED", "QUOTA_EXCEEDED",
    "NOT_ENOUGH_SPACE", "TIMEOUT_EXCEEDED", "SOCKET_TIMEOUT", "NETWORK_ERROR", "KEEPER_EXCEPTION", "NO_ZOOKEEPER",
    "TABLE_IS_READ_ONLY", "TOO_FEW_LIVE_REPLICAS", "UNKNOWN_STATUS_OF_INSERT", "QUERY_WAS_CANCELLED", "ABORTED",
}  # fmt: skip

_FIELD = re.compile(r"value of key (\w+)|Unknown field found while parsing \w+ format: (\w+)")


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that the store will never accept, and why."""

    row: Mapping[str, Any]
    reason: str


EncodedRow = tuple[Mapping[str, Any], bytes]


class TableWriter:
    """Inserts into one table. ``times`` gives the end of each time column."""

    def __init__(self, table: str, columns: Collection[str], times: Mapping[str, int]) -> None:
        self._table = table
        self._columns = frozenset(columns)
        self._times = times
        self._witness: bytes | None = None  # a row that the table has accepted

    def unknown_columns(self, rows: Sequence[Mapping[str, Any]]) -> set[str]:
        """Columns that all rows have and the table lacks, which means another schema version."""
        unknown: set[str] = set()
        for number, row in enumerate(rows):
            found = row.keys() - self._columns
            unknown = unknown & found if number else found
            if not unknown:
                break
        return unknown

    def insert(self, client: Client, rows: Sequence[Mapping[str, Any]]) -> list[RefusedRow]:
        """Insert rows; return the refused ones. Raises the driver's errors of a store in trouble."""
        refused: list[RefusedRow] = []
        good: list[EncodedRow] = []
        for row in rows:
            try:
                good.append((row, orjson.dumps(_with_times(row, self._times))))
            except (TypeError, ValueError) as error:
                refused.append(RefusedRow(row, str(error)))
        self._insert_halving(client, good, refused)
        return refused

    def _insert_halving(self, client: Client, rows: Sequence[EncodedRow], refused: list[RefusedRow]) -> None:
        if not rows:
            return
        block = b"\n".join(line for _, line in rows)
        error = self._send(client, block)
        if error is None:
            self._witness = rows[-1][1]
        elif not self._is_about_rows(client, block, error):
            raise error
        elif len(rows) == 1:
            refused.append(RefusedRow(rows[0][0], describe(error)))
        else:
            middle = len(rows) // 2
            self._insert_halving(client, rows[:middle], refused)
            self._insert_halving(client, rows[middle:], refused)

    def _is_about_rows(self, client: Client, block: bytes, error: DatabaseError) -> bool:
        name = error.name or ""
        if name in _ROW_ERRORS or name.startswith(("CANNOT_PARSE", "CANNOT_READ", "CANNOT_CONVERT")):
            return True
        if error.code is None or name in _STORE_ERRORS or self._witness is None:
            return False
        # An unknown error. Retrying it for ever would stop recording, so test the store with a row that the table has
        # accepted before (rows fold). If that succeeds between two refusals of the block, the block is at fault.
        if self._send(client, self._witness) is not None:
            return False
        again = self._send(client, block)
        return again is not None and again.code == error.code

    def _send(self, client: Client, block: bytes) -> DatabaseError | None:
        try:
            client.raw_insert(self._table, insert_block=block, fmt="JSONEachRow", settings=_INSERT_SETTINGS)
        except DatabaseError as error:
            return error
        return None


def _with_times(row: Mapping[str, Any], ends: Mapping[str, int]) -> dict[str, Any]:
    """Return the row with Unix ms as the decimal seconds ClickHouse reads. Raises `ValueError` for an invalid time."""
    timed = dict(row)
    for name, end in ends.items():
        value = timed.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or not 0 <= value < end:
            unit = "milliseconds" if end == LATEST_TIME_MS else "seconds"
            raise ValueError(f"{name} is {value!r:.40}, not Unix {unit} before the year 2100")
        if end == LATEST_TIME_MS:
            timed[name] = value / 1000
    return timed


def describe(error: ClickHouseError) -> str:
    """Describe an error without the rows that ClickHouse quotes, because they contain payloads."""
    text = str(error)
    name, code = getattr(error, "name", None), getattr(error, "code", None)
    if not name:
        return f"ClickHouse error {code}" if code else text.partition("\n")[0][:300] or type(error).__name__
    at = _FIELD.search(text)
    field = f" in field {at[1] or at[2]}" if at else ""
    return f"{name}{field} (ClickHouse error {code})"
