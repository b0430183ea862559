"""The views of ``sql/views/``: their parameters, and their definitions with every view they read inlined.

ClickHouse analyses a view again at each level that reads it, so each level of nesting doubles the time before a query
starts. The files keep views nested, for people to read and change; the store gets them inlined.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

SQL = Path(__file__).with_name("sql")  # in the repository a link to sql/
INLINED = "inlined from sql/"  # the start of the comment of each view that Waybill created
_VIEW = re.compile(r"^CREATE VIEW (\w+) AS$(.*?);$", re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"\{(\w+):([\w()]+)\}")
_COMMENT = re.compile(r"--[^\n]*")
_CALL = re.compile(r"\b(FROM|JOIN)\s+(\w+)\b(\(?)")
_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'")


def read_definitions(directory: Path) -> dict[str, str]:
    """Return the definition of every view in the files of a directory, by name. `ValueError`: defined twice."""
    definitions: dict[str, str] = {}
    for path in sorted(directory.glob("*.sql")):
        for name, body in _VIEW.findall(path.read_text(encoding="utf-8")):
            if name in definitions:
                raise ValueError(f"{path}: view {name} is defined a second time")
            definitions[name] = _COMMENT.sub("", body).strip()
    return definitions


def parameters_of(definition: str) -> dict[str, str]:
    """Return the parameters of a view: name to ClickHouse type."""
    return dict(_PARAMETER.findall(definition))


def statements_of(script: str) -> list[str]:
    """Return the statements of a file, without comments and line breaks."""
    return [" ".join(part.split()) for part in _COMMENT.sub("", script).split(";") if part.strip()]


def fingerprint(definition: str) -> str:
    """Return the comment a view with this definition has in the store."""
    return f"{INLINED}, {hashlib.sha256(definition.encode()).hexdigest()[:16]}"


def inline_views(definition: str, definitions: Mapping[str, str]) -> str:
    """Return a view's definition with each view it reads replaced by that view's definition."""
    parts, done = [], 0
    for called in _CALL.finditer(definition):
        inner = definitions.get(called[2])
        if inner is None or called.start() < done:
            continue
        end = called.end()
        values: dict[str, str] = {}
        if called[3]:
            arguments, end = _arguments(definition, end)
            values = dict(arguments)
        flat = inline_views(_with_values(inner, values), definitions)
        parts += [definition[done : called.start()], f"{called[1]} ({flat})"]
        done = end
    return "".join([*parts, definition[done:]])


def _with_values(definition: str, values: Mapping[str, str]) -> str:
    def value(parameter: re.Match[str]) -> str:
        given = values[parameter[1]]
        same = _PARAMETER.fullmatch(given)
        return given if same and same[2] == parameter[2] else f"CAST({given}, '{parameter[2]}')"

    return _PARAMETER.sub(value, definition)


def _arguments(text: str, start: int) -> tuple[Iterator[tuple[str, str]], int]:
    """Return the arguments of a call, ``name = value``, and where the call ends; ``start``: after its parenthesis."""
    depth, at, cuts = 1, start, [start]
    while depth:
        if text[at] == "'":
            quoted = _TEXT.match(text, at)
            assert quoted is not None
            at = quoted.end()
            continue
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0 or depth == 1 and text[at] == ",":
            cuts.append(at)
        at += 1
    pairs = (text[a:b].lstrip(",").split("=", 1) for a, b in zip(cuts, cuts[1:], strict=False))
    return ((name.strip(), value.strip()) for name, value in pairs), at


DEFINITIONS = read_definitions(SQL / "views")
VIEWS = {name: parameters_of(definition) for name, definition in DEFINITIONS.items()}
"""The parameters of each view: name to ClickHouse type."""
