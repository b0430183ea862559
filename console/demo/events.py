"""Made-up events of a web shop: all six call types of the Segment spec."""

import random
from datetime import datetime, timedelta
from typing import Any

WRITE_KEY = "demo-write-key"
CALLS = ("track", "track", "track", "track", "identify", "page", "page", "screen", "group", "alias")
TRACKED = ("Order Completed", "Product Viewed", "Product Added", "Signed Up", "Cart Viewed")
PAGES = ("Home", "Product", "Cart", "Checkout")
VERSIONS = ("3.1.0", "3.2.0")


def demo_event(number: int, now: datetime, chance: random.Random) -> dict[str, Any]:
    """Make one event that happened up to two seconds ago."""
    call = CALLS[number % len(CALLS)]
    happened = now - timedelta(milliseconds=chance.randrange(2_000))
    event: dict[str, Any] = {
        "type": call,
        "userId": f"user-{chance.randrange(1_000)}",
        "timestamp": happened.isoformat(),
        "context": {"app": {"name": "Shop", "version": chance.choice(VERSIONS)}, "locale": "en-GB"},
    }
    if call == "track":
        event["event"] = chance.choice(TRACKED)
        event["properties"] = {
            "order_id": f"order-{number}",
            "revenue": round(chance.uniform(5, 200), 2),
            "currency": "EUR",
        }
    elif call in {"page", "screen"}:
        event["name"] = chance.choice(PAGES)
        event["properties"] = {"path": f"/{event['name'].lower()}"}
    elif call == "identify":
        event["traits"] = {"email": f"user-{chance.randrange(1_000)}@example.com", "plan": "free"}
    elif call == "group":
        event |= {"groupId": f"company-{chance.randrange(50)}", "traits": {"industry": "retail"}}
    else:
        event["previousId"] = f"anonymous-{number}"
    return event
