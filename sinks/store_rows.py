"""Rows on their way into the store: times, and telling a bad row from a store that is in trouble."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

LATEST_TIME_MS = 4_102_444_800_000  # year 2100: a row from beyond would open a partition that never expires
# Unknown fields are refused: dropping them silently would hide a writer and a schema that disagree.
_INSERT_SETTINGS = {
    "async_insert": 0,
    "input_format_skip_unknown_fields": 0,
    "input_format_json_named_tuples_as_objects": 0,
}
# Errors that a row causes by what it holds. Everything else (no memory, no disk, too many parts, no table) is about the
# store: no row may be given up for it.
_ROW_ERRORS = {
    "INCORRECT_DATA", "TYPE_MISMATCH", "ARGUMENT_OUT_OF_BOUND", "DECIMAL_OVERFLOW", "UNKNOWN_ELEMENT_OF_ENUM",
    "TOO_LARGE_STRING_SIZE", "TOO_LARGE_ARRAY_SIZE", "VIOLATED_CONSTRAINT", "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE", "UNEXPECTED_END_OF_FILE", "NUMBER_OF_ARGUMENTS_DOESNT_MATCH",
}  # fmt: skip

_FIELD = re.compile(r"value of key (\w+)|Unknown field found while parsing \w+ format: (\w+)")


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row the store will never take, and why."""

    row: Mapping[str, Any]
    reason: str


def encode_row(row: Mapping[str, Any], times: Mapping[str, int]) -> bytes:
    """Encode a row as JSON; ``times`` gives the end of each time column. Raises `ValueError` or `TypeError`."""
    return orjson.dumps(_with_times(row, times))


def insert_halving(
    client: Client, table: str, rows: Sequence[tuple[Mapping[str, Any], bytes]], refused: list[RefusedRow]
) -> None:
    """Insert encoded rows; add to ``refused`` those the store will never take. Raises what the driver raises else."""
    if not rows:
        return
    try:
        block = b"\n".join(line for _, line in rows)
        client.raw_insert(table, insert_block=block, fmt="JSONEachRow", settings=_INSERT_SETTINGS)
    except DatabaseError as error:
        if not _is_about_a_row(error):
            raise
        if len(rows) == 1:
            refused.append(RefusedRow(rows[0][0], describe(error)))
            return
        middle = len(rows) // 2
        insert_halving(client, table, rows[:middle], refused)
        insert_halving(client, table, rows[middle:], refused)


def _is_about_a_row(error: DatabaseError) -> bool:
    name = error.name or ""
    # A field the table does not have says that schema and writer disagree, but only its row is known to be bad.
    return name in _ROW_ERRORS or name.startswith(("CANNOT_PARSE", "CANNOT_READ", "CANNOT_CONVERT"))


def _with_times(row: Mapping[str, Any], ends: Mapping[str, int]) -> dict[str, Any]:
    """Return the row with Unix ms as the decimal seconds ClickHouse reads. Raises `ValueError` for no such time."""
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
    """Say what is wrong without the rows ClickHouse likes to quote, which hold what people sent."""
    text = str(error)
    name = getattr(error, "name", None)
    if not name:
        return text.partition("\n")[0][:300] or type(error).__name__
    at = _FIELD.search(text)
    field = f" in field {at[1] or at[2]}" if at else ""
    return f"{name}{field} (ClickHouse error {getattr(error, 'code', None)})"
