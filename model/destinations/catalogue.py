"""All destination types, and the explanations of their codes."""

from typing import Annotated, Literal

from pydantic import Field

from model.destinations.amplitude import AmplitudeDestination
from model.destinations.destination import Destination, HttpDestination
from model.destinations.ga4 import Ga4Destination
from model.destinations.http_api import HttpApiDestination
from model.destinations.mixpanel import MixpanelDestination
from model.destinations.segment import SegmentDestination
from model.destinations.webhook import WebhookDestination
from model.reason_codes import catalogue as codes
from model.reason_codes.catalogue import Reason


class StorageDestination(Destination):
    """A warehouse or bucket, loaded by other means; listed so that reports can name it as not counted."""

    type: Literal["s3", "gcs", "bigquery", "snowflake", "redshift"]
    """A storage destination: not reportable here."""


AnyDestination = Annotated[
    WebhookDestination
    | HttpApiDestination
    | SegmentDestination
    | Ga4Destination
    | AmplitudeDestination
    | MixpanelDestination
    | StorageDestination,
    Field(discriminator="type"),
]
DESTINATIONS: tuple[type[HttpDestination], ...] = (
    WebhookDestination,
    HttpApiDestination,
    SegmentDestination,
    Ga4Destination,
    AmplitudeDestination,
    MixpanelDestination,
)
ALL_REASONS: tuple[Reason, ...] = (*codes.ALL, *(reason for kind in DESTINATIONS for reason in kind.reasons))
_OWN = {reason.code: reason for kind in DESTINATIONS for reason in kind.reasons}


def reason(code: str) -> Reason:
    """Explain any code, those of destination types included. Never raises."""
    return _OWN.get(code) or codes.reason(code)
