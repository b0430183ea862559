"""The active version of the workspace, and who is notified when it changes."""

from collections.abc import Callable
from threading import Lock

from model.workspace.workspace import Workspace


class CurrentWorkspace:
    """Shared by everything in a process that outlives one version of the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.current = workspace
        self._reload: Callable[[], object] = lambda: None
        self._lock = Lock()
        self._subscribers: list[Callable[[Workspace], None]] = []

    def reload_with(self, reload: Callable[[], object]) -> None:
        """Set the function that reads the workspace file again if it has changed."""
        self._reload = reload

    def reload(self) -> None:
        """Read the workspace file now if it has changed, without waiting for the next poll."""
        self._reload()

    def set(self, workspace: Workspace) -> None:
        """Activate another version; returns once every subscriber has it."""
        with self._lock:
            self.current = workspace
            for subscriber in self._subscribers:
                subscriber(workspace)

    def subscribe(self, subscriber: Callable[[Workspace], None]) -> None:
        """Call ``subscriber`` with every version from now on."""
        with self._lock:
            self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Callable[[Workspace], None]) -> None:
        """Stop calling ``subscriber``."""
        with self._lock:
            self._subscribers.remove(subscriber)
