"""`waybill`: the command line. Every command has --help with an example, --json where it answers, and exit codes.

0: done. 1: the answer is no (an invalid file, an unexplained delivery). 2: it could not be done; the text says why.
"""

import logging
import os
import secrets
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from console import check as checking
from console import demo as demonstration
from console import destinations as catalogue
from console import explain as explaining
from console import recover as recovering
from console import redrive as redriving
from console import report as reporting
from console import report_drawing
from console import test_event as testing
from console import trace as tracing
from console.alerts.cli import alerts_app
from console.errors import explain_errors
from console.event_file import complete, find_event, read_event, source_of
from console.foreground import asked_to_stop, log_to_stderr
from console.period import parse_period
from console.run import Part, migrate_waiting, run_flow, running_ingest
from console.server_file import open_views, sole_process
from console.supervisor import Unit
from console.up import run_all
from flows.clock import wall_clock_ms
from flows.configuration import configure
from flows.installation import Installation, open_installation, store_url
from flows.redrive_ledger import Plan
from flows.testing import TestPlan
from flows.topic_sink import PARTS
from flows.workspace_file import load_workspace
from model.attempt import Answer
from model.destinations.catalogue import DESTINATIONS
from model.http import HttpRequest
from model.workspace_users import hash_of
from sinks.store import open_store

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Deliver events to the tools you use, and account for every one of them.",
)
app.add_typer(alerts_app, name="alerts")
WorkspaceFile = Annotated[Path, typer.Option("--workspace", "-w", envvar="WAYBILL_WORKSPACE", help="Workspace file.")]
DataDirectory = Annotated[Path, typer.Option("--data", "-d", envvar="WAYBILL_DATA", help="Data directory.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON line.")]
WORKSPACE = Path("workspace.yaml")
DATA = Path("data")


@app.command(epilog="Example: waybill demo --events 20000")
def demo(
    events: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many events to send.")] = 5_000,
    json: AsJson = False,
) -> None:
    """Send events through the whole system to three made-up destinations and show the report.

    Exit 0 only when every delivery is accounted for: none unexplained, none pending.
    """
    log_to_stderr(logging.ERROR)
    with explain_errors():
        result = demonstration.run_demo(events, Console(stderr=True))
    if json:
        _print_json(result.report.to_json())
    else:
        report_drawing.render(result.report, Console())
    raise typer.Exit(0 if result.complete else 1)


@app.command(epilog="Example: waybill up --workspace workspace.yaml --data data")
def up(workspace: WorkspaceFile = WORKSPACE, data: DataDirectory = DATA) -> None:
    """Run the whole system (ingest, delivery, recording, alerting) in this process until Ctrl-C."""
    log_to_stderr(logging.INFO)
    stop = asked_to_stop()
    console = Console(stderr=True)
    with (
        explain_errors(),
        _installation(workspace, data) as installation,
        run_all(installation, watch_file=workspace) as running,
    ):
        console.print(f"Waybill takes events at [bold]{running.address}/v1[/], Ctrl-C stops it.")
        while not stop.wait(1):
            if failure := running.failure():
                console.print(f"[bold red]{failure}[/]")
                raise typer.Exit(2)
        console.print("Stopping: finishing calls under way …")


@app.command(epilog="Example: waybill run delivery --processes 2")
def run(
    part: Annotated[Part, typer.Argument(help="What this process is to do.")],
    processes: Annotated[int, typer.Option(min=1, max=PARTS, help="Of delivery: how many share the work.")] = 1,
    port: Annotated[int | None, typer.Option(help="Of ingest: instead of the workspace's port.")] = None,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
) -> None:
    """Run one part of Waybill until Ctrl-C or SIGTERM, for topics on Kafka and a ClickHouse server.

    The processes of a flow start, stop and die together, and are started again when they die.
    """
    if processes > 1 and part is not Part.DELIVERY:
        raise typer.BadParameter(f"{part} is one process; only delivery is shared")
    log_to_stderr(logging.INFO)
    stop = asked_to_stop()
    console = Console(stderr=True)
    with explain_errors():
        if part is Part.INGEST:
            with running_ingest(workspace, data, port) as address:
                console.print(f"Waybill takes events at [bold]{address}/v1[/], Ctrl-C stops it.")
                stop.wait()
            return
        code = run_flow(Unit(part, processes, workspace, data), stop)
    raise typer.Exit(code)


