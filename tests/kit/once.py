"""What tests install or compile is made once and kept outside git, by a hash of what it is made of."""

import fcntl
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache"


def made_once(kind: str, name: str, made_of: bytes, make: Callable[[Path], None]) -> Path:
    """The directory that ``make`` fills. Workers that want the same one wait for the first of them."""
    kept = CACHE / kind / f"{name}-{hashlib.sha256(made_of).hexdigest()[:12]}"
    if kept.exists():
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
                inner = Path(scratch) / "complete"
                inner.mkdir()
                make(inner)
                inner.rename(kept)  # when complete: an interrupted run leaves nothing that is half done
    return kept
