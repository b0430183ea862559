"""Access lists: what the user of the secure listener may do with a topic. Without a list, everything."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.kit.kafka.settings import USER


def deny_writing(address: str, topic: str) -> None:
    """The user sees and reads the topic, but may not write to it."""
    bindings = [
        AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, permission)
        for operation, permission in (
            (AclOperation.WRITE, AclPermissionType.DENY),
            (AclOperation.READ, AclPermissionType.ALLOW),  # and with it to describe
        )
    ]
    client = AdminClient({"bootstrap.servers": address})  # lives until its answers are there
    _done(client.create_acls(bindings))


def deny_appending(address: str) -> None:
    """The user may append to no topic, and not with idempotence: a producer that asks for it then is done for."""
    topic, cluster = (ResourceType.TOPIC, "*"), (ResourceType.BROKER, "kafka-cluster")
    bindings = [
        AclBinding(*resource, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, permission)
        for resource, operation, permission in (
            (topic, AclOperation.WRITE, AclPermissionType.DENY),
            (topic, AclOperation.READ, AclPermissionType.ALLOW),
            (cluster, AclOperation.IDEMPOTENT_WRITE, AclPermissionType.DENY),
        )
    ]
    client = AdminClient({"bootstrap.servers": address})  # lives until its answers are there
    _done(client.create_acls(bindings))


def allow_appending(address: str) -> None:
    """Take those lists away."""
    literal, every, any_kind = ResourcePatternType.LITERAL, AclOperation.ANY, AclPermissionType.ANY
    whole = [
        AclBindingFilter(kind, name, literal, f"User:{USER}", "*", every, any_kind)
        for kind, name in ((ResourceType.TOPIC, "*"), (ResourceType.BROKER, "kafka-cluster"))
    ]
    client = AdminClient({"bootstrap.servers": address})  # lives until its answers are there
    _done(client.delete_acls(whole))


def allow_everything(address: str, topic: str) -> None:
    """Take the topic's access list away."""
    literal, every, any_kind = ResourcePatternType.LITERAL, AclOperation.ANY, AclPermissionType.ANY
    whole = AclBindingFilter(ResourceType.TOPIC, topic, literal, f"User:{USER}", "*", every, any_kind)
    client = AdminClient({"bootstrap.servers": address})  # lives until its answers are there
    _done(client.delete_acls([whole]))


def _done(asked: Mapping[Any, Future[Any]]) -> None:
    for answer in asked.values():
        answer.result()
