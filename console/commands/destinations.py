"""`waybill destinations`."""

from typing import Annotated

import typer
from rich.console import Console

from console import destinations as catalogue
from console.command_line import AsJson, print_json
from model.destinations.catalogue import DESTINATIONS


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
        print_json({"destinations": catalogue.to_json(chosen)})
    elif type_:
        catalogue.render_one(chosen[0], Console())
    else:
        catalogue.render(Console())
