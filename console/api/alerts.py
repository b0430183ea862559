"""The routes about alerts: rules, what they did, and channels. `waybill alerts` uses them too."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from console.access import Caller
from console.alerts.backtest import BacktestResult, run_backtest
from console.alerts.channel_tester import ChannelTestResult
from console.alerts.rule_checks import check_rule
from console.alerts.rules import Outdated
from console.alerts.subscriptions import subscribe as subscribe_caller
from console.alerts.subscriptions import unsubscribe as unsubscribe_caller
from console.api import alert_models as models
from console.api.errors import Refused
from console.api.routing import ApiRoute, faults, requires
from console.api.services import Services, ServicesOfApp
from model.alerts.version import RuleVersion
from model.workspace.permissions import Action

router = APIRouter(
    prefix="/alerts",
    route_class=ApiRoute,
    generate_unique_id_function=lambda route: f"alerts-{route.name.replace('_', '-')}",
    responses={**faults(400, 401, 403, 404, 413, 503), **faults(409, model=models.Conflict)},
)
NoQuery = Annotated[models.Nothing, Query()]
Reader = Annotated[Caller, requires(Action.READ)]
Muter = Annotated[Caller, requires(Action.MUTE_ALERT)]
Subscriber = Annotated[Caller, requires(Action.SUBSCRIBE)]


@router.get("/rules", summary="List rules")
def rules(query: Annotated[models.RulesQuery, Query()], who: Reader, services: ServicesOfApp) -> models.RulesAnswer:
    """All rules and their states."""
    states = models.states_by_rule(services.view("alert_states_now", {}))
    shown = (models.shown_rule(version, states, who) for version in services.rules.all())
    return models.RulesAnswer(
        rules=[
            rule for rule in shown if query.source in {"", rule.source} and query.destination in {"", rule.destination}
        ]
    )


@router.post("/rules", summary="Create a rule")
def create(
    rule: models.AlertRule, who: Annotated[Caller, requires(Action.CREATE_ALERT)], services: ServicesOfApp
) -> models.RuleAnswer:
    """Create a rule."""
    return _shown(services, services.rules.create(rule.root, who), who)


@router.get("/rules/{id}", summary="One rule")
def rule(id: str, nothing: NoQuery, who: Reader, services: ServicesOfApp) -> models.RuleAnswer:
    """One rule and its state."""
    return _shown(services, services.rules.get(id), who)


@router.put("/rules/{id}", summary="Change a rule")
def edit(
    id: str, body: models.Edit, who: Annotated[Caller, requires(Action.EDIT_ALERT)], services: ServicesOfApp
) -> models.RuleAnswer:
    """Replace a rule, unless somebody else changed it."""
    return _shown(services, services.rules.edit(id, body.version, body.rule.root, who), who)


@router.delete("/rules/{id}", summary="Delete a rule")
def delete(
    id: str,
    query: Annotated[models.DeleteQuery, Query()],
    who: Annotated[Caller, requires(Action.DELETE_ALERT)],
    services: ServicesOfApp,
) -> models.RuleAnswer:
    """Delete a rule, unless somebody else changed it."""
    return _shown(services, services.rules.delete(id, query.version, who), who)


@router.post("/rules/{id}/mute", summary="Notify nobody of a rule for a while")
def mute(id: str, body: models.Mute, who: Muter, services: ServicesOfApp) -> models.RuleAnswer:
    """Mute a rule."""
    return _shown(services, services.rules.mute(id, body.until_ms, who), who)


@router.post("/rules/{id}/unmute", summary="End a mute")
def unmute(id: str, nothing: models.Nothing, who: Muter, services: ServicesOfApp) -> models.RuleAnswer:
    """Unmute a rule."""
    return _shown(services, services.rules.unmute(id, who), who)


@router.post("/rules/{id}/acknowledge", summary="No reminders until the rule recovers")
def acknowledge(
    id: str,
    nothing: models.Nothing,
    who: Annotated[Caller, requires(Action.ACKNOWLEDGE_ALERT)],
    services: ServicesOfApp,
) -> models.RuleAnswer:
    """Acknowledge a rule that fires."""
    return _shown(services, services.rules.acknowledge(id, who), who)


@router.get("/history", summary="What rules did", dependencies=[requires(Action.READ)])
def history(query: Annotated[models.HistoryQuery, Query()], services: ServicesOfApp) -> models.HistoryAnswer:
    """When rules fired, were reminded of and recovered, newest first."""
    return models.HistoryAnswer(history=services.view("alert_history", query.model_dump()))


@router.get("/inbox", summary="In-app messages")
def inbox(query: Annotated[models.PeriodQuery, Query()], who: Reader, services: ServicesOfApp) -> models.InboxAnswer:
    """In-app messages to everybody and to the caller, newest first."""
    return models.InboxAnswer(messages=services.view("alert_inbox", {**query.model_dump(), "user": who.name}))


@router.get("/channels", summary="The channels and their health", dependencies=[requires(Action.READ)])
def channels(nothing: NoQuery, services: ServicesOfApp) -> models.ChannelsAnswer:
    """All channels; state is null before a channel is used."""
    health = {row["channel"]: row for row in services.view("alert_channel_health", {})}
    unused = dict.fromkeys(("state", "since", "at", "code", "message", "sent_24h", "dropped_24h", "waiting"))
    return models.ChannelsAnswer(
        channels=[
            {"channel": known.id, "type": known.type, "name": known.name, "target": known.target}
            | unused
            | health.get(known.id, {})
            for known in services.targets().alerts.described()
        ]
    )


@router.post("/backtest", summary="When a rule would have fired")
def backtest(body: models.Backtest, who: Reader, services: ServicesOfApp) -> BacktestResult:
    """Try a rule on the past; nobody is notified."""
    if (body.rule is None) == (body.rule_id == ""):
        raise Refused(400, "give either rule_id or rule")
    tried = services.rules.get(body.rule_id).rule if body.rule is None else body.rule.root
    targets = services.targets()
    check_rule(tried, targets, who.name)
    kept_days = targets.workspace.retention.store.minutes_days
    return run_backtest(services.view, tried, days=body.days, kept_days=kept_days, now_ms=services.clock())


@router.post("/test-channel", summary="Send a test message")
def test_channel(
    body: models.ChannelTest, who: Annotated[Caller, requires(Action.TEST_CHANNEL)], services: ServicesOfApp
) -> ChannelTestResult:
    """Send a test message to a channel, and return its response."""
    return services.tester.test(body.channel, who)


@router.post("/subscriptions", summary="Subscribe to failed events")
def subscribe(body: models.Subscription, who: Subscriber, services: ServicesOfApp) -> models.RuleAnswer:
    """Subscribe the caller."""
    made = subscribe_caller(services.rules, body.destination, body.channel, who)
    return _shown(services, made, who)


@router.delete("/subscriptions", summary="Unsubscribe from failed events")
def unsubscribe(
    query: Annotated[models.UnsubscribeQuery, Query()], who: Subscriber, services: ServicesOfApp
) -> models.RuleAnswer:
    """Unsubscribe the caller."""
    left = unsubscribe_caller(services.rules, query.destination, query.channel, who)
    return _shown(services, left, who)


def _shown(services: Services, version: RuleVersion, who: Caller) -> models.RuleAnswer:
    states = models.states_by_rule(services.view("alert_states_now", {}))
    return models.RuleAnswer(rule=models.shown_rule(version, states, who))


async def answer_outdated(request: Request, error: Outdated) -> Response:
    """Answer for an edit of an old version: with the newest one."""
    current = models.shown_rule(error.current, {}, request.state.caller)
    content: dict[str, Any] = models.Conflict(error=str(error), current=current).model_dump()
    return Response(orjson.dumps(content), 409, media_type="application/json")
