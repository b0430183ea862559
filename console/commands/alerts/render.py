"""What the command line shows of alerts: tables of rules, of what they did, of the inbox, and a backtest."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.reports.render_parts import count, day_and_time, duration, printable

_STYLES = {"firing": "bold red", "fired": "bold red", "recovered": "green", "reminder": "yellow", "ok": "green"}
Row = Mapping[str, Any]


def words_of(rule: Row) -> str:
    """Say in one line what a definition (as the API shows it) tells of."""
    if rule["kind"] == "source-volume":
        against = "a week ago" if rule["baseline"] == "week" else "the day before"
        way = {"up": "more", "down": "fewer"}.get(rule["direction"], "more or fewer")
        return f"{way} events in 24 h, by more than {rule['change_percent']} %, than {against}"
    if rule["kind"] == "delivery-rate":
        first = rule["first_attempts_below_percent"]
        fast = f", or first attempts below {first} %" if first else ""
        return f"delivered below {rule['below_percent']} % in 24 h{fast}"
    return "any delivery failed within an hour"


def scope_words(rule: Row) -> str:
    """Say what a rule watches: web → crm (orders)."""
    ends = " → ".join(part for part in (rule["source"], rule["destination"]) if part)
    return f"{ends} ({rule['mapping']})" if rule["mapping"] else ends


def render_rules(rules: Sequence[Row], now_ms: int, console: Console) -> None:
    """Show rules, those that fire first."""
    if not rules:
        console.print(Text("There are no alert rules. `waybill alerts create --help` shows how to make one."))
        return
    table = Table()
    for column in ("State", "Name", "Watches", "Tells of", "Told on", "By", "Id"):
        table.add_column(column, overflow="fold")
    for rule in sorted(rules, key=lambda rule: (rule["status"] != "firing", rule["rule"]["name"], rule["id"])):
        by = "workspace file" if rule["owner"] == "workspace" else rule["creator"]
        table.add_row(
            _state(rule, now_ms),
            *(
                Text(printable(text))
                for text in (
                    rule["rule"]["name"],
                    scope_words(rule),
                    words_of(rule["rule"]),
                    ", ".join(rule["rule"]["channels"]),
                    by,
                    rule["id"],
                )
            ),
        )
    console.print(table)


def render_rule(rule: Row, what: str, console: Console) -> None:
    """Show what was done to one rule."""
    console.print(Text(f"{what} rule {printable(rule['id'])}: {printable(rule['rule']['name'])}", "green"))
    console.print(
        Text(f"  {printable(scope_words(rule))}: {printable(words_of(rule['rule']))}; version {rule['version']}", "dim")
    )


def render_history(rows: Sequence[Row], console: Console) -> None:
    """Show what rules did, newest first."""
    if not rows:
        console.print(Text("No rule fired or recovered in this period."))
        return
    table = Table()
    for column in ("Time (UTC)", "What", "Rule", "Watches", "Compared", "Told"):
        table.add_column(column, overflow="fold")
    for row in rows:
        told = f"{row['sent']} sent" if row["told"] else f"no: {row['told_reason']}"
        waiting = f", {row['waiting']} waiting" if row["waiting"] else ""
        dropped = f", {row['dropped']} dropped" if row["dropped"] else ""
        table.add_row(
            day_and_time(row["at"]),
            Text(row["change"], _STYLES.get(row["change"], "")),
            Text(printable(row["rule_name"])),
            Text(printable(scope_words(row))),
            Text(_compared(row)),
            Text(told + waiting + dropped),
        )
    console.print(table)


def render_inbox(rows: Sequence[Row], console: Console) -> None:
    """Show messages in the app, newest first."""
    if not rows:
        console.print(Text("Nothing was told in this period."))
    for row in rows:
        console.print(
            Text.assemble(
                (f"{day_and_time(row['at'])}  ", "dim"),
                (f"{row['change']}: ", _STYLES.get(row["change"], "bold")),
                printable(row["title"]),
            )
        )
        console.print(Text(f"  {printable(row['summary'])}"), soft_wrap=True)
        if row["link"]:
            console.print(Text(f"  {printable(row['link'])}", "cyan"), soft_wrap=True)


def render_backtest(answer: Row, console: Console) -> None:
    """Show when a rule would have fired."""
    times = {0: "not have fired", 1: "have fired once"}.get(answer["fired"], f"have fired {answer['fired']} times")
    console.print(Text(f"The rule would {times} in {answer['days']} days.", "bold"))
    if not answer["complete"]:
        since = answer["history_from_ms"]
        known = (
            "there is nothing to compare" if since is None else f"counts are known since {day_and_time(since)} (UTC)"
        )
        console.print(Text(f"  The history is shorter than that takes: {known}.", "yellow"))
    if not answer["episodes"]:
        return
    table = Table()
    for column in ("Fired (UTC)", "Lasted", "Check", "Compared"):
        table.add_column(column, overflow="fold")
    for episode in answer["episodes"]:
        still = "" if episode["recovered_ms"] is not None else ", still firing"
        lasted = f"{duration(episode['duration_ms'])}{still}"
        table.add_row(day_and_time(episode["fired_ms"]), lasted, episode["check"], Text(printable(episode["summary"])))
    console.print(table)
    if answer["fired"] > len(answer["episodes"]):
        console.print(Text(f"  The first {len(answer['episodes'])} of {count(answer['fired'])}.", "dim"))


def render_test(answer: Row, console: Console) -> None:
    """Show whether a channel took a test."""
    channel = printable(answer["channel"])
    if answer["taken"]:
        console.print(Text(f"{channel} took the test message.", "green"))
        return
    said = " ".join(filter(None, (answer["code"], answer["message"])))
    console.print(Text(f"{channel} did not take the test message ({answer['outcome']}): {printable(said)}", "bold red"))


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
        return printable(" ".join(filter(None, (row["code"], row["message"]))))
    of = f" of {count(row['denominator'])}" if row["denominator"] else ""
    bound = f" {row['operator']} {row['threshold_bp'] / 100:g} %" if row["threshold_bp"] else ""
    return f"{count(row['numerator'])}{of}{bound}"
