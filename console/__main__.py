"""`python -m console` is `waybill`."""

from console.cli import app

app(prog_name="waybill")
