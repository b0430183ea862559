"""The lines of docs/sdks.md, put into the programs that the tests run."""

import re
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs" / "sdks.md"
PROGRAMS = Path(__file__).with_name("programs")
ADDRESS = "https://events.example.com"
HOST = "events.example.com"
KEY = "YOUR_WRITE_KEY"
_MARK = re.compile(r"^(?P<indent>[ \t]*)(?://|#) docs/sdks\.md: (?P<heading>.+)$", re.MULTILINE)
_LITERAL = re.compile(
    rf"""(?P<quote>["'])(?:(?P<place>{re.escape(ADDRESS)}|{re.escape(HOST)}|{KEY}))(?P<rest>.*?)(?P=quote)"""
)


def docs_lines(heading: str, number: int = 0) -> str:
    """The code of a section, its ``number``-th block. Raises AssertionError when there is none."""
    sections = re.split(r"^## (.+)$", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    of = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert heading in of, f"{DOCS.name} has no section {heading!r}"
    blocks: list[str] = re.findall(r"^```\w+\n(.*?)^```$", of[heading], flags=re.MULTILINE | re.DOTALL)
    assert number < len(blocks), f"section {heading!r} of {DOCS.name} has {len(blocks)} blocks of code"
    return blocks[number]


def with_docs(program: Path) -> str:
    """The text of a program, with the section that its mark names in place of the mark."""
    text = program.read_text(encoding="utf-8")
    assert _MARK.search(text), f"{program} uses no lines of {DOCS.name}"

    def lines(mark: re.Match[str]) -> str:
        return "".join(mark["indent"] + line for line in docs_lines(mark["heading"]).splitlines(keepends=True))

    return _MARK.sub(lines, text)


def for_address(text: str, address: str) -> str:
    """Lines of the docs for a real address: nothing else is changed in them."""
    return text.replace(ADDRESS, address).replace(HOST, address.partition("://")[2])


def from_environment(text: str, variable: Callable[[str], str]) -> str:
    """Lines of the docs for a program that is compiled once: the values are variables of the environment.

    ``variable``: how the language reads one.
    """
    names = {ADDRESS: "WAYBILL_ADDRESS", HOST: "WAYBILL_HOST", KEY: "WAYBILL_KEY"}

    def expression(literal: re.Match[str]) -> str:
        value = variable(names[literal["place"]])
        return f'({value} + "{literal["rest"]}")' if literal["rest"] else value

    return _LITERAL.sub(expression, text)
