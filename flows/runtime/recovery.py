"""A flow's positions live in its recovery directory. One that was lost must not become a silent restart from zero.

The first start writes the same random identity into the topic store and the recovery directory; a later start with
one of them missing, or with two that differ, is refused (docs/decisions/0001-bytewax.md). It also names the log, once:
what is named by its place there gets another name when topics are made anew.
"""

import secrets
from pathlib import Path

from bytewax.recovery import init_db_dir

from flows.topics.interface import Topics

IDENTITY_FILE = "identity"
SNAPSHOTS = "part-*.sqlite3"  # what Bytewax keeps in a recovery directory


class RecoveryLost(Exception):
    """The recovery directory does not belong to the topics; the text says what to do."""


def claim(topics: Topics, flow: str, recovery: Path) -> None:
    """Check that the recovery directory is this flow's, creating both on the first start. Raises `RecoveryLost`."""
    known = identity_of(topics, flow)
    file = recovery / IDENTITY_FILE
    whole = file.exists() and any(recovery.glob(SNAPSHOTS))
    found = file.read_bytes() if whole else None
    if known is None and found is None:
        reset_recovery(topics, flow, recovery)
        return
    if known == found:
        return
    if found is None:
        raise RecoveryLost(
            f"The recovery directory of flow {flow} is gone: {recovery}. Its positions were in it. "
            f"Put it back from a backup, or run `waybill recover {flow}`, which restarts from the last position the "
            "flow published: nothing is lost, some deliveries may be sent twice."
        )
    raise RecoveryLost(
        f"The recovery directory {recovery} belongs to other topics than those configured. "
        f"Check topics.url and the data directory; if the topics were replaced on purpose, "
        f"run `waybill recover {flow}`."
    )


def identity_of(topics: Topics, flow: str) -> bytes | None:
    """The identity of a flow as the topics know it; None before its first start."""
    return topics.mark(_mark(flow))


def log_id(topics: Topics, flow: str) -> str:
    """The name of the log that a flow reads, since its first start there."""
    return (topics.mark(f"{flow}.log") or b"").decode()


def _mark(flow: str) -> str:
    return f"{flow}.identity"


def reset_recovery(topics: Topics, flow: str, recovery: Path) -> None:
    """Make an empty recovery directory and the identity of both. The caller has set where the flow begins."""
    recovery.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in (*recovery.glob(SNAPSHOTS), *recovery.glob("*.sqlite3-*")):
        old.unlink()
    init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]
    identity = secrets.token_hex(16).encode()
    if identity_of(topics, flow) is None:  # a log that has been read before keeps its name, also if that is none
        topics.put_metadata(f"{flow}.log", secrets.token_hex(8).encode())
    # The directory first: a crash between the two is refused as "other topics", never resumed from zero.
    (recovery / IDENTITY_FILE).write_bytes(identity)
    topics.put_metadata(_mark(flow), identity)
