"""Where topics are, in the workspace file: SQLite files, or brokers of Apache Kafka."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from model.config.env_string import EnvString, config_error, refers_to_environment, require
from model.config.section import Section

_SQLITE = re.compile(r"sqlite:///.+")
_KAFKA = re.compile(
    r"kafka://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}(?:,(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5})*"
    r"(?:/[A-Za-z0-9._-]{0,100})?"
)
# What may be set of the client library. All the rest decides whether records are lost, and is not for choosing.
_SETTABLE = tuple("security.protocol sasl. ssl. enable.ssl. enable.sasl. socket. broker.address. client.".split())
_SECRET = re.compile(r"password|secret|\.pem$|sasl\.oauthbearer\.config")


_Url = Annotated[
    str,
    Field(max_length=1024),
    require(
        lambda url: _SQLITE.fullmatch(url) or _KAFKA.fullmatch(url),
        "this is no topics URL",
        "Write sqlite:///relative/directory, sqlite:////absolute/directory or kafka://host:9092,host:9092/prefix",
    ),
]
Setting = EnvString | StrictInt | StrictBool


def _check_settings(settings: dict[str, Setting]) -> dict[str, Setting]:
    for name, value in settings.items():
        if not name.startswith(_SETTABLE):
            raise config_error(
                f"{name[:100]!r} is not for choosing", f"Only settings that begin with {', '.join(_SETTABLE)}"
            )
        if isinstance(value, EnvString) and _SECRET.search(name) and not refers_to_environment(value.raw):
            raise config_error(
                f"{name} is a secret written in the file", "Secrets only as ${NAME}, with NAME in the environment"
            )
    return settings


class TopicsConfig(Section):
    """Where events, retries, facts and dead letters are kept."""

    url: _Url | None = None
    """sqlite:///relative/directory, sqlite:////absolute/directory, or kafka://host:9092,host:9092/prefix for Apache
    Kafka (topics prefix.events and so on; the prefix is "waybill" if none is given).
    Not given: SQLite under the data directory."""
    partitions: int = Field(default=2, ge=1, le=64)
    """Partitions of every topic. They cannot be changed once the topics exist."""
    fsync: bool = False
    """SQLite: wait for the disk before answering success, so that accepted events survive loss of power too."""
    replication: int | None = Field(default=None, ge=1, le=32)
    """Kafka: replicas of each topic. Not given: as the brokers have it."""
    kafka: Annotated[dict[str, Setting], AfterValidator(_check_settings)] = {}
    """Kafka: settings of librdkafka for TLS and SASL, such as security.protocol, sasl.mechanism, sasl.username,
    sasl.password and ssl.ca.location; secrets only as ${NAME}."""

    def kafka_settings(self) -> dict[str, str | int | bool]:
        """The settings with their secrets, for the client library alone."""
        return {name: value.value if isinstance(value, EnvString) else value for name, value in self.kafka.items()}

    @property
    def on_kafka(self) -> bool:
        """Whether the topics are on brokers."""
        return self.url is not None and self.url.startswith("kafka:")
