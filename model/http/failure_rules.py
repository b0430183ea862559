"""Rules that classify the responses of one destination: by status, transport code and body.

The workspace's rules for a destination come first, then those of its type, then the usual meaning
(`model.http.failure`). Body patterns are RE2 expressions: a search takes linear time, whatever the pattern and whatever
the partner sends.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from model.config.env_string import config_error
from model.config.patterns import compile_pattern
from model.config.problems import quoted
from model.config.section import Section
from model.http.failure import FailureClass, classify
from model.http.messages import RESPONSE_BODY_LIMIT_BYTES

ANSWER_UNREADABLE = "ANSWER_UNREADABLE"  # code when the body decides and could not be read
FAILED_BY_RULE = "FAILED_BY_RULE"  # code when a rule without a code turns a success into a failure
PATTERN_LIMIT_CHARS = 500
_ENDS = (FailureClass.DELIVERED, FailureClass.DISCARD)
_RESULTS_REMEMBERED = 1_024  # more than there are statuses and transport codes

Verdict = tuple[FailureClass, str]  # and the reason code, '' when delivered
StatusPattern = int | str  # 503, or '5xx' for the whole hundred
TransportCode = Literal[
    "ADDRESS_REFUSED",
    "EAI_AGAIN",
    "ECONNABORTED",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENOTFOUND",
    "ETIMEDOUT",
    "INTERNAL",
    "INVALID_SETTINGS",
    "PROTOCOL_ERROR",
    "PROXY_AUTHENTICATION",
    "PROXY_ERROR",
    "TLS_ERROR",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRule:
    """One rule: which responses it matches, and their class. All given conditions must match; at least one is needed.

    ``status``: one or several of 503 or '5xx'; ``code``: transport code of a call without response; ``body``: an RE2
    pattern found anywhere in the first 64 KB of a response. ``reason``: the code to report instead of status or
    transport code. Raises ValueError (`config_error`, with a remedy) on a rule that could not be applied.
    """

    failure: FailureClass
    status: StatusPattern | tuple[StatusPattern, ...] = ()
    code: str = ""
    body: str = ""
    reason: str = ""
    statuses: tuple[StatusPattern, ...] = field(init=False, repr=False, compare=False)
    pattern: Any = field(init=False, repr=False, compare=False)  # ``body`` compiled; None without

    def __post_init__(self) -> None:
        """Check the rule, so that applying it cannot fail."""
        statuses = _checked_statuses(self.status) if self.status != () else ()
        if self.failure is FailureClass.FILTER:
            raise config_error("a response cannot filter an event that was already sent", "Use discard or delivered")
        if self.code and (statuses or self.body):
            raise config_error(
                "the rule can never apply: a call that failed with an exception has no status and no body",
                "Make one rule for the exception and one for the status or body",
            )
        if not (self.code or statuses or self.body):
            raise config_error("the rule does not say which responses it matches", "Add status, exception or body")
        object.__setattr__(self, "statuses", statuses)
        object.__setattr__(self, "pattern", compile_pattern(self.body) if self.body else None)

    def concerns(self, result: int | str) -> bool:
        """Whether status or transport code match; the body is not checked."""
        if isinstance(result, str):
            return self.code != "" and self.code == result
        if not self.statuses:
            return self.body != ""
        return result in self.statuses or f"{result // 100}xx" in self.statuses

    def verdict(self, usual_code: str) -> Verdict:
        """Class and reason code; ``code`` is the one without the rule ('' for a success)."""
        if self.failure is FailureClass.DELIVERED:
            return self.failure, ""
        return self.failure, self.reason or usual_code or FAILED_BY_RULE


class Classifier:
    """Classifies the responses of one destination. ``rules``: the first match wins."""

    def __init__(self, rules: Iterable[FailureRule] = ()) -> None:
        self._rules = tuple(rules)
        # A destination returns few different statuses: the rules of each are selected once.
        self._plan = lru_cache(maxsize=_RESULTS_REMEMBERED)(self._planned)

    def classify(
        self, status: int | None, code: str, headers: Mapping[str, str], body: bytes, body_fault: str = ""
    ) -> Verdict:
        """Class and reason code of a response; without one ``status`` is None and ``code`` is the transport code.

        ``headers`` have lower-case names. The code is '' when delivered. Never raises.

        With a ``body_fault`` no pattern is searched in the partial body: the whole body may match differently. If a
        pattern could have changed whether the delivery ends here, the response counts as unreadable and the event is
        sent again.
        """
        searches, otherwise, _ = self._plan(code if status is None else status)
        if searches and body_fault:
            if otherwise[0] in _ENDS and any(verdict[0] is not otherwise[0] for _, verdict in searches):
                return FailureClass.RETRY, ANSWER_UNREADABLE
        elif searches and headers.get("content-encoding", "identity").lower() == "identity":  # else it is no text
            beginning = body[:RESPONSE_BODY_LIMIT_BYTES]
            for pattern, verdict in searches:
                if pattern.search(beginning):
                    return verdict
        return otherwise

    def decides(self, status: int) -> bool:
        """Whether a rule classifies this status for any body."""
        return self._plan(status)[2]

    def _planned(self, result: int | str) -> tuple[list[tuple[Any, Verdict]], Verdict, bool]:
        """Return what to search the body for, with its verdicts; the verdict when nothing is found; whether a rule
        gives that."""
        searches: list[tuple[Any, Verdict]] = []
        usual = classify(result)
        for rule in self._rules:
            if rule.concerns(result):
                verdict = rule.verdict(usual[1])
                if rule.pattern is None:
                    return searches, verdict, True
                searches.append((rule.pattern, verdict))
        return searches, usual, False


def _checked_statuses(value: Any) -> tuple[StatusPattern, ...]:
    statuses = tuple(value) if isinstance(value, list | tuple) else (value,)
    for status in statuses:
        if isinstance(status, str):
            known = re.fullmatch("[1-9]xx", status) is not None
        else:
            known = isinstance(status, int) and 100 <= status <= 999
        if not known:
            written = quoted(status) if isinstance(status, str) else "this"
            raise config_error(
                f"{written} is no status", "Write a number such as 503 without quotes, or 5xx for all of them"
            )
    if not statuses:
        raise config_error("there is no status in the list", "Write at least one, or leave the field out")
    return statuses


def _checked_pattern(text: str) -> str:
    compile_pattern(text)
    return text


_ONE_STATUS = {
    "anyOf": [{"type": "integer", "minimum": 100, "maximum": 999}, {"type": "string", "pattern": "^[1-9]xx$"}]
}
Statuses = Annotated[
    tuple[StatusPattern, ...],
    PlainValidator(_checked_statuses),
    PlainSerializer(list),
    WithJsonSchema({"anyOf": [*_ONE_STATUS["anyOf"], {"type": "array", "items": _ONE_STATUS, "minItems": 1}]}),
]
_Pattern = Annotated[str, Field(min_length=1, max_length=PATTERN_LIMIT_CHARS), AfterValidator(_checked_pattern)]


class FailureRuleConfig(Section):
    """Classifies some responses of a destination. Of status, exception and body, all that are given must match."""

    status: Statuses | None = None
    """An HTTP status such as 503, a class such as 5xx, or a list of these."""
    exception: TransportCode | None = None
    """Transport code of a call without response."""
    body: _Pattern | None = None
    """A regular expression (RE2) found anywhere in the first 64 KB of the response; begin with (?i) to ignore case."""
    failure: Literal["delivered", "retry", "throttle", "discard", "setup"] = Field(alias="class")
    """delivered: a success. retry: try again later. throttle: slow down and try again until the window ends. discard:
    do not send this event again. setup: keep events until somebody corrects the setup, and notify."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.to_rule()
        return self

    def to_rule(self) -> FailureRule:
        """Return the rule as `Classifier` takes it."""
        return FailureRule(
            status=self.status or (),
            code=self.exception or "",
            body=self.body or "",
            failure=FailureClass(self.failure),
        )
