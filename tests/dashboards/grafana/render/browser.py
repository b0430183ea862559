"""The page of a dashboard, bundled once, and photographed by Chromium, which gets no network."""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.dashboards.grafana.node import node_modules

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BUNDLE_SECONDS = 300
PHOTOGRAPH_SECONDS = 120


class DrawingFailed(Exception):
    """The page could not be built or drawn; the text says what the tool or the page said."""


def photograph(state: Mapping[str, Any], picture: Path, width_px: int, height_px: int) -> None:
    """Draw a state (see `recording.state`) to a PNG. Raises `DrawingFailed`, and `NodeMissing` without npm."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise DrawingFailed(f"no browser: install one of {', '.join(BROWSERS)}")
    modules = node_modules(HERE / "package.json")
    bundle = _bundle(modules)
    with tempfile.TemporaryDirectory() as name:
        page = Path(name)
        for file in (*bundle.iterdir(), HERE / "page.html"):
            (page / file.name).symlink_to(file)
        (page / "state.json").write_text(json.dumps(state, allow_nan=False), encoding="utf-8")
        icons = modules / "@grafana" / "ui" / "dist" / "public"
        command = ["node", str(HERE / "photograph.cjs"), browser, name, str(icons), str(picture.absolute())]
        _run([*command, str(width_px), str(height_px)], modules, PHOTOGRAPH_SECONDS)


def _bundle(modules: Path) -> Path:
    sources = sorted(HERE.glob("*.jsx"))
    fingerprint = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    bundle = modules.parent / f"bundle-{fingerprint}"
    if bundle.exists():
        return bundle
    with tempfile.TemporaryDirectory(dir=modules.parent) as scratch:
        loaders = [f"--loader:.{kind}=dataurl" for kind in ("svg", "woff", "woff2", "ttf")]
        command = [
            "node", str(modules / "esbuild" / "bin" / "esbuild"), str(HERE / "page.jsx"), "--bundle", "--minify",
            "--jsx=automatic", "--define:global=window", '--define:process.env.NODE_ENV="production"', *loaders,
            f"--outdir={scratch}/complete", "--log-level=error",
        ]  # fmt: skip
        _run(command, modules, BUNDLE_SECONDS)
        Path(scratch, "complete").rename(bundle)
    return bundle


def _run(command: list[str], modules: Path, seconds: int) -> None:
    environment = {**os.environ, "NODE_PATH": str(modules)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise DrawingFailed(f"{Path(command[1]).name} took more than {seconds} seconds") from error
    if done.returncode:
        raise DrawingFailed(f"{Path(command[1]).name}: {done.stderr[-2000:]}")
