"""Running a panel's SQL on the store, and its answer as the frames a panel draws."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sinks.clickhouse.store import Store
from tests.dashboards.grafana.dashboard import Annotation, Panel
from tests.dashboards.grafana.macros import expand
from tests.dashboards.grafana.variables import Choice, PanelTime

TIME_SERIES = 0
_READ_ONLY = {"readonly": 2}


class NotARead(Exception):
    """A statement that is no query."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query gives: names and ClickHouse types of the columns, and the rows."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, name: str) -> list[Any]:
        at = self.names.index(name)
        return [row[at] for row in self.rows]


Run = Callable[[str], Answer]


def run_on(store: Store) -> Run:
    """A function that runs SQL on a store, as the plugin's user: it may only read.

    Only queries reach the engine: for other statements the driver would set readonly on the connection, which all
    tests of the process share, and could not take it back.
    """

    def run(sql: str) -> Answer:
        if not re.match(r"\s*(--[^\n]*\n\s*)*(SELECT|WITH)\b", sql, re.IGNORECASE):
            raise NotARead(sql)
        with store.client() as client:
            result = client.query(sql, settings=_READ_ONLY)
            names, types = tuple(result.column_names), tuple(kind.name for kind in result.column_types)
            if not result.result_rows:  # an answer without rows comes without columns too
                described = client.query(
                    f"DESCRIBE TABLE ({sql.strip().rstrip(';')}\n)", settings=_READ_ONLY
                ).result_rows
                names, types = tuple(row[0] for row in described), tuple(row[1] for row in described)
            return Answer(names, types, tuple(map(tuple, result.result_rows)))

    return run


def panel_answers(panel: Panel, run: Run, choices: Mapping[str, Choice], time: PanelTime) -> dict[str, Answer]:
    """The answer to each query of a panel by its refId."""
    return {target.ref_id: run(expand(target.raw_sql, choices, time)) for target in panel.targets}


def annotation_marks(annotation: Annotation, answer: Answer) -> list[dict[str, Any]]:
    """An answer as the marks Grafana makes of it: time (Unix ms), title, text and tags, of the columns so named.

    Without them it takes the first column of times and, as text, the first of strings. Raises ValueError without a
    column of times, and for a row without a time.
    """
    kinds = [kind_of(type_) for type_ in answer.types]
    places = {name.lower(): at for at, name in enumerate(answer.names)}
    for name, kind in (("time", "time"), ("text", "string")):
        if name not in places and kind in kinds:
            places[name] = kinds.index(kind)
    if "time" not in places or kinds[places["time"]] != "time":
        raise ValueError(f"annotation {annotation.name} has no column of times")
    taken: dict[str, int] = {name: places[name] for name in ("time", "title", "text", "tags") if name in places}
    marks = [{name: _plain(row[at]) for name, at in taken.items()} for row in answer.rows]
    if any(mark["time"] is None for mark in marks):
        raise ValueError(f"annotation {annotation.name} has a row without a time")
    return marks


def panel_frames(panel: Panel, answers: Mapping[str, Answer]) -> list[dict[str, Any]]:
    """Answers as Grafana's data frames, in JSON; times are Unix ms."""
    return [
        _wide(answers[target.ref_id], target.ref_id)
        if target.format == TIME_SERIES
        else _table(answers[target.ref_id], target.ref_id)
        for target in panel.targets
    ]


def _table(answer: Answer, ref_id: str) -> dict[str, Any]:
    fields = [
        {"name": name, "type": kind_of(type_), "config": {}, "values": list(map(_plain, answer.column(name)))}
        for name, type_ in zip(answer.names, answer.types, strict=True)
    ]
    return {"refId": ref_id, "fields": fields}


def _wide(answer: Answer, ref_id: str) -> dict[str, Any]:
    """One column of numbers per label set, as the plugin's backend makes a time series of long rows.

    Raises ValueError without a column of times, or for times that do not ascend, as the backend does.
    """
    kinds = [kind_of(type_) for type_ in answer.types]
    if "time" not in kinds:
        raise ValueError(f"query {ref_id} is a time series without a column of times")
    time_at = kinds.index("time")
    moments = [_plain(row[time_at]) for row in answer.rows]
    if moments != sorted(moments):
        raise ValueError(f"query {ref_id} is a time series whose times do not ascend")
    if "string" not in kinds:
        return _table(answer, ref_id)
    times = sorted(set(moments))
    places = {moment: at for at, moment in enumerate(times)}
    labels_at = [at for at, kind in enumerate(kinds) if kind == "string"]
    series: dict[tuple[tuple[str, str], ...], dict[int, list[Any]]] = {}
    for row, moment in zip(answer.rows, moments, strict=True):
        labels = tuple((answer.names[at], str(row[at])) for at in labels_at)
        columns = series.setdefault(labels, {at: [None] * len(times) for at, k in enumerate(kinds) if k == "number"})
        for at, values in columns.items():
            values[places[moment]] = _plain(row[at])
    fields = [{"name": answer.names[time_at], "type": "time", "config": {}, "values": times}]
    for labels, columns in sorted(series.items()):
        fields += [
            {"name": answer.names[at], "type": "number", "config": {}, "labels": dict(labels), "values": values}
            for at, values in columns.items()
        ]
    return {"refId": ref_id, "fields": fields}


def kind_of(type_: str) -> str:
    """Grafana's kind of a ClickHouse type: time, number, boolean or string."""
    while type_.startswith(("Nullable(", "LowCardinality(")):
        type_ = type_.partition("(")[2].removesuffix(")")
    if type_.startswith("Date"):
        return "time"
    if type_.startswith(("Int", "UInt", "Float", "Decimal", "BFloat")):
        return "number"
    return "boolean" if type_ == "Bool" else "string"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return round((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() * 1000)
    if isinstance(value, date):
        return round(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp() * 1000)
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None  # neither NaN nor infinity is JSON
    return value if value is None or isinstance(value, bool | int | str) else str(value)