@app.command(epilog="Example: waybill check --explain event.json")
def check(
    workspace: WorkspaceFile = WORKSPACE,
    explain: Annotated[
        Path | None, typer.Option(help="An event as an app sends it (JSON; - for standard input).")
    ] = None,
    source: Annotated[str, typer.Option(help="The source the event is from, if there are several.")] = "",
    json: AsJson = False,
) -> None:
    """Show everything that is wrong with the workspace file, or what goes where. Exit 1 when it cannot be used.

    With --explain: what would happen to an event on every connection. Nothing is sent; insert functions do run.
    """
    if explain is not None:
        with explain_errors():
            configuration = configure(load_workspace(workspace, os.environ))
            from_source = source_of(configuration.workspace, source)
            event = read_event(explain, from_source, wall_clock_ms())
            explained = explaining.explain_event(configuration, event)
        if json:
            _print_json(explaining.to_json(event, explained))
        else:
            explaining.render(event, explained, configuration.redactor, Console())
        return
    result = checking.check(workspace, os.environ)
    if json:
        _print_json(checking.to_json(result))
    else:
        checking.render(result, Console())
    raise typer.Exit(result.exit_code)


@app.command(epilog="Example: waybill destinations amplitude")
def destinations(
    type_: Annotated[str, typer.Argument(metavar="[TYPE]", help="One type, for all there is to know about it.")] = "",
    json: AsJson = False,
) -> None:
    """Show what Waybill can deliver to, and the settings of each."""
    chosen = tuple(kind for kind in DESTINATIONS if type_ in {"", catalogue.type_of(kind)})
    if not chosen:
        known = ", ".join(catalogue.type_of(kind) for kind in DESTINATIONS)
        raise typer.BadParameter(f"there is no destination type {type_!r}; there are {known}")
    if json:
        _print_json({"destinations": catalogue.to_json(chosen)})
    elif type_:
        catalogue.render_one(chosen[0], Console())
    else:
        catalogue.render(Console())


