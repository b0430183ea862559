"""The report and the trace: what is read from the views, what JSON says, and what a person sees."""

from typing import Any

import pytest
from rich.console import Console

from console.reports.render import render
from console.reports.render_parts import bars, change, duration, percent, printable
from console.reports.report import NotReportable, Report, build_report
from console.reports.trace import build_trace
from console.reports.trace import render as render_trace

FROM, TO = 1_790_000_040_000, 1_790_000_340_000
METRICS = {
    "delivered": 9_412, "not_delivered": 588, "discarded": 311, "expired": 277, "filtered": 40, "attempts_failed": 210,
    "possible_duplicates": 2, "success_rate": 0.9412, "p50_latency_ms": 84, "p95_latency_ms": 1_873,
    "p99_latency_ms": 4_100,
}  # fmt: skip
CHANGES = {
    "delivered_change_percent": 12.5, "not_delivered_change_percent": -50.0, "filtered_change_percent": None,
    "possible_duplicates_change_percent": 0.0, "success_rate_change_points": 2.25, "p50_latency_change_ms": 0,
    "p95_latency_change_ms": 1_200, "p99_latency_change_ms": -3,
}  # fmt: skip
INGEST = {"ingested": 5_012, "accepted": 5_000, "rejected": 12, "duplicates": 3, "routed_events": 4_990, "unread": 7,
          "unexplained": 0}  # fmt: skip
OF_SOURCE = {"source": "web", "ingested": 52, "accepted": 50, "rejected": 2, "duplicates": 1, "routed_events": 49}
REJECTED = {
    "source": "web", "code": "event_not_defined", "items": 2, "message": "event is missing \x1b[31m", "owner": "source",
    "message_ids": ["m-2", "m-1"], "first_seen": FROM, "last_seen": TO,
    "description": "The track call has no event name.", "action": "Send the name in `event`.",
}  # fmt: skip
ROW = {"source": "web", "destination": "crm", "routed": 5_000, "filtered": 40, "delivered": 4_639, "discarded": 311,
       "expired": 0, "pending": 10, "unexplained": 0}  # fmt: skip
ERROR = {
    "state": "discarded", "destination": "crm", "code": "400", "severity": "error", "owner": "source", "link": "",
    "description": "The destination says the request is wrong.", "action": "Read its message, then correct the events.",
    "retryable": False, "deliveries": 311, "share": 0.53, "first_seen": FROM, "last_seen": TO,
}  # fmt: skip
MESSAGES = [
    {"destination": "crm", "code": "400", "message": "unknown field \x1b[31m'colour'", "attempts": 300},
    {"destination": "mail", "code": "400", "message": "of another destination", "attempts": 9},
    {"destination": "crm", "code": "503", "message": "with another code", "attempts": 8},
    {"destination": "crm", "code": "400", "message": "too long", "attempts": 1},
]


