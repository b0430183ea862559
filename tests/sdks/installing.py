"""SDKs and compiled programs, each fetched or compiled once (`made_once`)."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.kit.npm import NodeMissing, node_modules
from tests.kit.once import made_once
from tests.sdks.lines import PROGRAMS, from_environment, with_docs

SECONDS = 600


class ToolMissing(Exception):
    """This machine cannot run the SDK; says what to install."""


def tool(name: str, package: str) -> str:
    """The path of a command. Raises `ToolMissing`, which names Debian's ``package``."""
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is missing: apt-get install {package}")
    return found


def npm_packages() -> Path:
    """The node_modules of every SDK in JavaScript. Raises `ToolMissing`."""
    try:
        return node_modules(PROGRAMS / "node" / "package.json")
    except NodeMissing as error:
        raise ToolMissing(str(error)) from None


def go_program() -> Path:
    """The program that runs the Go SDK. Raises `ToolMissing`."""
    go = tool("go", "golang-go")
    text = from_environment(with_docs(PROGRAMS / "go" / "main.go"), lambda name: f'os.Getenv("{name}")')
    modules = (PROGRAMS / "go" / "go.mod").read_text()

    def make(directory: Path) -> None:
        (directory / "main.go").write_text(text)
        (directory / "go.mod").write_text(modules)
        run([go, "build", "-o", "program", "."], directory, {"GOFLAGS": "-mod=mod -buildvcs=false"})

    return made_once("sdks", "go", (text + modules).encode(), make) / "program"


def java_program() -> list[str]:
    """The command that runs the Java SDK's program. Raises `ToolMissing`."""
    java, javac = tool("java", "default-jre-headless"), tool("javac", "default-jdk-headless")
    jars = _jars(PROGRAMS / "java" / "pom.xml")
    text = from_environment(with_docs(PROGRAMS / "java" / "Main.java"), lambda name: f'System.getenv("{name}")')

    def make(directory: Path) -> None:
        (directory / "Main.java").write_text(text)
        run([javac, "-cp", f"{jars}/*", "-d", str(directory), "Main.java"], directory)

    classes = made_once("sdks", "java", text.encode(), make)
    return [java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{jars}/*", "Main"]


def kotlin_program() -> list[str]:
    """The command that runs the Kotlin SDK's program, less its options for TLS. Raises `ToolMissing`."""
    java = tool("java", "default-jre-headless")
    jars, compiler = _jars(PROGRAMS / "kotlin" / "pom.xml"), _jars(PROGRAMS / "kotlin" / "compiler.xml")
    text = from_environment(with_docs(PROGRAMS / "kotlin" / "Main.kt"), lambda name: f'System.getenv("{name}")')

    def make(directory: Path) -> None:
        (directory / "Main.kt").write_text(text)
        options = ["-no-stdlib", "-no-reflect", "-cp", ":".join(str(jar) for jar in jars.glob("*.jar"))]
        kotlinc = [java, "-cp", f"{compiler}/*", "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"]
        run([*kotlinc, *options, "-d", str(directory), "Main.kt"], directory)

    classes = made_once("sdks", "kotlin", text.encode(), make)
    return [java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{jars}/*", "MainKt"]


def run(command: list[str], directory: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a step of an installation. Raises RuntimeError with what it said."""
    environ = {**os.environ, **(environment or {})}
    done = subprocess.run(
        command, cwd=directory, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name} failed: {(done.stdout + done.stderr)[-3000:]}")


def _jars(pom: Path) -> Path:
    maven = tool("mvn", "maven")

    def make(directory: Path) -> None:
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={directory}"]
        run([maven, "-q", "-B", "-f", str(pom), *goal], directory)

    return made_once("sdks", f"jars-{pom.parent.name}-{pom.stem}", pom.read_bytes(), make)
