"""`waybill alerts`: rules, their history, and whether channels work. Asks the running server, or the store itself."""

import typer

from console.commands.alerts import notifications, rules

alerts_app = typer.Typer(
    name="alerts", no_args_is_help=True, rich_markup_mode="rich", help="Rules that notify you when deliveries go wrong."
)

for _command, _example in (
    (rules.list_, "list --destination crm"),
    (rules.create, "create --kind source-volume --source web --change-percent 4 --direction down"),
    (rules.edit, "edit 3f9c21d07a --below-percent 99.5 --channel team --channel email:me"),
    (rules.delete, "delete 3f9c21d07a"),
    (notifications.mute, "mute 3f9c21d07a --for 2h"),
    (notifications.unmute, "unmute 3f9c21d07a"),
    (notifications.ack, "ack 3f9c21d07a"),
    (notifications.history, "history --period 7d --destination crm"),
    (notifications.inbox, "inbox --period 24h"),
    (rules.backtest, "backtest --file rule.yaml --days 30"),
    (notifications.test_channel, "test-channel team"),
    (notifications.subscribe, "subscribe failed-events --destination crm --channel email"),
    (notifications.unsubscribe, "unsubscribe failed-events --destination crm"),
):
    alerts_app.command(_example.partition(" ")[0], epilog=f"Example: waybill alerts {_example}")(_command)
