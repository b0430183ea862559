"""What the routes work with, and who a request is from."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Request

from console.access import AUTHOR_HEADER, Caller
from console.alerts.channel_tester import ChannelTester
from console.alerts.rule_checks import RuleTargets
from console.alerts.rules import Rules
from console.data_dir import View, view_of
from flows.engine.clock import wall_clock_ms
from flows.runtime.deployment import Deployment
from flows.topics.records import append_facts
from flows.workspace.live import CurrentWorkspace
from model.recording.facts import Audited
from model.workspace.permissions import Role
from sinks.clickhouse.store import Store

AUTHOR_LIMIT_CHARS = 100
RULE_ID_BYTES = 5


@dataclass(frozen=True, slots=True)
class Services:
    """``identify``: returns the caller of a request, None if unknown. ``targets``: what alert rules can name in the
    active workspace. ``clock``: Unix ms."""

    identify: Callable[[Request], Caller | None]
    deployment: Deployment
    view: View
    rules: Rules
    tester: ChannelTester
    targets: Callable[[], RuleTargets]
    clock: Callable[[], int]


def open_services(deployment: Deployment, store: Store, identify: Callable[[Request], Caller | None]) -> Services:
    """Make the services of a deployment and its store."""

    def targets() -> RuleTargets:
        return RuleTargets(deployment.workspace, deployment.workspace.alerts)

    def audit(fact: Audited) -> None:
        append_facts(deployment.topics, [fact])

    return Services(
        identify=identify,
        deployment=deployment,
        view=view_of(store),
        rules=Rules(store, audit, targets, wall_clock_ms, partial(secrets.token_hex, RULE_ID_BYTES)),
        tester=ChannelTester(store, audit, targets, wall_clock_ms, partial(secrets.token_hex, 16)),
        targets=targets,
        clock=wall_clock_ms,
    )


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
            name = unquote(request.headers.get(AUTHOR_HEADER, ""), errors="replace")
            usable = name.isprintable() and len(name) <= AUTHOR_LIMIT_CHARS
            return Caller(name if name and usable else "owner of the data directory", Role.OWNER)
        user = live.current.user_of(given.removeprefix("Bearer ")) if given.startswith("Bearer ") else None
        return Caller(user.id, user.permission) if user else None

    return identify
