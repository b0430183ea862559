"""SDKs and compiled programs, each fetched or made once and kept outside git.

Waybill's directory `.cache` holds them by a hash of what they are made of.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.dashboards.grafana.node import NodeMissing, node_modules
from tests.sdks.lines import PROGRAMS, from_environment, with_docs

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "sdks"
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
    except NodeMissing:
        raise ToolMissing("node or npm is missing: install Node.js 20 or newer") from None


def go_program() -> Path:
    """The program that runs the Go SDK. Raises `ToolMissing`."""
    go = tool("go", "golang-go")
    text = from_environment(with_docs(PROGRAMS / "go" / "main.go"), lambda name: f'os.Getenv("{name}")')
    modules = (PROGRAMS / "go" / "go.mod").read_text()

    def make(directory: Path) -> None:
        (directory / "main.go").write_text(text)
        (directory / "go.mod").write_text(modules)
        run([go, "build", "-o", "program", "."], directory, {"GOFLAGS": "-mod=mod -buildvcs=false"})

    return _kept("go", text + modules, make) / "program"


def java_program() -> list[str]:
    """The command that runs the Java SDK's program. Raises `ToolMissing`."""
    java, javac = tool("java", "default-jre-headless"), tool("javac", "default-jdk-headless")
    jars = _jars(PROGRAMS / "java" / "pom.xml")
    text = from_environment(with_docs(PROGRAMS / "java" / "Main.java"), lambda name: f'System.getenv("{name}")')

    def make(directory: Path) -> None:
        (directory / "Main.java").write_text(text)
        run([javac, "-cp", f"{jars}/*", "-d", str(directory), "Main.java"], directory)

    return [java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", f"{_kept('java', text, make)}:{jars}/*", "Main"]


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

    classes = _kept("kotlin", text, make)
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

    return _kept(f"jars-{pom.parent.name}-{pom.stem}", pom.read_text(), make)


def _kept(name: str, made_of: str, make: Callable[[Path], None]) -> Path:
    """The directory that ``make`` fills, once for what it is made of."""
    kept = CACHE / f"{name}-{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"
    if not kept.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            inner = Path(scratch) / "complete"
            inner.mkdir()
            make(inner)
            try:
                # Renamed when complete, so that an interrupted run, or another one's, is never used half done.
                inner.rename(kept)
            except OSError:
                if not kept.exists():
                    raise
    return kept
