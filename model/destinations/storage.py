"""Storage: warehouses and buckets, loaded in bulk by other means. Listed so that reports can say what is not theirs."""

from typing import Literal

from model.destinations.destination import Destination


class StorageDestination(Destination):
    """Loaded in bulk by other means; listed so that reports can say that it is not theirs to count."""

    type: Literal["s3", "gcs", "bigquery", "snowflake", "redshift"]
    """A storage destination: not reportable here."""
