"""Storage: warehouses and buckets, loaded by other means. Listed so that reports can name what they do not count."""

from typing import Literal

from model.destinations.destination import Destination


class StorageDestination(Destination):
    """Loaded by other means; listed so that reports can name it as not counted."""

    type: Literal["s3", "gcs", "bigquery", "snowflake", "redshift"]
    """A storage destination: not reportable here."""
