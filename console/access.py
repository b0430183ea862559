"""Who it was that did something from a command line, as the running server is told."""

import getpass

AUTHOR_HEADER = "waybill-author"  # of a command of whoever owns the data directory: their name, percent-encoded


def local_author() -> str:
    """Who sits at this shell: it owns the data directory, so it acts as owner."""
    return getpass.getuser()
