"""Answers of the alerts API as text: tables of rules, their history, the inbox, a backtest, a channel test."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from console.reports.render_parts import count, day_and_time, duration, folding_table, printable, safe_text
from flows.engine.clock import wall_clock_ms

_STYLES = {"firing": "bold red", "fired": "bold red", "recovered": "green", "reminder": "yellow", "ok": "green"}
Row = Mapping[str, Any]


def condition_of(rule: Row) -> str:
    """Return in one line when a rule fires; ``rule``: its definition as the API shows it."""
    if rule["kind"] == "source-volume":
        baseline = "a week ago" if rule["baseline"] == "week" else "the day before"
        direction = {"up": "more", "down": "fewer"}.get(rule["direction"], "more or fewer")
        return f"{direction} events in 24 h, by more than {rule['change_percent']} %, than {baseline}"
    if rule["kind"] == "delivery-rate":
        first = rule["first_attempts_below_percent"]
        fast = f", or first attempts below {first} %" if first else ""
        return f"delivered below {rule['below_percent']} % in 24 h{fast}"
    return "any delivery failed within an hour"


def scope_of(rule: Row) -> str:
    """Return what a rule watches: web → crm (orders)."""
    ends = " → ".join(part for part in (rule["source"], rule["destination"]) if part)
    return f"{ends} ({rule['mapping']})" if rule["mapping"] else ends


def rules(answer: Row, console: Console) -> None:
    """Show rules, those that fire first."""
    if not answer["rules"]:
        console.print(Text("There are no alert rules. `waybill alerts create --help` shows how to create one."))
        return
    table = folding_table("State", "Name", "Watches", "Fires on", "Channels", "By", "Id")
    now_ms = wall_clock_ms()
    for rule in sorted(
        answer["rules"], key=lambda rule: (rule["status"] != "firing", rule["rule"]["name"], rule["id"])
    ):
        texts = (
            rule["rule"]["name"],
            scope_of(rule),
            condition_of(rule["rule"]),
            ", ".join(rule["rule"]["channels"]),
            "workspace file" if rule["owner"] == "workspace" else rule["creator"],
            rule["id"],
        )
        table.add_row(_state(rule, now_ms), *map(safe_text, texts))
    console.print(table)


def changed_rule(what: str) -> Callable[[Row, Console], None]:
    """Make a function that shows a rule after something was done to it."""

    def render(answer: Row, console: Console) -> None:
        rule = answer["rule"]
        console.print(safe_text(f"{what} rule {rule['id']}: {rule['rule']['name']}", "green"))
        condition = condition_of(rule["rule"])
        console.print(safe_text(f"  {scope_of(rule)}: {condition}; version {rule['version']}", "dim"))

    return render


def history(answer: Row, console: Console) -> None:
    """Show what rules did, newest first."""
    if not answer["history"]:
        console.print(Text("No rule fired or recovered in this period."))
        return
    table = folding_table("Time (UTC)", "What", "Rule", "Watches", "Compared", "Notified")
    for row in answer["history"]:
        notified = f"{row['sent']} sent" if row["notified"] else f"no: {row['suppressed_reason']}"
        others = "".join(f", {row[state]} {state}" for state in ("waiting", "dropped") if row[state])
        table.add_row(
            day_and_time(row["at"]),
            Text(row["change"], _STYLES.get(row["change"], "")),
            *map(safe_text, (row["rule_name"], scope_of(row), _compared(row), notified + others)),
        )
    console.print(table)


def inbox(answer: Row, console: Console) -> None:
    """Show the notifications in the app, newest first."""
    if not answer["messages"]:
        console.print(Text("There were no notifications in this period."))
    for row in answer["messages"]:
        console.print(
            Text.assemble(
                (f"{day_and_time(row['at'])}  ", "dim"),
                (f"{row['change']}: ", _STYLES.get(row["change"], "bold")),
                printable(row["title"]),
            )
        )
        console.print(safe_text(f"  {row['summary']}"), soft_wrap=True)
        if row["link"]:
            console.print(safe_text(f"  {row['link']}", "cyan"), soft_wrap=True)


def backtest(answer: Row, console: Console) -> None:
    """Show when a rule would have fired."""
    times = {0: "not have fired", 1: "have fired once"}.get(answer["fired"], f"have fired {answer['fired']} times")
    console.print(Text(f"The rule would {times} in {answer['days']} days.", "bold"))
    if not answer["complete"]:
        since = answer["history_from_ms"]
        known = "there is none" if since is None else f"it begins at {day_and_time(since)} (UTC)"
        console.print(Text(f"  The history is shorter than the comparison needs: {known}.", "yellow"))
    if not answer["episodes"]:
        return
    table = folding_table("Fired (UTC)", "Lasted", "Check", "Compared")
    for episode in answer["episodes"]:
        still = "" if episode["recovered_ms"] is not None else ", still firing"
        lasted = f"{duration(episode['duration_ms'])}{still}"
        table.add_row(day_and_time(episode["fired_ms"]), lasted, episode["check"], safe_text(episode["summary"]))
    console.print(table)
    if answer["fired"] > len(answer["episodes"]):
        console.print(Text(f"  The first {len(answer['episodes'])} of {count(answer['fired'])}.", "dim"))


def channel_test(answer: Row, console: Console) -> None:
    """Show whether a channel accepted a test message."""
    if answer["taken"]:
        console.print(safe_text(f"{answer['channel']} accepted the test message.", "green"))
        return
    why = " ".join(filter(None, (answer["code"], answer["message"])))
    console.print(
        safe_text(f"{answer['channel']} did not accept the test message ({answer['outcome']}): {why}", "bold red")
    )


def _state(rule: Row, now_ms: int) -> Text:
    if not rule["rule"]["enabled"]:
        return Text("disabled", "dim")
    status = rule["status"] or "ok"
    state = Text(status, _STYLES[status])
    if status == "firing":
        state.append(f" {duration(max(0, now_ms - rule['since_ms']))}", "red")
        if rule["acknowledged_ms"] >= rule["since_ms"]:
            state.append(", acknowledged", "dim")
    if rule["muted_until_ms"] > now_ms:
        state.append(f", muted until {day_and_time(rule['muted_until_ms'])}", "yellow")
    return state


def _compared(row: Row) -> str:
    if not row["operator"]:
        return " ".join(filter(None, (row["code"], row["message"])))
    of = f" of {count(row['denominator'])}" if row["denominator"] else ""
    bound = f" {row['operator']} {row['threshold_bp'] / 100:g} %" if row["threshold_bp"] else ""
    return f"{count(row['numerator'])}{of}{bound}"
