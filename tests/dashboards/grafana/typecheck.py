"""Dashboards against the types Grafana itself is written with (@grafana/schema), by the TypeScript compiler."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.dashboards.grafana.node import node_modules

TYPES = Path(__file__).parent / "types"
# Keys for which the SDK writes defaults though only variables that are intervals have them.
_INTERVAL_KEYS = ("auto", "auto_min", "auto_count")
_OPTIONS = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext"]


def type_errors(documents: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What the compiler says of dashboards by name. Raises `NodeMissing`, RuntimeError when the compiler cannot run."""
    modules = node_modules(TYPES / "package.json")
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "node_modules").symlink_to(modules)
        (directory / "package.json").write_text('{"type": "module"}')
        shutil.copy(TYPES / "check.ts", directory)
        for at, document in enumerate(documents.values()):
            text = json.dumps(_without_interval_keys(document), indent=1)
            (directory / f"dashboard{at}.ts").write_text(
                f"import type {{ Checked }} from './check.js';\nexport const it = {text} satisfies Checked;\n"
            )
        command = ["node", str(modules / "typescript" / "bin" / "tsc"), *_OPTIONS]
        files = [f"dashboard{at}.ts" for at in range(len(documents))]
        done = subprocess.run(
            [*command, *files], cwd=directory, capture_output=True, text=True, timeout=120, check=False
        )
        if done.returncode not in (0, 1, 2):
            raise RuntimeError(f"tsc failed: {done.stdout[-500:]}{done.stderr[-500:]}")
        lines = done.stdout.splitlines()
    for at, title in enumerate(documents):
        lines = [line.replace(f"dashboard{at}.ts", title) for line in lines]
    if done.returncode and not lines:
        raise RuntimeError(f"tsc failed: {done.stderr[-500:]}")
    return lines


def _without_interval_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    variables = (document.get("templating") or {}).get("list") or []
    kept = [{key: value for key, value in item.items() if key not in _INTERVAL_KEYS} for item in variables]
    return {**document, "templating": {**(document.get("templating") or {}), "list": kept}}
