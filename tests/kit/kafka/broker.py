"""A broker of Apache Kafka as a process of its own; can be stopped, killed and started again on the same ports."""

import atexit
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.kit.kafka.settings import HOST, PASSWORD, USER, authority_file, find_ports, write_settings

START_SECONDS = 90.0
STOP_SECONDS = 120.0  # the first to stop also writes what later ones start from
FORMAT_SECONDS = 60.0
LOG_TAIL_CHARS = 4_000

# Starting quickly matters more than running fast.
_JVM = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:+ExitOnOutOfMemoryError",
)
_LOG = ("-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS")
_CLUSTER = "d2F5YmlsbC10ZXN0cy0wMQ"


class Broker:
    """One node in a directory.

    ``address`` takes everything from everybody. ``secure_address`` is SASL_SSL: ``secure_settings`` are what librdkafka
    needs for it, as the user `tests.kit.kafka.settings.USER`, to whom access lists apply.
    """

    def __init__(self, directory: Path, java: str, jars: Path) -> None:
        ports = find_ports()
        self.address = f"{HOST}:{ports.plain}"
        self.secure_address = f"{HOST}:{ports.secure}"
        self.secure_settings = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": PASSWORD,
            "ssl.ca.location": str(authority_file(directory)),
        }
        self.log = directory / "broker.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._data = directory / "data"
        # The first broker to stop leaves the classes it loaded to all later ones, which start twice as fast.
        self._classes = jars.with_suffix(".jsa")
        self._new_classes = jars.with_suffix(f".{os.getpid()}.jsa")
        self._java = [java, *_JVM, *_LOG, "-cp", f"{jars}/*"]
        self._settings = write_settings(directory, ports)
        atexit.register(self.kill)

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start on the data there is, and wait until it answers.

        The broker ends with the thread that started it: not for threads that come and go.

        Raises:
            AssertionError: it does not answer; with the end of its log.
        """
        if not self._data.is_dir():
            self._format()
        archive = (
            f"-XX:SharedArchiveFile={self._classes}"
            if self._classes.exists()
            else f"-XX:ArchiveClassesAtExit={self._new_classes}"
        )
        command = [*self._java, archive, "kafka.Kafka", str(self._settings)]
        # The kernel ends the broker with us, whatever becomes of us; atexit must do where there is no util-linux.
        # Not by a preexec_fn: that may hang once clients' threads run.
        tie = shutil.which("setpriv")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [tie, "--pdeathsig", "KILL", *command] if tie else command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_for_answer()

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=STOP_SECONDS)
            if self._new_classes.exists():
                self._new_classes.rename(self._classes)

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        """Stop, and start again."""
        self.stop()
        self.start()

    def _format(self) -> None:
        arguments = ["format", "--cluster-id", _CLUSTER, "--config", str(self._settings)]
        done = subprocess.run(
            [*self._java, "kafka.tools.StorageTool", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=FORMAT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"the broker's storage: {done.stdout.decode()[-LOG_TAIL_CHARS:]}")

    def _wait_for_answer(self) -> None:
        assert self.process is not None
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0, "reconnect.backoff.max.ms": 200})
        deadline = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if client.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                continue
        ended = self.process.poll()
        self.kill()
        what = "does not answer" if ended is None else f"ended with {ended}"
        raise AssertionError(f"the broker {what}: {self.log.read_text(errors='replace')[-LOG_TAIL_CHARS:]}")
