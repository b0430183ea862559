"""The broker's settings: one node that is broker and controller, small, and quick to start and to come back."""

import random
import socket
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

HOST = "127.0.0.1"
USER, PASSWORD = "waybill-test", "waybill-test-password"

# Below the ports that systems give to outgoing connections: while the broker is down, nobody else gets its ports, and
# a client that keeps trying cannot happen to connect to itself.
PORTS = range(20_000, 32_000)

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # One node holds everything.
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "auto.create.topics.enable": "false",
    # No waiting for more members, or for the end of a session of before a crash.
    "group.initial.rebalance.delay.ms": "0",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
    # Fits in a small heap.
    "log.cleaner.dedupe.buffer.size": "4194304",
    "num.network.threads": "2",
    "num.io.threads": "4",
    # Whoever comes without a name may do all; tests deny things to the user of the secure listener.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
    "super.users": "User:ANONYMOUS",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.secure.plain.sasl.jaas.config": (
        f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    ),
    "ssl.keystore.type": "PEM",
}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the listeners are."""

    plain: int
    secure: int
    controller: int


def find_ports() -> Ports:
    """Three that are free."""
    found: list[int] = []
    for port in random.sample(PORTS, k=200):
        with socket.socket() as candidate:
            try:
                candidate.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == 3:
            return Ports(*found)
    raise OSError("no free ports for the broker")


def write_settings(directory: Path, ports: Ports) -> Path:
    """Write the broker's file, with a certificate that ``authority.pem`` vouches for; returns its path."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(authority_file(directory))
    certificate = authority.issue_cert(HOST, "localhost")
    # Java reads keys of PKCS #8 alone.
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    keystore = directory / "keystore.pem"
    keystore.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + b"".join(part.bytes() for part in certificate.cert_chain_pems)
    )
    listeners = {"PLAINTEXT": ports.plain, "SECURE": ports.secure, "CONTROLLER": ports.controller}
    settings = {
        **_SETTINGS,
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in listeners.items()),
        "controller.quorum.voters": f"1@{HOST}:{ports.controller}",
        "log.dirs": str(directory / "data"),
        "ssl.keystore.location": str(keystore),
    }
    file = directory / "server.properties"
    file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8")
    return file


def authority_file(directory: Path) -> Path:
    """The certificate that clients of the secure listener trust."""
    return directory / "authority.pem"
