"""docs/sdks.md shows the lines that the tests run, and the versions they run them with."""

import json
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.sdks.lines import ADDRESS, DOCS, HOST, KEY, PROGRAMS, docs_lines, for_address, from_environment, with_docs
from tests.sdks.test_browser_sdks import NPM, RUDDER, SNIPPET

ROOT = DOCS.parents[1]
TEXT = DOCS.read_text(encoding="utf-8")
MARKED = [path for path in PROGRAMS.rglob("*") if path.is_file() and "docs/sdks.md: " in path.read_text()]
IN_BROWSER = {NPM, SNIPPET, RUDDER}


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", TEXT, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_block_of_code_is_run_and_the_others_say_that_they_are_not() -> None:
    named = {re.findall(r"docs/sdks\.md: (.+)$", path.read_text(), re.MULTILINE)[0] for path in MARKED}
    for heading, text in sections().items():
        assert ("```" in text) == (heading in named | IN_BROWSER), heading
        assert ("Not run here" in text) != ("```" in text), heading


@pytest.mark.parametrize("path", MARKED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_program_holds_the_lines_as_they_are_shown(path: Path) -> None:
    heading = re.findall(r"docs/sdks\.md: (.+)$", path.read_text(), re.MULTILINE)[0]
    program = [line.strip() for line in with_docs(path).splitlines()]
    shown = [line.strip() for line in docs_lines(heading).splitlines()]
    assert shown and any(program[at : at + len(shown)] == shown for at in range(len(program)))


def test_only_address_and_key_are_put_into_the_lines() -> None:
    line = f'client("{KEY}", "{ADDRESS}", \'{HOST}/v1\', "other")'
    assert (
        for_address(line, "http://127.0.0.1:1") == f'client("{KEY}", "http://127.0.0.1:1", \'127.0.0.1:1/v1\', "other")'
    )
    assert from_environment(line, lambda name: f"env.{name}") == (
        'client(env.WAYBILL_KEY, env.WAYBILL_ADDRESS, (env.WAYBILL_HOST + "/v1"), "other")'
    )


@pytest.mark.parametrize("heading", [SNIPPET, "Kotlin and Android"])
def test_the_readme_shows_the_same_lines(heading: str) -> None:
    shown = "".join(f"    {line}" for line in docs_lines(heading).splitlines(keepends=True))
    assert shown in (ROOT / "README.md").read_text(encoding="utf-8")


def pinned() -> dict[str, str]:
    """The versions the tests run, by package."""
    found: dict[str, str] = json.loads((PROGRAMS / "node" / "package.json").read_text())["dependencies"]
    with (ROOT / "pyproject.toml").open("rb") as file:
        for requirement in tomllib.load(file)["project"]["optional-dependencies"]["dev"]:
            name, _, version = requirement.partition("==")
            if "sdk-python" in name or "analytics-python" in name:
                found[name] = version
    for name, version in re.findall(r"(\S+/analytics-go/v3) v(\S+)", (PROGRAMS / "go" / "go.mod").read_text()):
        found[name] = version
    for pom in (PROGRAMS / "java" / "pom.xml", PROGRAMS / "kotlin" / "pom.xml"):
        space = {"m": "http://maven.apache.org/POM/4.0.0"}
        for dependency in ElementTree.parse(pom).getroot().findall("m:dependencies/m:dependency", space):  # noqa: S314
            group, artifact, version = (dependency.findtext(f"m:{part}", "", space) for part in PARTS)
            found[f"{group}:{artifact}"] = version
    return {name: version for name, version in found.items() if name != "esbuild"}


PARTS = ("groupId", "artifactId", "version")


def test_the_versions_named_are_those_that_run() -> None:
    versions = pinned()
    assert len(versions) == 9
    for name, version in versions.items():
        assert f"`{name}` {version}" in TEXT
