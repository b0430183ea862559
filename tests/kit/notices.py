"""Notices to be told, for the tests of all channels."""

from typing import Any

from model.alerts.notice import Change, ErrorGroup, Notice
from model.durations import DAY_MS

AT_MS = 1_795_230_900_000


def notice(number: int = 1, **changed: Any) -> Notice:
    """A rule that fires, with everything a notice may bring."""
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
            ErrorGroup(
                destination="amplitude",
                code="429",
                message="Too many requests for this device",
                deliveries=1_102,
                link="https://waybill.example.com/trace/m-1?source=web&day=1",
            ),
            ErrorGroup(
                destination="amplitude",
                code="ETIMEDOUT",
                message="operation timed out",
                deliveries=138,
                sample_message_id="m-2",
            ),
        ),
        "link": "https://waybill.example.com/alerts/purchases",
    }
    return Notice(**fields | changed)


HOSTILE = "<!channel> @here </b>&amp; *x* `y` <https://evil.example|click>\r\nBcc: eve@evil.example\x1b[2J\u202e\ud800"


def hostile_notice(number: int = 1) -> Notice:
    """Everything a partner or a user may write, where anything can be written, and as long as it likes."""
    group = ErrorGroup(
        destination=HOSTILE,
        code=HOSTILE,
        message=HOSTILE * 100,
        deliveries=1,
        sample_message_id=HOSTILE,
        link="javascript:alert(1)",
    )
    return notice(
        number,
        rule_id=HOSTILE,
        rule_name=HOSTILE * 50,
        title=HOSTILE * 50,
        summary="<" * 50_000,
        facts=((HOSTILE, HOSTILE * 100),) * 100,
        error_groups=(group,) * 100,
        link="https://waybill.example.com/x|<!channel>",
    )
