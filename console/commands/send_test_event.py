"""`waybill test-event`."""

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from console.access import Caller, local_author
from console.command_line import DATA, WORKSPACE, AsJson, DataDirectory, WorkspaceFile, opened_deployment, print_json
from console.errors import explain_errors
from console.operations import event_tester as testing
from console.operations.event_file import complete, find_event, read_event, source_of
from flows.engine.clock import wall_clock_ms
from flows.operations.manual_send import ManualSendPlan
from flows.workspace.compiled import compile_workspace
from model.delivery.attempt import AttemptResult
from model.http.messages import HttpRequest
from model.workspace.permissions import Role


def send_test_event(
    destination: Annotated[str, typer.Option(help="The destination it is sent to.")],
    source: Annotated[str, typer.Option(help="The source it comes from, if there are several.")] = "",
    mapping: Annotated[str, typer.Option(help="Only this mapping; default: all that match the event.")] = "",
    event: Annotated[
        Path | None, typer.Option(help="An event as an app sends it (JSON; - for standard input).")
    ] = None,
    message_id: Annotated[str, typer.Option(help="messageId of an event that was received before.")] = "",
    apply_filters: Annotated[bool, typer.Option("--apply-filters", help="Apply the filters.")] = False,
    apply_insert_function: Annotated[
        bool, typer.Option("--apply-insert-function", help="Run the insert function.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    workspace: WorkspaceFile = WORKSPACE,
    data: DataDirectory = DATA,
    json: AsJson = False,
) -> None:
    """Send one event to one destination and show the response. It is a real call; no count includes it.

    Without --event or --message-id, Waybill sends a sample event. Exit 1: not delivered; 2: not sent.
    """
    shown = Console(stderr=json)
    with explain_errors(), opened_deployment(workspace, data) as deployment:
        configuration = compile_workspace(deployment.workspace)
        from_source = source_of(configuration.workspace, source, destination)
        if message_id:
            found = find_event(deployment.topics, configuration.workspace, message_id, from_source)
        elif event is not None:
            found = read_event(event, from_source, wall_clock_ms())
        else:
            found = complete(orjson.dumps(testing.SAMPLE), from_source, wall_clock_ms())

        def confirmed(plan: ManualSendPlan, requests: list[HttpRequest | AttemptResult], notes: list[str]) -> bool:
            testing.render_plan(configuration, plan, requests, notes, shown)
            question = f"This is a real event that will appear in {destination}, send it?"
            if not yes and not typer.confirm(question, err=True):
                raise typer.Exit(2)
            return True

        test = testing.EventTest(
            destination=destination,
            mapping=mapping,
            apply_filters=apply_filters,
            apply_insert_function=apply_insert_function,
            who=Caller(local_author(), Role.OWNER),
        )
        result = testing.run_event_test(configuration, deployment.topics, found, test, agreed=confirmed)
        testing.render_result(configuration, result, shown)
    if json:
        print_json(testing.to_json(configuration, result))
    raise typer.Exit(0 if result.delivered else 1)
