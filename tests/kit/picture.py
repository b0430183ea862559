"""Draw docs/report.svg, the picture of the report in the README, from a demo run: ``python -m tests.kit.picture``."""

import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from console.demo.demo import run_demo
from console.reports.render import render

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "report.svg"
# The font comes from the reader's own machine: no address of a font server in the file.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)

report = run_demo(5_000, Console(stderr=True))
console = Console(record=True, width=100, file=Path("/dev/null").open("w", encoding="utf-8"))
render(report, console)
PICTURE.parent.mkdir(exist_ok=True)
PICTURE.write_text(console.export_svg(title="waybill demo", code_format=FORMAT), encoding="utf-8")
