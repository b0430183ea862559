"""The limits of Google Analytics 4: names, amounts and numbers of fields.

GA4 responds 2xx and silently drops invalid data. So names of events and parameters are converted to valid ones, and
`problems` reports what cannot be converted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from model.config.problems import FieldPath
from model.mapping.fields import PayloadProblem
from model.mapping.numbers import read_number
from model.mapping.values import is_empty

NAME_LIMIT_CHARS = 40
USER_PROPERTY_NAME_LIMIT_CHARS = 24
_USER_PROPERTY_LIMIT_CHARS = 36
_LIMIT_PARAMS, _LIMIT_USER_PROPERTIES, _LIMIT_ITEMS = 25, 25, 200
_RESERVED_EVENTS = frozenset(
    "ad_activeview ad_click ad_exposure ad_query ad_reward adunit_exposure app_background app_clear_data app_exception "
    "app_install app_remove app_store_refund app_store_subscription_cancel app_store_subscription_convert "
    "app_store_subscription_renew app_update app_upgrade dynamic_link_app_open dynamic_link_app_update "
    "dynamic_link_first_open error first_open first_visit notification_dismiss notification_foreground "
    "notification_open notification_receive notification_send os_update session_start session_start_with_rollout "
    "user_engagement".split()
)
_RESERVED_EVENTS_OF_THE_WEB = frozenset({"ad_impression", "in_app_purchase"})  # an app may send them
_RESERVED_USER_PROPERTIES = frozenset(
    "first_open_after_install first_open_time first_visit_time last_deep_link_referrer user_id".split()
)
_RESERVED_BEGINNINGS = ("firebase_", "ga_", "google_", "gtag_")
AMOUNTS = frozenset("discount price quantity shipping tax value".split())
_NOT_COUNTED = frozenset({"engagement_time_msec", "items", "session_id"})  # parameters that GA4 requires


def event_name(text: str, *, app: bool = False) -> str:
    """Convert an event name to a valid one: a letter first, then letters, digits and underscores, 40 in all, none
    reserved.

    ``app``: of an app stream.
    """
    name = _name(text, "event")
    reserved = name in _RESERVED_EVENTS or (name in _RESERVED_EVENTS_OF_THE_WEB and not app)
    return f"event_{name}"[:NAME_LIMIT_CHARS] if reserved else name


def parameter_name(text: str) -> str:
    """Convert the name of a parameter to a valid one."""
    return _name(text, "param")


def user_property_name(text: str) -> str:
    """Convert the name of a user property to a valid one; '' for a reserved one."""
    plain = _plain(text)
    if text.startswith("_") or plain in _RESERVED_USER_PROPERTIES or plain.startswith(_RESERVED_BEGINNINGS):
        return ""
    return _name(text, "user")[:USER_PROPERTY_NAME_LIMIT_CHARS]


def user_property(given: Any) -> Any:
    """Return the value of a user property, which may be wrapped in an object: ``{"value": …}``."""
    return given["value"] if isinstance(given, dict) and "value" in given else given


def problems(payload: Mapping[str, Any]) -> Iterator[PayloadProblem]:
    """Find what GA4 would silently drop. ``payload`` has the fields of the destination's `payload_fields`."""
    params = payload.get("params", {})
    yield from _amounts(params, ("params",))
    counted = {parameter_name(key) for key, value in params.items() if _is_sent(value)} - _NOT_COUNTED
    yield from _too_many(("params",), len(counted), _LIMIT_PARAMS, "parameters of an event")
    items = params.get("items")
    if isinstance(items, list):
        yield from _too_many(("params", "items"), len(items), _LIMIT_ITEMS, "items")
        for index, item in enumerate(items[:_LIMIT_ITEMS]):
            if isinstance(item, dict):
                yield from _amounts(item, ("params", "items", index))
    user_properties = payload.get("user_properties", {})
    yield from _too_many(("user_properties",), len(user_properties), _LIMIT_USER_PROPERTIES, "user properties")
    for key, given in user_properties.items():
        value = user_property(given)
        if not user_property_name(key):
            yield PayloadProblem(("user_properties", key), "has a name that Google reserves")
        elif isinstance(value, str) and len(value) > _USER_PROPERTY_LIMIT_CHARS:
            message = f"must have at most {_USER_PROPERTY_LIMIT_CHARS} characters, not {len(value)}"
            yield PayloadProblem(("user_properties", key), message)


def _amounts(values: Mapping[str, Any], path: FieldPath) -> Iterator[PayloadProblem]:
    for key, value in values.items():
        is_text = isinstance(value, str) and not is_empty(value)
        if is_text and parameter_name(key) in AMOUNTS and read_number(value) is None:
            yield PayloadProblem((*path, key), "must be a number, not a text that can be read as one")


def _too_many(path: FieldPath, count: int, limit: int, what: str) -> Iterator[PayloadProblem]:
    if count > limit:
        yield PayloadProblem(path, f"are {count} {what}, and GA4 accepts {limit}: choose them in a mapping")


def _is_sent(value: Any) -> bool:
    return isinstance(value, str | int | float) and not is_empty(value)


def _plain(text: str) -> str:
    # Keep letters of any script: names in one script would otherwise all become equal.
    return re.sub(r"\W+", "_", text[:200].lower())


def _name(text: str, kind: str) -> str:
    name = _plain(text).strip("_")
    if not name[:1].isalpha() or name.startswith(_RESERVED_BEGINNINGS):
        name = f"{kind}_{name}".rstrip("_")
    return name[:NAME_LIMIT_CHARS]
