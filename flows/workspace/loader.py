"""Reads the workspace file from disk. `model.workspace.reader` validates its content."""

from collections.abc import Mapping
from pathlib import Path

from flows.workspace.outbound import CertificatesUnusable, read_certificates
from model.config.problems import Diagnostic
from model.workspace.reader import FILE_LIMIT_BYTES, ParseResult, read_workspace
from model.workspace.workspace import Workspace


def read_workspace_file(path: Path, environ: Mapping[str, str]) -> ParseResult:
    """Read a workspace file; a file that cannot be opened is reported as a problem of the workspace."""
    try:
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or type(error).__name__}"
        remedy = "Check the path and its permissions"
        return ParseResult(None, (Diagnostic(file=str(path), message=message, remedy=remedy),))
    return _with_files(read_workspace(content, file=str(path), environ=environ), str(path))


def _with_files(reading: ParseResult, file: str) -> ParseResult:
    """Check the files that a valid workspace refers to."""
    config = reading.workspace.delivery if reading.workspace else None
    if config is None or config.ca_file is None:
        return reading
    try:
        read_certificates(config.ca_file)
    except CertificatesUnusable as error:
        problem = Diagnostic(file=file, path="delivery.ca_file", message=str(error), remedy=error.remedy)
        return ParseResult(None, (*reading.problems, problem))
    return reading


def load_workspace(path: Path, environ: Mapping[str, str]) -> Workspace:
    """Read a workspace file. Raises `WorkspaceInvalid` with everything wrong in it."""
    return read_workspace_file(path, environ).valid()
