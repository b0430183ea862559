"""What the routes work with, and who a request is from."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Request

from console.access import AUTHOR_HEADER, Caller
from console.alerts.service import Alerts, alerts_of
from console.data_dir import View
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import Deployment
from flows.workspace.live import CurrentWorkspace
from model.workspace.permissions import Role
from sinks.clickhouse.store import Store

AUTHOR_LIMIT_CHARS = 100


@dataclass(frozen=True, slots=True)
class Services:
    """``identify``: returns the caller of a request, None if unknown. ``clock``: Unix ms."""

    identify: Callable[[Request], Caller | None]
    installation: Deployment
    view: View
    alerts: Alerts
    clock: Callable[[], int]


def open_services(installation: Deployment, store: Store, identify: Callable[[Request], Caller | None]) -> Services:
    """Make the services of an installation and its store."""
    alerts = alerts_of(installation, store)
    return Services(identify, installation, alerts.view, alerts, wall_clock_ms)


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesOfApp = Annotated[Services, Depends(_services)]


def identify_by_token(token: str, live: CurrentWorkspace) -> Callable[[Request], Caller | None]:
    """Identify callers by ``Authorization: Bearer``: ``token``, which only the owner of the data directory can read,
    or the token of a user of the workspace."""

    def identify(request: Request) -> Caller | None:
        given = request.headers.get("authorization", "")
        if secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return Caller(_author(request) or "owner of the data directory", Role.OWNER)
        user = live.current.user_of(given.removeprefix("Bearer ")) if given.startswith("Bearer ") else None
        return Caller(user.id, user.permission) if user else None

    return identify


def _author(request: Request) -> str:
    name = unquote(request.headers.get(AUTHOR_HEADER, ""), errors="replace")
    return name if name.isprintable() and len(name) <= AUTHOR_LIMIT_CHARS else ""
