"""Notifications to be told, for the tests of all channels."""

from typing import Any

from model.alerts.notification import Change, Notification, TopError
from model.durations import DAY_MS

AT_MS = 1_795_230_900_000


def notification(number: int = 1, **changed: Any) -> Notification:
    """A rule that fires, with everything a notification may bring."""
    fields: dict[str, Any] = {
        "id": f"{number:032x}",
        "change": Change.FIRED,
        "rule_id": "purchases",
        "rule_name": "Purchases reach Amplitude",
        "title": "Purchases reach Amplitude",
        "summary": "delivered 18,412 of 19,652 = 93.69 % < 95 %",
        "at_ms": AT_MS,
        "from_ms": AT_MS - DAY_MS,
        "to_ms": AT_MS,
        "facts": (("Destination", "amplitude"), ("Not counted", "2,310 filtered")),
        "error_groups": (
            TopError(
                destination="amplitude",
                code="429",
                message="Too many requests for this device",
                deliveries=1_102,
                link="https://waybill.example.com/trace/m-1?source=web&day=1",
            ),
            TopError(
                destination="amplitude",
                code="ETIMEDOUT",
                message="operation timed out",
                deliveries=138,
                sample_message_id="m-2",
            ),
        ),
        "link": "https://waybill.example.com/alerts/purchases",
    }
    return Notification(**fields | changed)


HOSTILE = "<!channel> @here </b>&amp; *x* `y` <https://evil.example|click>\r\nBcc: eve@evil.example\x1b[2J\u202e\ud800"


def hostile_notification(number: int = 1) -> Notification:
    """Everything a partner or a user may write, where anything can be written, and as long as it likes."""
    group = TopError(
        destination=HOSTILE,
        code=HOSTILE,
        message=HOSTILE * 100,
        deliveries=1,
        sample_message_id=HOSTILE,
        link="javascript:alert(1)",
    )
    return notification(
        number,
        rule_id=HOSTILE,
        rule_name=HOSTILE * 50,
        title=HOSTILE * 50,
        summary="<" * 50_000,
        facts=((HOSTILE, HOSTILE * 100),) * 100,
        error_groups=(group,) * 100,
        link="https://waybill.example.com/x|<!channel>",
    )
