"""`waybill token`."""

import secrets

from rich.console import Console

from model.workspace.permissions import hash_of


def token() -> None:
    """Create an API token for a user of the workspace: the token itself, shown once, and the hash for the file."""
    value = secrets.token_urlsafe(32)
    console = Console()
    console.print(f"token  {value}", soft_wrap=True)
    console.print(f"hash   {hash_of(value)}   for token_hashes of the user in the workspace file", soft_wrap=True)