@app.command(epilog="Example: waybill migrate --workspace workspace.yaml")
def migrate(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to keep trying while the store is away.")] = 0,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Bring the store's schema up to date. Doing it twice is harmless; `waybill up` does it by itself."""
    with explain_errors(), _installation(workspace, data) as installation:
        with closing(open_store(installation.store_url, may_be_away=True)) as store:
            applied = migrate_waiting(installation, store, wait)
    if json:
        _print_json({"applied": applied})
    else:
        typer.echo(f"{store.name}: {applied} migrations applied" if applied else f"{store.name}: up to date")


@app.command(epilog="Example: waybill report --period 24h --destination crm")
def report(
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    period: Annotated[str, typer.Option(help="How far back: 15m, 24h, 7d.")] = "1h",
    source: Annotated[str, typer.Option(help="Only this source.")] = "",
    destination: Annotated[str, typer.Option(help="Only this destination.")] = "",
    errors: Annotated[bool, typer.Option("--errors", help="All details of each error.")] = False,
    json: AsJson = False,
) -> None:
    """Show what was delivered, what was not and why, latency, trend, balance. Exit 1: something is unexplained."""
    length = parse_period(period)
    with explain_errors():
        settings = load_workspace(workspace, os.environ)
        with open_views(data, store_url(settings, data)) as view:
            from_ms, to_ms = length.until(wall_clock_ms())
            shown = reporting.build_report(
                view,
                from_ms,
                to_ms,
                source=source,
                destination=destination,
                not_reportable=[
                    reporting.NotReportable(connection.source, connection.destination, reason)
                    for connection, reason in settings.not_reportable()
                ],
            )
    if json:
        _print_json(shown.to_json())
    else:
        report_drawing.render(shown, Console(), with_error_details=errors)
    raise typer.Exit(1 if shown.unexplained else 0)


@app.command(epilog="Example: waybill trace 4f3c2a10-6f0e-4c57-9d43-0a1b2c3d4e5f")
def trace(
    message_id: Annotated[str, typer.Argument(help="The messageId of an event.")],
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Show what became of one event: received, routed, each attempt, outcome. Exit 1 when it is not known."""
    if not _is_text(message_id):
        raise typer.BadParameter("a messageId is text in UTF-8")
    with explain_errors(), open_views(data, _store_url(workspace, data)) as view:
        found = tracing.build_trace(view, message_id, wall_clock_ms())
    if json:
        _print_json(found.to_json())
    else:
        tracing.render(found, Console())
    raise typer.Exit(0 if found.steps else 1)


@app.command(epilog="Example: waybill recover delivery")
def recover(
    flow: Annotated[
        str, typer.Argument(help="The flow whose recovery directory was lost: delivery, recording, alerting.")
    ],
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    json: AsJson = False,
) -> None:
    """Start a flow again whose recovery directory was lost, at the last position it published."""
    with explain_errors(), _installation(workspace, data) as installation, sole_process(data):
        plan = recovering.plan(installation, flow)
        if not json:
            recovering.render(plan, Console())
        if not yes and not typer.confirm("Start there?", err=True):
            raise typer.Exit(2)
        recovering.apply(installation, plan)
    if json:
        _print_json(plan.to_json())


@app.command("test-event", epilog="Example: waybill test-event --destination crm --event event.json")
def test_event(
    destination: Annotated[str, typer.Option(help="Where it is sent.")],
    source: Annotated[str, typer.Option(help="The source it is from, if there are several.")] = "",
    mapping: Annotated[str, typer.Option(help="Only this mapping; else all that take the event.")] = "",
    event: Annotated[
        Path | None, typer.Option(help="An event as an app sends it (JSON; - for standard input).")
    ] = None,
    message_id: Annotated[str, typer.Option(help="An event received before.")] = "",
    apply_filters: Annotated[bool, typer.Option("--apply-filters", help="Do not pass filters by.")] = False,
    apply_insert_function: Annotated[
        bool, typer.Option("--apply-insert-function", help="Do not pass the insert function by.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Send one event to one destination and show the answer. It is a real call; it is in no count.

    Without --event or --message-id an event of Waybill's own is sent. Exit 1: it was not delivered; 2: not sent.
    """
    shown = Console(stderr=json)
    with explain_errors(), _installation(workspace, data) as installation:
        configuration = configure(installation.workspace)
        from_source = source_of(configuration.workspace, source, destination)
        if message_id:
            found = find_event(installation.topics, configuration.workspace, message_id, from_source)
        elif event is not None:
            found = read_event(event, from_source, wall_clock_ms())
        else:
            found = complete(testing.sample_event(), from_source, wall_clock_ms())

        def agreed(plan: TestPlan, requests: list[HttpRequest | Answer], words: list[str]) -> bool:
            testing.render_plan(configuration, plan, requests, words, shown)
            question = f"This is a real event that will appear in {destination}, send it?"
            if not yes and not typer.confirm(question, err=True):
                raise typer.Exit(2)
            return True

        wish = testing.Test(
            destination=destination,
            mapping=mapping,
            apply_filters=apply_filters,
            apply_insert_function=apply_insert_function,
            author=testing.local_author(),
        )
        result = testing.run_test(configuration, installation.topics, found, wish, agreed=agreed)
        testing.render_result(configuration, result, shown)
    if json:
        _print_json(testing.to_json(configuration, result))
    raise typer.Exit(0 if result.delivered else 1)


@app.command(epilog="Example: waybill redrive --destination crm --code 503 --from 2026-11-20T08:00 --dry-run")
def redrive(
    destination: Annotated[str, typer.Option(help="The destination that did not get them.")],
    code: Annotated[list[str] | None, typer.Option(help="Only what failed so; can be given several times.")] = None,
    from_: Annotated[str, typer.Option("--from", help="Only what failed at this time or later (UTC).")] = "",
    to: Annotated[str, typer.Option(help="Only what failed before this time (UTC).")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be sent.")] = False,
    rate: Annotated[int, typer.Option(min=1, max=100_000, help="Deliveries a second.")] = 200,
    yes: Annotated[bool, typer.Option("--yes", help="Do it without asking.")] = False,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Send again what was discarded or expired, as far as it has not arrived since. Shows the count first.

    Exit 2: not agreed to, or stopped before all were on their way.
    """
    if not all(_is_text(given) for given in (destination, *(code or ()))):
        raise typer.BadParameter("destinations and codes are text in UTF-8")
    shown = Console(stderr=json)

    def agreed(plan: Plan) -> bool:
        redriving.render_plan(plan, choice, rate, shown)
        if dry_run or not plan.total:
            return False
        if not yes and not typer.confirm(f"Send {plan.total} to {destination} again?", err=True):
            raise typer.Exit(2)
        return True

    with explain_errors(), redriving.only_redrive(data), _installation(workspace, data) as installation:
        choice = redriving.choose(installation.workspace, destination, code or (), from_, to)
        console = Console(stderr=True)
        result = redriving.run(installation, choice, rate_per_second=rate, agreed=agreed, console=console)
        if result.redrive_id:
            redriving.render_result(result, data, shown)
    if json:
        _print_json(result.to_json())
    raise typer.Exit(2 if result.stopped else 0)


@app.command(epilog="Example: waybill token")
def token() -> None:
    """Make an API token for a user of the workspace: the token itself, shown once, and the hash for the file."""
    made = secrets.token_urlsafe(32)
    console = Console()
    console.print(f"token  {made}", soft_wrap=True)
    console.print(f"hash   {hash_of(made)}   for token_hashes of the user in the workspace file", soft_wrap=True)


def _is_text(argument: str) -> bool:
    """Whether an argument is Unicode; Python gives bytes that are not as lone surrogates."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in argument)


def _store_url(workspace: Path, data: Path) -> str:
    return store_url(load_workspace(workspace, os.environ), data)


class _installation:
    """Open an installation for the length of a command."""

    def __init__(self, workspace: Path, data: Path) -> None:
        self._installation = open_installation(load_workspace(workspace, os.environ), data)

    def __enter__(self) -> Installation:
        return self._installation

    def __exit__(self, *_: object) -> None:
        self._installation.topics.close()


def _print_json(answer: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(answer).decode() + "\n")