class Views:
    """Canned answers, and what was asked."""

    def __init__(self, **changes: Any) -> None:
        trend = [{"bucket": FROM + i * 60_000, "delivered": i * 100, "not_delivered": i % 2, "success_rate": None,
                  "p95_latency_ms": None if i == 0 else 50 * i} for i in range(5)]  # fmt: skip
        answers: dict[str, Any] = {
            "delivery_metrics": [METRICS], "key_metrics": [CHANGES],
            "ingest_balance": [INGEST], "balance": [ROW], "error_details": [ERROR],
            "error_messages": MESSAGES,
            "delivery_trend": trend, "freshness": [{"watermark": TO - 50_000, "newest_report": TO, "lag_seconds": 1.0}],
            "destination_health": [], "redrive_balance": [], "ingest_by_source": [OF_SOURCE], "rejections": [],
        }  # fmt: skip
        self.answers = answers | changes
        self.asked: dict[str, dict[str, Any]] = {}

    def __call__(self, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked[name] = parameters
        rows: list[dict[str, Any]] = self.answers[name]
        return rows


def shown(report: Report, width: int = 100, *, errors: bool = False) -> str:
    console = Console(width=width, record=True, force_terminal=False, file=open("/dev/null", "w"))
    render(report, console, with_error_details=errors)
    return console.export_text()


def test_json_holds_the_cohort_the_errors_and_the_latency() -> None:
    answer = build_report(Views(), FROM, TO).to_json()
    expected = {"ingested": 5_012, "accepted": 5_000, "rejected": 12, "duplicates": 3, "routed": 5_000, "filtered": 40,
                "delivered": 4_639, "discarded": 311, "expired": 0, "pending": 17, "unexplained": 0,
                "possible_duplicates": 2, "p95_latency_ms": 1_873}  # fmt: skip
    assert {name: answer[name] for name in expected} == expected
    [error] = answer["errors"]
    assert (error["code"], error["destination"], error["state"], error["count"]) == ("400", "crm", "discarded", 311)
    assert error["description"] and error["action"]


def test_views_are_asked_for_the_period_and_what_was_chosen() -> None:
    views = Views()
    build_report(views, FROM, TO, source="web", destination="crm")
    chosen = {"from_ms": FROM, "to_ms": TO, "source": "web", "destination": "crm"}
    assert views.asked["delivery_metrics"] == views.asked["error_details"] == chosen
    assert views.asked["error_messages"] == {**chosen, "limit": 5}
    assert views.asked["balance"] == chosen | {"settle_seconds": 120}
    assert views.asked["delivery_trend"] == chosen | {"step_seconds": 60}


def test_the_numbers_of_ingest_are_those_of_the_source_asked_for() -> None:
    views = Views(rejections=[REJECTED])
    report = build_report(views, FROM, TO, source="web")
    assert (
        views.asked["ingest_by_source"] == views.asked["rejections"] == {"from_ms": FROM, "to_ms": TO, "source": "web"}
    )
    answer = report.to_json()
    numbers = ("ingested", "accepted", "rejected", "duplicates", "routed_events", "unread", "pending", "unexplained")
    assert [answer[name] for name in numbers] == [52, 50, 2, 1, 49, None, 10, 0]
    assert answer["events_log"] == {"unread": 7, "unexplained": 0}
    text = shown(report)
    for words in ("At ingest, web", "52 ingested = 50 accepted + 2 rejected", "50 accepted = 49 routed + 1 duplicates",
                  "Of all sources: 7 not yet read + 0 unexplained"):  # fmt: skip
        assert words in text, words
    assert "5,0" not in text.split("At ingest")[1]  # no number of all sources without its name
    assert "At ingest, all sources, for all destinations" in shown(build_report(Views(), FROM, TO, destination="crm"))


def test_a_source_that_sent_nothing_has_no_numbers_of_others() -> None:
    report = build_report(Views(ingest_by_source=[]), FROM, TO, source="quiet")
    assert (report.ingest.ingested, report.ingest.rejected) == (0, 0)


def test_what_is_unexplained_in_the_log_is_loud_whatever_source_is_asked_for() -> None:
    report = build_report(Views(ingest_balance=[INGEST | {"unexplained": 1}]), FROM, TO, source="web")
    assert report.to_json()["unexplained"] == 1
    assert "1 UNEXPLAINED" in shown(report) and "may be of any source" in " ".join(shown(report).split())


@pytest.mark.parametrize("errors", [False, True])
def test_what_was_refused_at_ingest_is_shown_with_its_reason(errors: bool) -> None:
    report = build_report(Views(error_details=[], rejections=[REJECTED, REJECTED | {"source": ""}]), FROM, TO)
    text = shown(report, errors=errors)
    for words in ("Refused at ingest, in items", "event_not_defined", "The track call has no event name.",
                  "→ Send the name in `event`.", "m-2", "unknown key", "of what was accepted"):  # fmt: skip
        assert words in text, words
    assert ("m-1" in text) is errors
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 100
    [first, _] = report.to_json()["rejections"]
    assert (first["code"], first["items"], first["message_ids"]) == ("event_not_defined", 2, ("m-2", "m-1"))


@pytest.mark.parametrize("hours", [1, 2, 24, 24 * 30])
def test_the_trend_fits_the_screen_in_whole_minutes(hours: int) -> None:
    views = Views()
    build_report(views, FROM, FROM + hours * 3_600_000)
    step = views.asked["delivery_trend"]["step_seconds"]
    assert step % 60 == 0 and hours * 3_600 / step <= 60
    assert step < 3_600 or step % 3_600 == 0  # so that the store reads hours


def test_the_screen_shows_numbers_reasons_and_remedies() -> None:
    text = shown(build_report(Views(), FROM, TO, not_reportable=[NotReportable("web", "pixel", "sent by the device")]))
    for words in ("9,412", "588", "94.12 %", "1.87 s", "The destination says the request is wrong.",
                  "→ Read its message", "→ crm", "5,000 accepted = 4,990 routed", "5,012 ingested",
                  "web → pixel: sent by the device", "Complete up to 14:18:10 UTC",
                  "Every event is accounted for, 17 of them still pending"):  # fmt: skip
        assert words in text, words
    assert "\x1b" not in text and "UNEXPLAINED" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_the_screen_compares_with_the_period_before() -> None:
    text = shown(build_report(Views(), FROM, TO))
    for words in ("▲ 12.5 %", "▼ 50 %", "▲ 2.25 points", "▲ 1.2 s"):
        assert words in text, words
    assert build_report(Views(), FROM, TO).to_json()["changes"] == CHANGES


def test_changes_are_written_with_their_direction() -> None:
    written = [change(by, "%") for by in (None, 0.0, 12.5, -0.001, 1_234.0)]
    assert written == ["–", "=", "▲ 12.5 %", "▼ < 0.01 %", "▲ 1,234 %"]
    assert [change(by, "ms") for by in (-3, 90_000)] == ["▼ 3 ms", "▲ 1 min 30 s"]


def test_error_details_tell_everything_about_an_error() -> None:
    report = build_report(Views(error_details=[{**ERROR, "link": "https://docs.example/400"}]), FROM, TO)
    text = shown(report, errors=True)
    for words in ("311", "53.00 %", "The destination says the request is wrong.", "too long” in 1 call", "in 300 calls",
                  "→ Read its message", "whoever sends the events", "More: https://docs.example/400",
                  "Seen 2026-09-21 14:14:00 to 2026-09-21 14:19:00 UTC"):  # fmt: skip
        assert words in text, words
    assert "another" not in text
    assert "\x1b" not in text and max(map(len, text.splitlines())) <= 100
    unseen = Views(error_details=[{**ERROR, "first_seen": None, "last_seen": None}])
    assert "Seen – to – UTC" in shown(build_report(unseen, FROM, TO), errors=True)
    assert "No errors" in shown(build_report(Views(error_details=[]), FROM, TO), errors=True)


HEALTH = {
    "destination": "crm", "state": "setup", "since": FROM, "code": "401", "description": "Wrong credentials.",
    "action": "Renew them.", "message": "bad \x1b[31mkey", "until": TO, "pending": 1_234,
}  # fmt: skip


def test_a_destination_that_takes_nothing_is_a_banner_with_what_waits_for_it() -> None:
    report = build_report(Views(destination_health=[HEALTH]), FROM, TO)
    text = shown(report, width=160)
    for words in ("crm takes nothing until somebody acts", "1,234 pending", "401: Wrong credentials.", "→ Renew them."):
        assert words in text, words
    assert "\x1b" not in text
    assert report.to_json()["banners"][0]["pending"] == 1_234
    assert build_report(Views(destination_health=[HEALTH]), FROM, TO, destination="ads").banners == ()


@pytest.mark.parametrize(
    "change", [{"balance": [ROW | {"unexplained": 1}]}, {"ingest_balance": [INGEST | {"unexplained": 1}]}]
)
def test_one_unexplained_event_is_loud(change: dict[str, Any]) -> None:
    report = build_report(Views(**change), FROM, TO)
    assert report.to_json()["unexplained"] == 1
    assert "1 UNEXPLAINED" in shown(report) and "accounted for" not in shown(report)


def test_a_report_of_nothing_is_shown_without_false_numbers() -> None:
    nothing = dict.fromkeys(METRICS, 0) | dict.fromkeys(
        ("success_rate", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms")
    )
    freshness = [{"watermark": None, "newest_report": None, "lag_seconds": None}]
    ingest = [dict.fromkeys(INGEST, 0)]
    report = build_report(
        Views(
            delivery_metrics=[nothing],
            key_metrics=[dict.fromkeys(CHANGES)],
            error_details=[],
            balance=[],
            ingest_balance=ingest,
            freshness=freshness,
        ),
        FROM,
        TO,
    )
    text = shown(report)
    assert "No errors" in text and "has not reported yet" in text and "–" in text
    assert report.to_json()["p95_latency_ms"] is None


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert [percent(share) for share in (1.0, 0.99999, 0.5, None)] == ["100 %", "99.99 %", "50.00 %", "–"]


def test_durations_are_in_the_unit_a_person_would_use() -> None:
    values = (0, 850, 1_250, 60_000, 200_000, 7_500_000, None)
    assert [duration(ms) for ms in values] == ["0 ms", "850 ms", "1.25 s", "1 min", "3 min 20 s", "2 h 5 min", "–"]


def test_anything_at_all_is_seen_in_the_bars() -> None:
    assert bars([0, 1, 1_000, 500]) == " ▁█▄"
    assert bars([]) == "" and bars([0, 0]) == "  "


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[2J\r\nb\u202e\x9b") == "a�[2J��b��"
    assert printable("Grüße 🎉 “x”") == "Grüße 🎉 “x”"


def step(name: str, at: int, **more: Any) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(
        ("destination", "mapping", "delivery_id", "state", "code", "description", "action", "message"), ""
    )
    more = {"source": "web", "event_type": "track", "event_name": "Order [red]Done"} | more
    numbers = {"attempt": 0, "http_status": None, "http_ms": 0, "latency_ms": None, "due_at": None, "counted": True,
               "queue_ms": None, "retry_wait_ms": None, "limit_wait_ms": None, "calls_ms": None, "batch_items": 0,
               "redrive": 0, "author": "", "resent": False, "events_partition": 1, "events_offset": 7}  # fmt: skip
    about = {"at": FROM + at, "step": name}
    return blank | numbers | about | more


STEPS = [
    step("received", 0),
    step("routed", 5, destination="crm", delivery_id="a"),
    step("routed", 5, destination="mail", delivery_id="b"),
    step("attempt_failed", 30, destination="crm", delivery_id="a", attempt=1, code="503", http_status=503, http_ms=20,
         description="The destination is overloaded.", message="busy", due_at=FROM + 1_030),
    step("outcome", 1_060, destination="crm", delivery_id="a", attempt=2, state="delivered", latency_ms=1_060,
         resent=True),
]  # fmt: skip


def traced(steps: list[dict[str, Any]], health: list[dict[str, Any]] | None = None) -> str:
    console = Console(width=100, record=True, force_terminal=False, file=open("/dev/null", "w"))
    views = {"event_trace": steps, "destination_health": health or []}
    render_trace(build_trace(lambda name, parameters: views[name], "m-1", TO), console)
    return console.export_text()


def test_a_trace_shows_each_attempt_and_what_is_still_open() -> None:
    text = traced(STEPS)
    for words in ("Order [red]Done", "attempt 1 failed", "HTTP 503: The destination is overloaded. (20 ms)",
                  "“busy”", "delivered", "in 2 calls, 1.06 s after it was received", "Pending for mail",
                  "may repeat"):  # fmt: skip
        assert words in text, words
    views = {"event_trace": STEPS, "destination_health": [HEALTH]}
    answer = build_trace(lambda name, parameters: views[name], "m-1", TO).to_json()
    assert answer["banners"][0]["pending"] == 1_234
    assert answer["found"] and answer["pending"] == ["mail"] and len(answer["steps"]) == 5


def test_a_trace_tells_that_a_destination_on_its_way_takes_nothing_and_of_no_other() -> None:
    assert "crm takes nothing until somebody acts. 1,234 pending" in traced(STEPS, [HEALTH])
    assert "takes nothing" not in traced(STEPS, [{**HEALTH, "destination": "ads"}])


def test_a_trace_says_what_to_do_about_what_failed_last() -> None:
    waits: dict[str, Any] = {"delivery_id": "a", "destination": "crm", "code": "601", "action": "Ask them."}
    first, last = step("attempt_failed", 30, **waits, attempt=1), step("attempt_failed", 60, **waits, attempt=2)
    assert traced([first, last]).count("→ Ask them.") == 1
    assert "→ Ask them." not in traced([first, step("outcome", 90, delivery_id="a", state="delivered", latency_ms=90)])
    refused = step("rejected", 0, code="missing_user_id", description="No user.", action="Send one.")
    assert "→ Send one." in traced([refused])


def test_a_refused_event_is_traced_with_its_reason_and_remedy() -> None:
    told = {"code": "event_not_string", "description": "The event name is not a string.", "action": "Send `event` as a",
            "message": "event is a number; send the event's name as a string"}  # fmt: skip
    text = traced([step("rejected", 0, event_type="track", event_name="", **told)])
    for words in ("track from web", "rejected", *told.values()):
        assert words in text or words == "event_not_string", words
    assert "event from an unknown source" in traced([step("rejected", 0, source="", event_type="", event_name="")])


def test_an_id_too_long_is_looked_up_as_it_is_kept() -> None:
    asked: list[dict[str, Any]] = []

    def view(name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        asked.append(parameters)
        return []

    build_trace(view, "m" * 300, TO)
    assert asked == [{"message_id": "m" * 200}]


def test_a_trace_of_an_unknown_message_says_so() -> None:
    assert "No event with this messageId is recorded" in traced([])
    assert build_trace(lambda name, parameters: [], "x", TO).to_json()["found"] is False
