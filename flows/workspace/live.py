"""The workspace in force, and who wants to know when it changes."""

from collections.abc import Callable
from threading import Lock

from model.workspace.workspace import Workspace


class CurrentWorkspace:
    """Shared by everything in a process that lives longer than one version of the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.current = workspace
        self._take_over: Callable[[], object] = lambda: None
        self._lock = Lock()
        self._listeners: list[Callable[[Workspace], None]] = []

    def watched_by(self, take_over: Callable[[], object]) -> None:
        """Say what takes the workspace file over if it has changed."""
        self._take_over = take_over

    def look(self) -> None:
        """Take the workspace file over now if it has changed, not when it is looked at next."""
        self._take_over()

    def change(self, workspace: Workspace) -> None:
        """Put another version in force; returns when everybody has it."""
        with self._lock:
            self.current = workspace
            for listener in self._listeners:
                listener(workspace)

    def listen(self, listener: Callable[[Workspace], None]) -> None:
        """Tell ``listener`` of every change from now on."""
        with self._lock:
            self._listeners.append(listener)

    def forget(self, listener: Callable[[Workspace], None]) -> None:
        """Tell ``listener`` no more."""
        with self._lock:
            self._listeners.remove(listener)
