"""The workspace in force, and who wants to know when it changes."""

from collections.abc import Callable
from threading import Lock

from model.workspace import Workspace


class LiveWorkspace:
    """Shared by everything in a process that lives longer than one version of the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.current = workspace
        self.look: Callable[[], object] = lambda: None
        """Takes the workspace file over now if it has changed; set by who watches it."""
        self._lock = Lock()
        self._listeners: list[Callable[[Workspace], None]] = []

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
