"""Access lists: what the user of the secure listener may do with a topic. Without a list, everything."""

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.kafka.settings import USER


def deny_writing(address: str, topic: str) -> None:
    """The user sees and reads the topic, but may not write to it."""
    bindings = [
        AclBinding(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, permission)
        for operation, permission in (
            (AclOperation.WRITE, AclPermissionType.DENY),
            (AclOperation.READ, AclPermissionType.ALLOW),  # and with it to describe
        )
    ]
    client = AdminClient({"bootstrap.servers": address})
    for done in client.create_acls(bindings).values():
        done.result()


def allow_everything(address: str, topic: str) -> None:
    """Take the topic's access list away."""
    literal, every, any_kind = ResourcePatternType.LITERAL, AclOperation.ANY, AclPermissionType.ANY
    client = AdminClient({"bootstrap.servers": address})
    whole = AclBindingFilter(ResourceType.TOPIC, topic, literal, f"User:{USER}", "*", every, any_kind)
    for done in client.delete_acls([whole]).values():
        done.result()
