"""The files of docker/ as its tests read them; nothing here needs Docker."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
COMPOSE = DOCKER / "compose.yaml"
ENVIRONMENT_EXAMPLE = DOCKER / ".env.example"
VARIABLE = re.compile(r"\$\{(\w+)(?::\?([^}]*))?\}")
_INSTRUCTION = re.compile(r"([A-Z]+)\s+(.*)", re.DOTALL)


def secret_names() -> list[str]:
    """What docker/.env sets."""
    return re.findall(r"^(\w+)=$", ENVIRONMENT_EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)


def read_compose(secrets: dict[str, str] | None = None) -> dict[str, Any]:
    """The compose file; with ``secrets``, as Docker Compose reads it once they are in the environment."""
    text = COMPOSE.read_text(encoding="utf-8")
    if secrets is not None:
        text = VARIABLE.sub(lambda found: secrets[found[1]], text)
    compose: dict[str, Any] = yaml.safe_load(text)
    return compose


def read_services() -> dict[str, dict[str, Any]]:
    """The services of the compose file by name."""
    services: dict[str, dict[str, Any]] = read_compose()["services"]
    return services


@dataclass(frozen=True, slots=True)
class Mount:
    """``source``: the name of a volume, or a path of the host as it is written."""

    source: str
    target: str
    writable: bool
    may_be_missing: bool

    @property
    def is_volume(self) -> bool:
        """Whether Docker keeps it."""
        return not self.source.startswith(".")


def read_mounts(service: dict[str, Any]) -> list[Mount]:
    """What a service mounts; temporary file systems are not among it."""
    mounts = []
    for volume in service.get("volumes", ()):
        if isinstance(volume, str):
            source, target, *options = volume.split(":")
            mounts.append(Mount(source, target, "ro" not in options, False))
        else:
            missing = volume.get("bind", {}).get("create_host_path", False)
            mounts.append(Mount(volume["source"], volume["target"], not volume.get("read_only", False), missing))
    return mounts


@dataclass(frozen=True, slots=True)
class Instruction:
    """One of the Dockerfile, continued lines joined."""

    stage: int  # from 0
    word: str
    rest: str

    @property
    def sources(self) -> list[str]:
        """What a COPY from the build's context copies."""
        return [] if self.rest.startswith("--from") else self.rest.split()[:-1]


def read_dockerfile() -> list[Instruction]:
    """The instructions of the Dockerfile in order."""
    lines = (DOCKER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in lines if not line.startswith("#")))
    instructions: list[Instruction] = []
    stage = -1
    for line in filter(None, joined.splitlines()):
        found = _INSTRUCTION.fullmatch(line)
        assert found is not None, line
        stage += found[1] == "FROM"
        instructions.append(Instruction(stage, found[1], found[2]))
    return instructions


def final_stage() -> dict[str, str]:
    """The last of each instruction in the stage that becomes the image."""
    instructions = read_dockerfile()
    return {step.word: step.rest for step in instructions if step.stage == instructions[-1].stage}
