"""Reads a safe subset of YAML into plain data, with the place of every value.

No aliases, anchors or tags; only true/false are booleans ("yes" and "no" are texts); duplicate keys are errors.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from model.config.problems import Diagnostic, DiagnosticSeverity, FieldPath, format_path, quoted

DEPTH_LIMIT = 48  # ten times what the file needs, for deep mappings
VALUES_LIMIT = 100_000  # of some thousand sources and destinations; bounds the memory a hostile file can take
NUMBER_LIMIT_CHARS = 18  # fits 64 bits; anything longer stays text and is refused where a number is expected
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS = {text: None for text in ("", "~", "null", "Null", "NULL")} | {
    text: text.lower() == "true" for text in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,2})?")
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Document:
    """``data``: dict, list, str, int, float, bool or None; ``marks``: (line, column) from 1 by path."""

    file: str
    data: Any = None
    marks: dict[FieldPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    faulty: set[FieldPath] = field(default_factory=set)  # an error is recorded there; None replaces the value

    def place(self, path: FieldPath) -> tuple[int, int]:
        """Return the place of a path, or of its nearest parent in the file."""
        known = next((path[:n] for n in range(len(path), 0, -1) if path[:n] in self.marks), ())
        return self.marks.get(known, (1, 1))

    def note(
        self,
        place: tuple[int, int],
        message: str,
        remedy: str,
        path: FieldPath = (),
        severity: DiagnosticSeverity = DiagnosticSeverity.ERROR,
    ) -> None:
        """Add a problem."""
        self.problems.append(
            Diagnostic(
                file=self.file,
                line=place[0],
                column=place[1],
                path=format_path(path),
                message=message,
                remedy=remedy,
                severity=severity,
            )
        )


class _Unreadable(Exception):
    """Stops reading; the problem is already recorded."""


def read_yaml(content: bytes, file: str) -> Document:
    """Read a document. All errors are in ``problems``; reading continues where possible."""
    document = Document(file)
    try:
        _read(content, document)
    except _Unreadable:
        document.faulty.add(())
    return document


def _read(content: bytes, document: Document) -> None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        place = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
        raise _stop(document, place, "the file is not UTF-8 text", "Save it with encoding UTF-8") from None
    if unprintable := _UNPRINTABLE.search(text):
        at = unprintable.start()
        place = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        raise _stop(document, place, f"control character {unprintable[0]!r}", "Remove it")
    try:
        _Builder(document, yaml.parse(text, Loader=_LOADER)).build()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        written = text.split("\n", line + 1)[line] if line <= text.count("\n") else ""
        indent = written[: len(written) - len(written.lstrip())]
        remedy = "Indent with spaces, not tabs" if "\t" in indent else "Look at this line and the one above it"
        message = f"not valid YAML: {error.problem or 'something is missing'}"
        raise _stop(document, (line + 1, column + 1), message, remedy) from None
    except yaml.YAMLError:
        raise _stop(document, (1, 1), "not valid YAML", "Write it again in an editor that checks YAML") from None


def _stop(document: Document, place: tuple[int, int], message: str, remedy: str) -> _Unreadable:
    document.note(place, message, remedy)
    return _Unreadable()


class _Builder:
    """Builds from parse events, so that limits apply before anything is built."""

    def __init__(self, document: Document, events: Iterator[yaml.Event]) -> None:
        self._document = document
        self._events = events
        self._values = 0

    def build(self) -> None:
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._stop(event, "a second document starts here", "Keep one; remove '---'")
            elif isinstance(event, yaml.NodeEvent):
                self._document.marks[()] = _place(event)
                self._document.data = self._node(event, ())
        if self._document.data is None and not self._document.problems:
            raise _stop(self._document, (1, 1), "the file is empty", "Start with 'version: 1'")

    def _node(self, event: yaml.Event, path: FieldPath) -> Any:
        self._values += 1
        if self._values > VALUES_LIMIT:
            raise self._stop(event, f"more than {VALUES_LIMIT} values", "Split the workspace over several deployments")
        if len(path) > DEPTH_LIMIT:
            remedy = "Close the brackets, or check the indentation"
            raise self._stop(event, f"nested deeper than {DEPTH_LIMIT} levels", remedy)
        if isinstance(event, yaml.AliasEvent):
            return self._fault(path, "an alias (*name)", "Write the value out; text starting with '*' needs quotes")
        if getattr(event, "anchor", None):
            self._fault(path, "an anchor (&name)", "Remove it; text starting with '&' needs quotes")
        if getattr(event, "tag", None) is not None:
            self._fault(path, "a tag (!name)", "Remove it; text starting with '!' needs quotes")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        return self._sequence(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)

    def _mapping(self, path: FieldPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or not _is_unicode(event.value):
                raise self._stop(event, "a key that is not plain text", "Write 'name: value' in each line")
            key = event.value
            entry = (*path, key)
            if key in mapping:
                message = f"{quoted(key)} stands here again, after line {self._document.marks[entry][0]}"
                self._document.note(_place(event), message, "Keep one of the two", entry)
                self._node(next(self._events), (*entry, "(again)"))
                continue
            self._document.marks[entry] = _place(event)
            mapping[key] = self._node(next(self._events), entry)
        return mapping

    def _sequence(self, path: FieldPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = (*path, len(items))
            self._document.marks[item] = _place(event)
            items.append(self._node(event, item))
        return items

    def _scalar(self, event: yaml.ScalarEvent, path: FieldPath) -> Any:
        text = event.value
        if not _is_unicode(text):
            return self._fault(path, "half of a surrogate pair (\\ud800 to \\udfff)", "Write the character itself")
        if event.style:  # quoted or a block: text whatever it looks like
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if len(text) <= NUMBER_LIMIT_CHARS:
            if _INTEGER.fullmatch(text):
                return int(text)
            if _FLOAT.fullmatch(text):
                return float(text)
        return text

    def _stop(self, event: yaml.Event, message: str, remedy: str) -> _Unreadable:
        return _stop(self._document, _place(event), message, remedy)

    def _fault(self, path: FieldPath, found: str, remedy: str) -> None:
        self._document.note(self._document.place(path), f"{found} is not allowed here", remedy, path)
        self._document.faulty.add(path)


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
