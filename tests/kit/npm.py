"""npm packages, installed once per list of packages, outside git."""

import shutil
import subprocess
from pathlib import Path

from tests.kit.once import made_once

INSTALL_SECONDS = 600


class NodeMissing(Exception):
    """Node.js or npm is not on this machine."""


def node_modules(package: Path) -> Path:
    """The node_modules of a package.json. Raises `NodeMissing`, RuntimeError when the install fails."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NodeMissing("node or npm is missing: install Node.js 20 or newer")
    wanted = package.read_bytes()

    def install(directory: Path) -> None:
        (directory / "package.json").write_bytes(wanted)
        command = ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"npm install of {package.parent.name} failed: {done.stderr[-2000:]}")

    return made_once("node", package.parent.name, wanted, install) / "node_modules"
