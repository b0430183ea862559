"""Fetch Apache Kafka for the tests, once per version: ``python -m tests.kit.kafka.install`` prints where its jars are.

Needs Java 17 or later, and Maven for the first time.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
JAVA_VERSION = 17
DOWNLOAD_SECONDS = 600.0
REMEDY = "tests over Kafka need Java 17+ and, for the first time, Maven (apt-get install default-jre-headless maven)"


class CannotInstall(Exception):
    """There is no broker to be had here; says why and what to do."""


def install() -> Path:
    """The directory of the broker's jars, fetched unless it is there.

    Raises:
        CannotInstall: no Maven, or it cannot download.
    """
    jars = _cache() / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"
    if not jars.is_dir():
        sys.stderr.write("fetching Apache Kafka with Maven, 44 MB, once\n")
        jars.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=jars.parent) as part:
            _download(Path(part) / "jars")
            _publish(Path(part) / "jars", jars)
    return jars


def find_java() -> str:
    """The command of a Java that can run the broker.

    Raises:
        CannotInstall: there is none, or it is too old.
    """
    home = os.environ.get("JAVA_HOME", "")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise CannotInstall(f"no java{home and f' in JAVA_HOME={home}'}: {REMEDY}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < JAVA_VERSION:
        raise CannotInstall(f"{java} is {said.splitlines()[:1]}: {REMEDY}")
    return java


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "waybill"


def _download(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise CannotInstall(f"no mvn: {REMEDY}")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={directory}"]
    command = [maven, "-q", "-B", "-f", str(POM), *goal]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"Maven did not fetch Apache Kafka within {DOWNLOAD_SECONDS:.0f} s: try again") from None
    if done.returncode != 0:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise CannotInstall(f"Maven cannot fetch Apache Kafka: {(errors or [done.stderr])[0][:500]}")


def _publish(part: Path, jars: Path) -> None:
    """At once, so that a broken download is never taken for the whole."""
    try:
        part.rename(jars)
    except OSError:
        if not jars.is_dir():  # else another run was faster
            raise


def main() -> None:
    """Print the directory, or why there is none."""
    try:
        find_java()
        sys.stdout.write(f"{install()}\n")
    except CannotInstall as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
