"""The part of the OpenAPI document about alerts (`console.alerts.http.api`)."""

from typing import Any

from pydantic import BaseModel, RootModel

from console.alerts.http import schemas as bodies
from console.public_api.openapi_posts import Fault
from model.alerts.rule import AnyRule

_REFUSALS = {
    "400": "What is asked cannot be read, or names what is not there.",
    "401": "The token is missing or not known.",
    "403": "The token's role may not do this, or somebody else made the rule.",
    "404": "There is no such rule.",
    "409": "Somebody changed the rule meanwhile; `current` is how it stands.",
    "413": "The body is too large, or its length is not said.",
    "503": "The store or the topics do not answer now.",
}


class AlertRule(RootModel[AnyRule]):
    """What somebody wants to be told about."""


class RuleAnswer(BaseModel):
    """A rule with version, author and state; times are Unix ms, 0 is never."""

    rule: dict[str, Any]


class RulesAnswer(BaseModel):
    """Rules as in RuleAnswer."""

    rules: list[dict[str, Any]]


class HistoryAnswer(BaseModel):
    """The rows of view alert_history."""

    history: list[dict[str, Any]]


class InboxAnswer(BaseModel):
    """The rows of view alert_inbox: what is for everybody, and for who asks."""

    messages: list[dict[str, Any]]


class ChannelsAnswer(BaseModel):
    """Every channel, with what view alert_channel_health tells of it."""

    channels: list[dict[str, Any]]


class BacktestAnswer(BaseModel):
    """When the rule would have fired."""

    from_ms: int
    to_ms: int
    days: int
    history_from_ms: int | None
    complete: bool
    fired: int
    episodes: list[dict[str, Any]]


class ChannelTestAnswer(BaseModel):
    """What became of the test message."""

    channel: str
    message_id: str
    taken: bool
    outcome: str
    code: str
    message: str


class ConflictFault(Fault):
    """An edit of an old version."""

    current: dict[str, Any]


_BODIES: tuple[type[BaseModel], ...] = (
    AlertRule,
    bodies.Edit,
    bodies.Mute,
    bodies.Nothing,
    bodies.Subscription,
    bodies.Backtest,
    bodies.ChannelTest,
)
_ANSWERS: tuple[type[BaseModel], ...] = (
    RuleAnswer, RulesAnswer, HistoryAnswer, InboxAnswer, ChannelsAnswer, BacktestAnswer, ChannelTestAnswer,
    ConflictFault,
)  # fmt: skip
ALERT_MODELS = (*_BODIES, *_ANSWERS)

_ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1, "maxLength": 256}}


def alert_paths(prefix: str) -> dict[str, Any]:
    """Return the paths; ``prefix`` stands before the names of models."""

    def operation(
        name: str,
        summary: str,
        answer: type[BaseModel],
        *,
        body: type[BaseModel] | None = None,
        query: type[BaseModel] | None = None,
        of_rule: bool = False,
    ) -> dict[str, Any]:
        made: dict[str, Any] = {"operationId": f"alerts-{name}", "summary": summary}
        parameters = ([_ID] if of_rule else []) + (_query(query) if query else [])
        if parameters:
            made["parameters"] = parameters
        if body is not None:
            made["requestBody"] = {"required": True, "content": _json(prefix, body)}
        refusals = {
            status: {"description": text, "content": _json(prefix, ConflictFault if status == "409" else Fault)}
            for status, text in _REFUSALS.items()
        }
        made["responses"] = {"200": {"description": "The answer.", "content": _json(prefix, answer)}, **refusals}
        return made

    def change(name: str, summary: str, body: type[BaseModel]) -> dict[str, Any]:
        return {"post": operation(name, summary, RuleAnswer, body=body, of_rule=True)}

    rule = "/alerts/rules/{id}"
    return {
        "/alerts/rules": {
            "get": operation("rules", "The rules there are", RulesAnswer, query=bodies.RulesQuery),
            "post": operation("create", "Make a rule", RuleAnswer, body=AlertRule),
        },
        rule: {
            "get": operation("rule", "One rule", RuleAnswer, of_rule=True),
            "put": operation("edit", "Change a rule", RuleAnswer, body=bodies.Edit, of_rule=True),
            "delete": operation("delete", "Delete a rule", RuleAnswer, query=bodies.DeleteQuery, of_rule=True),
        },
        f"{rule}/mute": change("mute", "Tell nothing of a rule for a while", bodies.Mute),
        f"{rule}/unmute": change("unmute", "Tell of a rule again", bodies.Nothing),
        f"{rule}/acknowledge": change("acknowledge", "No reminders until it recovers", bodies.Nothing),
        "/alerts/history": {"get": operation("history", "What rules did", HistoryAnswer, query=bodies.HistoryQuery)},
        "/alerts/inbox": {"get": operation("inbox", "What was told in the app", InboxAnswer, query=bodies.PeriodQuery)},
        "/alerts/channels": {"get": operation("channels", "The channels, and how they are", ChannelsAnswer)},
        "/alerts/backtest": {
            "post": operation("backtest", "When a rule would have fired", BacktestAnswer, body=bodies.Backtest)
        },
        "/alerts/test-channel": {
            "post": operation("test-channel", "Send a test message", ChannelTestAnswer, body=bodies.ChannelTest)
        },
        "/alerts/subscriptions": {
            "post": operation("subscribe", "Be told of failed events", RuleAnswer, body=bodies.Subscription),
            "delete": operation("unsubscribe", "Be told no more", RuleAnswer, query=bodies.UnsubscribeQuery),
        },
    }


def _json(prefix: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"{prefix}{model.__name__}"}}}


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    described = model.model_json_schema()
    parameters = []
    for name, of in described["properties"].items():
        schema = {key: value for key, value in of.items() if key not in {"title", "description"}}
        if "anyOf" in schema:  # None is what a model has when a parameter is left out; no caller can write it
            schema.pop("default", None)
            [only] = [part for part in schema.pop("anyOf") if part != {"type": "null"}]
            schema |= only
        needed = name in described.get("required", ())
        parameters.append(
            {"name": name, "in": "query", "required": needed, "description": of["description"], "schema": schema}
        )
    return parameters
