"""`waybill alerts`: rules, what they did, and whether channels work. Asks the running server, or the store itself."""

import typer

from console.commands.alerts import notifications as told_commands
from console.commands.alerts import rules as rule_commands
from console.commands.alerts import trials as trying_commands

alerts_app = typer.Typer(
    name="alerts", no_args_is_help=True, rich_markup_mode="rich", help="Rules that tell you when it goes wrong."
)

for _name, _command, _example in (
    ("list", rule_commands.list_, "list --destination crm"),
    ("create", rule_commands.create, "create --kind source-volume --source web --change-percent 4 --direction down"),
    ("edit", rule_commands.edit, "edit 3f9c21d07a --below-percent 99.5 --channel team --channel email:me"),
    ("delete", rule_commands.delete, "delete 3f9c21d07a"),
    ("mute", told_commands.mute, "mute 3f9c21d07a --for 2h"),
    ("unmute", told_commands.unmute, "unmute 3f9c21d07a"),
    ("ack", told_commands.ack, "ack 3f9c21d07a"),
    ("history", told_commands.history, "history --period 7d --destination crm"),
    ("inbox", told_commands.inbox, "inbox --period 24h"),
    ("backtest", trying_commands.backtest, "backtest --file rule.yaml --days 30"),
    ("test-channel", trying_commands.test_channel, "test-channel team"),
    ("subscribe", told_commands.subscribe, "subscribe failed-events --destination crm --channel email"),
    ("unsubscribe", told_commands.unsubscribe, "unsubscribe failed-events --destination crm"),
):
    alerts_app.command(_name, epilog=f"Example: waybill alerts {_example}")(_command)
