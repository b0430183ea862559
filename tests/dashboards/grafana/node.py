"""npm packages for the tools, installed once per list of packages, outside git."""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "node"
INSTALL_SECONDS = 600


class NodeMissing(Exception):
    """Node.js or npm is not on this machine."""


def node_modules(package: Path) -> Path:
    """The node_modules of a package.json. Raises `NodeMissing`, RuntimeError when the install fails."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NodeMissing("node or npm is missing: install Node.js 20 or newer to check and draw dashboards")
    wanted = package.read_bytes()
    installed = CACHE / f"{package.parent.name}-{hashlib.sha256(wanted).hexdigest()[:12]}" / "node_modules"
    if installed.exists():
        return installed
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        inner = Path(scratch) / "complete"
        inner.mkdir()
        (inner / "package.json").write_bytes(wanted)
        command = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(command, cwd=inner, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"npm install of {package.parent.name} failed: {done.stderr[-2000:]}")
        try:
            # Renamed when complete, so that an interrupted install, or another run's, is never used half done.
            inner.rename(installed.parent)
        except OSError:
            if not installed.exists():
                raise
    return installed
