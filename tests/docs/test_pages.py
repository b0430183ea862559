"""What the pages name exists: links and their headings, commands and their options, files and modules."""

import importlib
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup
from typer.exceptions import Exit, TyperException

from console.cli import app

ROOT = Path(__file__).resolve().parents[2]
FILES = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in FILES if name.endswith(".md")}
EACH_PAGE = pytest.mark.parametrize("page", PAGES)
NOT_IN_THE_REPOSITORY = {"docker/.env", "dist/umd"}  # written by who runs it; of another package
LAYERS = "model|flows|sinks|console"
PATH = re.compile(rf"(?<![\w/.:@-])(?:{LAYERS}|sql|tests|dashboards|docker|docs|examples)/[\w./-]*\w")
DOTTED = re.compile(rf"`((?:{LAYERS})(?:\.(?!py`)\w+)+)`")
# Spoken of, without arguments.
NAMED_ONLY = re.compile(r"waybill (?:alerts|trace|run|recover|redrive|test-event)(?: --json)?")
NEW_FILE = re.compile(r"^# ([\w/.]+), new file$", re.MULTILINE)


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> list[str]:
    """The command lines of a page: in code, whatever stands before `waybill` left out."""
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        lines += block.splitlines()
    lines += [code for code in re.findall(r"`([^`\n]+)`", text) if not NAMED_ONLY.fullmatch(code)]
    found = [re.search(r"(?:^|[\s/])waybill ([a-z-].*)", line) for line in lines if "clickhouse-client" not in line]
    return [match[1] for match in found if match and not match[1].endswith("…")]


@EACH_PAGE
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        to = (ROOT / page).parent / path if path else ROOT / page
        assert to.exists(), target
        if anchor:
            assert anchor in slugs(to.read_text(encoding="utf-8")), target


@EACH_PAGE
def test_commands_are_taken_by_the_command_line(page: str) -> None:
    for line in commands(PAGES[page]):
        words = shlex.split(re.split(r"[|>;]|&&|<!--", line)[0], comments=True)
        try:
            parse(typer.main.get_command(app), words)
        except TyperException as error:
            pytest.fail(f"waybill {line}: {error}")
        except Exit:
            pass  # --help


def test_the_commands_of_a_page_are_found_and_wrong_ones_refused() -> None:
    assert len(commands(PAGES["README.md"])) > 10 and len(commands(PAGES["docs/runbook.md"])) > 20
    assert commands("    .venv/bin/waybill report --nonsense 1  # why\n    url: waybill:secret@host") == [
        "report --nonsense 1  # why"
    ]
    for wrong in ("report --nonsense 1", "alerts brew", "run everything", "redrive"):
        with pytest.raises(TyperException):
            parse(typer.main.get_command(app), wrong.split())


def parse(command: Any, words: list[str]) -> None:
    """Parse a command line to its end, without doing anything."""
    context = command.make_context(command.name, list(words))
    if isinstance(command, TyperGroup):
        rest = [*context._protected_args, *context.args]
        name, inner, arguments = command.resolve_command(context, rest)
        assert name and inner, rest
        parse(inner, arguments)


@EACH_PAGE
def test_files_and_folders_named_exist(page: str) -> None:
    new = set(NEW_FILE.findall(PAGES[page]))
    for path in PATH.findall(PAGES[page]):
        if path not in new | NOT_IN_THE_REPOSITORY:
            assert (ROOT / path).exists(), path


@EACH_PAGE
def test_modules_named_exist(page: str) -> None:
    for dotted in DOTTED.findall(PAGES[page]):
        if dotted.replace(".", "/") + ".py" in NEW_FILE.findall(PAGES[page]):
            continue
        module, names = dotted, list[str]()
        while not importlib.util.find_spec(module):
            module, _, name = module.rpartition(".")
            names.insert(0, name)
        value: object = importlib.import_module(module)
        for name in names:
            value = getattr(value, name)


def test_the_code_refers_to_no_page_that_is_not_here() -> None:
    absent = re.compile(r"\bdesign(?:\.md)? \(?§?\d|§ ?\d|\bdesign\.md\b")
    for name in FILES:
        if name.endswith((".py", ".sql", ".md", ".yaml", "Makefile")) and name != "tests/docs/test_pages.py":
            text = (ROOT / name).read_text(encoding="utf-8")
            assert not absent.search(text), name
            for page in re.findall(r"\bdocs/[\w/-]+\.md\b", text):
                assert (ROOT / page).exists(), f"{name}: {page}"
