"""The API about alerts, for scripts, pages and the command line alike.

GET    /alerts/rules                     rules there are and how they stand       ?source=&destination=
POST   /alerts/rules                     make one: the rule itself
GET    /alerts/rules/{id}
PUT    /alerts/rules/{id}                {"version": 3, "rule": {…}}
DELETE /alerts/rules/{id}                ?version=3
POST   /alerts/rules/{id}/mute           {"until_ms": …}; /unmute and /acknowledge take {}
GET    /alerts/history                   what rules did                           ?rule_id=&source=&from_ms=…
GET    /alerts/inbox                     what was told in the app, to everybody and to who asks
GET    /alerts/channels                  how each channel is
POST   /alerts/backtest                  {"rule_id": …} or {"rule": {…}}, and "days": 14
POST   /alerts/test-channel              {"channel": "team"}
POST   /alerts/subscriptions             {"destination": "crm", "channel": "email"}
DELETE /alerts/subscriptions             ?destination=crm&channel=email
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.access import REQUEST_BODY_LIMIT_BYTES, Caller, Identify
from console.alerts.errors import NoSuchRule, NotAllowed, Outdated
from console.alerts.http import schemas as bodies
from console.alerts.http.shapes import States, shown_rule, states_by_rule
from console.alerts.rule_text import read_rule
from console.alerts.service import Alerts
from console.alerts.subscriptions import subscribe, unsubscribe
from flows.topics.interface import TopicError
from model.alerts.version import RuleVersion
from model.workspace.permissions import Action, may
from sinks.clickhouse.store import StoreError


class Asked(NamedTuple):
    """One request. data: its body, or its query where it has none."""

    path: Mapping[str, str]
    data: Any
    who: Caller


Answer = Callable[[Asked], dict[str, Any]]


class AlertsApi:
    """``identify``: tells who asks; None for somebody unknown."""

    def __init__(self, alerts: Alerts, identify: Identify) -> None:
        self._alerts = alerts
        self._identify = identify

    def routes(self) -> list[Route]:
        """Return the paths."""
        rule = "/alerts/rules/{id}"
        return [
            self._route("/alerts/rules", GET=self._list, POST=self._create),
            self._route(rule, GET=self._one, PUT=self._edit, DELETE=self._delete),
            self._route(f"{rule}/mute", POST=self._mute),
            self._route(f"{rule}/unmute", POST=self._unmute),
            self._route(f"{rule}/acknowledge", POST=self._acknowledge),
            self._route("/alerts/history", GET=self._history),
            self._route("/alerts/inbox", GET=self._inbox),
            self._route("/alerts/channels", GET=self._channels),
            self._route("/alerts/backtest", POST=self._backtest),
            self._route("/alerts/test-channel", POST=self._test_channel),
            self._route("/alerts/subscriptions", POST=self._subscribe, DELETE=self._unsubscribe),
        ]

    def _route(self, path: str, **answers: Answer) -> Route:
        async def handle(request: Request) -> Response:
            who = self._identify(request)
            if who is None:
                refused = _said("the token of server.json or of a user of the workspace is needed", 401)
                refused.headers["WWW-Authenticate"] = "Bearer"
                return refused
            answer = answers["GET" if request.method == "HEAD" else request.method]
            if request.method in {"POST", "PUT"}:
                length_bytes = int(request.headers.get("content-length") or REQUEST_BODY_LIMIT_BYTES + 1)
                if length_bytes > REQUEST_BODY_LIMIT_BYTES:
                    return _said("body too large or of unknown length", 413)
                raw: bytes | None = await request.body()
            else:
                raw = None
            return await run_in_threadpool(_answered, answer, request, raw, who)

        return Route(path, handle, methods=list(answers))

    def _list(self, asked: Asked) -> dict[str, Any]:
        _look(asked.who)
        query = bodies.RulesQuery.read(asked.data)
        states = self._states()
        shown = (shown_rule(version, states, asked.who) for version in self._alerts.rules.all())
        return {
            "rules": [
                rule
                for rule in shown
                if query.source in {"", rule["source"]} and query.destination in {"", rule["destination"]}
            ]
        }

    def _one(self, asked: Asked) -> dict[str, Any]:
        _look(asked.who)
        bodies.Nothing.read(asked.data)
        return self._rule(self._alerts.rules.get(asked.path["id"]), asked.who)

    def _create(self, asked: Asked) -> dict[str, Any]:
        return self._rule(self._alerts.rules.create(read_rule(asked.data), asked.who), asked.who)

    def _edit(self, asked: Asked) -> dict[str, Any]:
        body = bodies.Edit.read(asked.data)
        made = self._alerts.rules.edit(asked.path["id"], body.version, read_rule(body.rule), asked.who)
        return self._rule(made, asked.who)

    def _delete(self, asked: Asked) -> dict[str, Any]:
        query = bodies.DeleteQuery.read(asked.data)
        return self._rule(self._alerts.rules.delete(asked.path["id"], query.version, asked.who), asked.who)

    def _mute(self, asked: Asked) -> dict[str, Any]:
        until_ms = bodies.Mute.read(asked.data).until_ms
        return self._rule(self._alerts.rules.mute(asked.path["id"], until_ms, asked.who), asked.who)

    def _unmute(self, asked: Asked) -> dict[str, Any]:
        bodies.Nothing.read(asked.data)
        return self._rule(self._alerts.rules.unmute(asked.path["id"], asked.who), asked.who)

    def _acknowledge(self, asked: Asked) -> dict[str, Any]:
        bodies.Nothing.read(asked.data)
        return self._rule(self._alerts.rules.acknowledge(asked.path["id"], asked.who), asked.who)

    def _history(self, asked: Asked) -> dict[str, Any]:
        _look(asked.who)
        query = bodies.HistoryQuery.read(asked.data)
        return {"history": self._alerts.view("alert_history", query.model_dump())}

    def _inbox(self, asked: Asked) -> dict[str, Any]:
        _look(asked.who)
        query = bodies.PeriodQuery.read(asked.data)
        return {"messages": self._alerts.view("alert_inbox", {**query.model_dump(), "user": asked.who.name})}

    def _channels(self, asked: Asked) -> dict[str, Any]:
        _look(asked.who)
        bodies.Nothing.read(asked.data)
        return {"channels": self._alerts.channels()}

    def _backtest(self, asked: Asked) -> dict[str, Any]:
        _look(asked.who)
        body = bodies.Backtest.read(asked.data)
        if (body.rule is None) == (body.rule_id == ""):
            raise ValueError("give either rule_id or rule")
        rule = self._alerts.rules.get(body.rule_id).rule if body.rule is None else read_rule(body.rule)
        return self._alerts.backtest(rule, body.days, asked.who)

    def _test_channel(self, asked: Asked) -> dict[str, Any]:
        if not may(asked.who.role, Action.TEST_CHANNEL):
            raise NotAllowed(f"role {asked.who.role} may not {Action.TEST_CHANNEL}; ask an owner")
        return self._alerts.test_channel(bodies.ChannelTest.read(asked.data).channel, asked.who)

    def _subscribe(self, asked: Asked) -> dict[str, Any]:
        body = bodies.Subscription.read(asked.data)
        return self._rule(subscribe(self._alerts.rules, body.destination, body.channel, asked.who), asked.who)

    def _unsubscribe(self, asked: Asked) -> dict[str, Any]:
        query = bodies.UnsubscribeQuery.read(asked.data)
        return self._rule(unsubscribe(self._alerts.rules, query.destination, query.channel, asked.who), asked.who)

    def _states(self) -> States:
        return states_by_rule(self._alerts.view("alert_states_now", {}))

    def _rule(self, version: RuleVersion, who: Caller) -> dict[str, Any]:
        return {"rule": shown_rule(version, self._states(), who)}


def _look(who: Caller) -> None:
    if not may(who.role, Action.READ):
        raise NotAllowed(f"role {who.role} may not {Action.READ}; ask an owner")


def _answered(answer: Answer, request: Request, body: bytes | None, who: Caller) -> Response:
    try:
        data = dict(request.query_params) if body is None else orjson.loads(body)
        return _json(answer(Asked(request.path_params, data, who)), 200)
    except NotAllowed as error:
        return _said(str(error), 403)
    except NoSuchRule as error:
        return _said(str(error), 404)
    except Outdated as error:
        return _json({"error": str(error), "current": shown_rule(error.current, {}, who)}, 409)
    except (ValueError, TypeError) as error:
        return _said(str(error), 400)
    except (StoreError, TopicError) as error:
        return _said(str(error), 503)


def _said(error: str, status: int) -> Response:
    return _json({"error": error}, status)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
