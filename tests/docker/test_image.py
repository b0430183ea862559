"""The Dockerfile: what a linter says, who the image runs as, and that all it copies is there and reaches the build."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import yaml

from tests.docker.files import DOCKER, ROOT, final_stage, read_dockerfile, read_services

INSTRUCTIONS = read_dockerfile()


def complaints(file: Path) -> list[str]:
    """The rules of hadolint that a Dockerfile breaks."""
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint) if hadolint.exists() else "hadolint", "--no-color", "--format", "json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [said["code"] for said in json.loads(done.stdout)]


def test_the_linter_has_no_complaint(tmp_path: Path) -> None:
    assert complaints(DOCKER / "Dockerfile") == []
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM python:latest\n")
    assert complaints(wrong) == ["DL3007"]


def test_every_stage_begins_with_one_version_of_python_or_another_stage() -> None:
    begins = [step.rest.partition(" AS ") for step in INSTRUCTIONS if step.word == "FROM"]
    names = [name for _, _, name in begins]
    for image, _, _ in begins:
        assert image in names or re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", image)


def test_the_image_runs_as_a_user_without_rights_whose_number_the_volumes_know() -> None:
    stage = final_stage()
    assert stage["USER"] == "10001:10001"
    assert "--uid 10001" in stage["RUN"] and "/var/lib/waybill" in stage["RUN"]
    assert "uid=10001,gid=10001" in read_services()["migrate"]["tmpfs"][1]


def test_the_image_brings_no_compiler_and_nothing_that_is_not_pinned() -> None:
    installs = [step.rest for step in INSTRUCTIONS if "install " in step.rest and step.word == "RUN"]
    assert not [step for step in installs if "apt" in step]
    for step in installs:
        for pip in re.findall(r"pip install [^&]*", step):
            assert "--require-hashes --only-binary :all:" in pip or "--no-deps --no-build-isolation" in pip


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*"
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source for step in INSTRUCTIONS if step.word == "COPY" for source in step.sources}
    assert copied == let_in
    assert all((ROOT / source).exists() for source in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert all(any(fnmatch(source, package) for source in copied) for package in packages)


def test_the_commands_of_the_image_are_there() -> None:
    stage = final_stage()
    [command] = json.loads(stage["ENTRYPOINT"])
    assert shutil.which(command, path=str(Path(sys.executable).parent))
    assert stage["HEALTHCHECK"].partition("CMD ")[2].startswith('["python"')


def test_ingest_listens_where_the_image_and_the_compose_file_say() -> None:
    ingest = yaml.safe_load((DOCKER / "workspace.yaml").read_text(encoding="utf-8"))["ingest"]
    stage = final_stage()
    assert ingest["host"] == "0.0.0.0"
    assert stage["EXPOSE"] == str(ingest["port"])
    assert f"'127.0.0.1', {ingest['port']}" in stage["HEALTHCHECK"]
    assert read_services()["ingest"]["ports"][0].endswith(f":{ingest['port']}")


def test_workspace_and_data_are_where_the_compose_file_mounts_them() -> None:
    said = dict(pair.split("=") for pair in final_stage()["ENV"].split())
    environment = read_services()["ingest"]["environment"]
    for name in ("WAYBILL_WORKSPACE", "WAYBILL_DATA"):
        assert said[name] == environment[name]
