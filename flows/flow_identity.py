"""A flow's positions live in its recovery directory. One that was lost must not become a silent restart from zero.

The first start writes the same random identity into the topic store and the recovery directory; a later start with
one of them missing, or with two that differ, is refused (design 5.8).
"""

import secrets
from pathlib import Path

from bytewax.recovery import init_db_dir

from flows.topics import Topics

IDENTITY_FILE = "identity"
SNAPSHOTS = "part-*.sqlite3"  # what Bytewax keeps in a recovery directory


class RecoveryLost(Exception):
    """The recovery directory does not belong to the topics; the text says what to do."""


def claim(topics: Topics, flow: str, recovery: Path) -> None:
    """Check that the recovery directory is this flow's, creating both on the first start. Raises `RecoveryLost`."""
    mark = f"{flow}.identity"
    known = topics.mark(mark)
    file = recovery / IDENTITY_FILE
    whole = file.exists() and any(recovery.glob(SNAPSHOTS))
    found = file.read_bytes() if whole else None
    if known is None and found is None:
        begin_anew(topics, flow, recovery)
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


def begin_anew(topics: Topics, flow: str, recovery: Path) -> None:
    """Make an empty recovery directory and the identity of both. The caller has set where the flow begins."""
    recovery.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in (*recovery.glob(SNAPSHOTS), *recovery.glob("*.sqlite3-*")):
        old.unlink()
    init_db_dir(recovery, 1)  # type: ignore[no-untyped-call]
    identity = secrets.token_hex(16).encode()
    # The directory first: a crash between the two is refused as "other topics", never resumed from zero.
    (recovery / IDENTITY_FILE).write_bytes(identity)
    topics.put_mark(f"{flow}.identity", identity)
