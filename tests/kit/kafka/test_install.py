"""Fetching the broker: once, and with a remedy where it cannot be."""

from pathlib import Path

import pytest

from tests.kit.kafka.install import CannotInstall, find_java, install


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one directory where commands are looked for, and an empty cache."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return directory


def command(directory: Path, name: str, *lines: str) -> None:
    file = directory / name
    file.write_text("\n".join(["#!/bin/sh", "PATH=/usr/bin:/bin", *lines, ""]))
    file.chmod(0o700)


def test_kafka_is_fetched_once(commands: Path) -> None:
    command(commands, "mvn", 'for last; do :; done; mkdir "${last#*=}"; touch "${last#*=}/broker.jar"')
    jars = install()
    (commands / "mvn").unlink()

    assert [file.name for file in install().iterdir()] == ["broker.jar"]
    assert [entry.name for entry in jars.parent.iterdir()] == [jars.name]


def test_kafka_that_cannot_be_fetched_says_what_maven_said_and_is_not_kept(commands: Path) -> None:
    command(commands, "mvn", 'echo "[INFO] hm"; echo "[ERROR] unknown host"; exit 1')
    with pytest.raises(CannotInstall, match="cannot fetch Apache Kafka: .*unknown host"):
        install()

    (commands / "mvn").unlink()
    with pytest.raises(CannotInstall, match=r"no mvn: .*apt-get install .*maven"):
        install()


@pytest.mark.parametrize("said", ['openjdk version "11.0.2" 2019-01-15', "what?", ""])
def test_kafka_needs_a_java_that_is_not_too_old(commands: Path, said: str) -> None:
    command(commands, "java", f"echo '{said}' >&2")

    with pytest.raises(CannotInstall, match=r"java is .*Java 17\+"):
        find_java()


def test_kafka_needs_a_java(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotInstall, match="^no java: .*apt-get install default-jre"):
        find_java()
    command(commands, "java", "echo 'openjdk version \"21\" 2023-09-19' >&2")
    assert find_java() == str(commands / "java")

    monkeypatch.setenv("JAVA_HOME", "nowhere")
    with pytest.raises(CannotInstall, match="^no java in JAVA_HOME=nowhere"):
        find_java()
