"""Cuts Liquid templates into texts, outputs ``{{ … }}`` and tags ``{% … %}``, and reads the words within those."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from model.mapping import javascript as js

TokenKind: TypeAlias = Literal["text", "output", "tag"]

_BLANKS = js.SPACES.replace("\ufeff", "\u180e")
_IDENTIFIER = re.compile(rf"(?:(?![{_BLANKS}\u201c\u201d])[0-9A-Za-z_?\-\u0080-\U0010ffff])+")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.(?!\.)[0-9]*)?(?!\.[^.]|\.\Z)")
_ENDRAW = re.compile(rf"\{{%[{_BLANKS}]*endraw")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{0,4})|([0-7]{1,3})|(.))", re.DOTALL)
_ESCAPES: Mapping[str, str] = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SHOWN_CHARS = 32


class LiquidInvalid(ValueError):
    """A text is no template that can be rendered."""

    def __init__(self, message: str, remedy: str = "Correct the template") -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class TemplateToken:
    """A piece of a template; ``words`` is what stands between its braces, or the text itself."""

    kind: TokenKind
    source: str
    words: str
    trims_left: bool = False
    trims_right: bool = False


class Cursor:
    """A place in the words of an output or a tag."""

    def __init__(self, words: str, position: int = 0) -> None:
        self.words = words
        self.position = position
        self.depth = 0  # brackets and ranges around what is read

    def at_end(self) -> bool:
        """Say whether everything was read."""
        return self.position >= len(self.words)

    def peek(self, ahead: int = 0) -> str:
        """Return the next character, '' at the end."""
        return self.words[self.position + ahead : self.position + ahead + 1]

    def skip_blanks(self) -> None:
        """Go to the next character that is not blank."""
        while self.peek() and self.peek() in _BLANKS:
            self.position += 1

    def skip(self, expected: str) -> bool:
        """Read some characters if they come next."""
        found = self.words.startswith(expected, self.position)
        self.position += len(expected) if found else 0
        return found

    def skip_past(self, char: str) -> bool:
        """Go behind a character; to the end when there is none."""
        found = self.words.find(char, self.position)
        self.position = found + 1 if found >= 0 else len(self.words)
        return found >= 0

    def identifier(self) -> str:
        """Read a name, '' when none comes next."""
        self.skip_blanks()
        return self._match(_IDENTIFIER)

    def tag_name(self) -> str:
        """Read the name of a tag, or the ``#`` of a comment."""
        self.skip_blanks()
        return "#" if self.skip("#") else self.identifier()

    def keyword(self, words: Mapping[str, Any]) -> str:
        """Read the longest of some words; a word of letters must end there."""
        self.skip_blanks()
        found = max((word for word in words if self.words.startswith(word, self.position)), key=len, default="")
        if found[-1:].isalpha() and _IDENTIFIER.match(self.words, self.position + len(found)):
            return ""
        self.position += len(found)
        return found

    def number(self) -> int | float | None:
        """Read a number; whole ones keep all their digits."""
        self.skip_blanks()
        found = _NUMBER.match(self.words, self.position)
        if not found or _IDENTIFIER.match(self.words, found.end()):
            return None
        self.position = found.end()
        return float(found[0]) if "." in found[0] else int(found[0])

    def quoted(self) -> str | None:
        """Read a text in quotes with its escapes; one without an end ends with the words."""
        self.skip_blanks()
        quote, end = self.peek(), self.position + 1
        if quote not in ("'", '"'):
            return None
        while end < len(self.words) and self.words[end] != quote:
            end += 2 if self.words[end] == "\\" else 1
        end = min(end + 1, len(self.words))
        content, self.position = self.words[self.position + 1 : end - 1], end
        return js.joined(_ESCAPE.sub(_unescaped, content)) if "\\" in content else content

    def shown(self) -> str:
        """Return the beginning of what comes next, for messages."""
        return _shown(self.words[self.position :])

    def _match(self, pattern: "re.Pattern[str]") -> str:
        found = pattern.match(self.words, self.position)
        self.position = found.end() if found else self.position
        return found[0] if found else ""


def tokens(template: str) -> list[TemplateToken]:
    """Cut a template. Raises LiquidInvalid for braces that are not closed."""
    found = list(_cut(template))
    is_raw = False
    for position, token in enumerate(found):
        if token.kind == "text":
            continue
        if token.trims_left and not is_raw and position and found[position - 1].kind == "text":
            found[position - 1] = replace(found[position - 1], words=found[position - 1].words.rstrip(_BLANKS))
        if token.kind == "tag":
            name = Cursor(token.words).tag_name()
            is_raw = name == "raw" or (is_raw and name != "endraw")
        if token.trims_right and not is_raw and found[position + 1 :] and found[position + 1].kind == "text":
            found[position + 1] = replace(found[position + 1], words=found[position + 1].words.lstrip(_BLANKS))
    return found


def lines(words: str) -> Iterator[TemplateToken]:
    """Split the content of a ``liquid`` tag: one tag per line."""
    cursor = Cursor(words)
    cursor.skip_blanks()
    while not cursor.at_end():
        begin = cursor.position
        cursor.skip_past("\n")
        yield _delimited("tag", words[begin : cursor.position], 0)
        cursor.skip_blanks()


def _cut(template: str) -> Iterator[TemplateToken]:
    begin = 0
    while begin < len(template):
        if template.startswith("{%", begin):
            end = template.find("%}", begin + 1) + 2
            if end < 2:
                raise LiquidInvalid(f"a tag is not closed: {_shown(template[begin:])}", "Close it with %}")
            token = _delimited("tag", template[begin:end])
            yield token
            if Cursor(token.words).tag_name() == "raw":
                endraw, end = _find_endraw(template, begin, end)
                if endraw > begin + len(token.source):
                    content = template[begin + len(token.source) : endraw]
                    yield TemplateToken("text", content, content)
                yield _delimited("tag", template[endraw:end])
        elif template.startswith("{{", begin):
            end = _output_end(template, begin)
            yield _delimited("output", template[begin:end])
        else:
            ends = (template.find("{%", begin), template.find("{{", begin))
            end = min((end for end in ends if end >= 0), default=len(template))
            yield TemplateToken("text", template[begin:end], template[begin:end])
        begin = end


def _delimited(kind: TokenKind, source: str, brace_chars: int = 2) -> TemplateToken:
    words = source[brace_chars : len(source) - brace_chars]
    left, right = words.startswith("-"), words.endswith("-")
    return TemplateToken(kind, source, words[int(left) : len(words) - int(right)].strip(_BLANKS), left, right)


def _output_end(template: str, begin: int) -> int:
    cursor = Cursor(template, begin)
    while not cursor.at_end():
        # Braces inside a quoted text do not end the output.
        if cursor.peek() in ("'", '"'):
            cursor.quoted()
            continue
        cursor.position += 1
        if template.startswith("}}", cursor.position - 2):
            return cursor.position
    raise LiquidInvalid(f"an output is not closed: {_shown(template[begin:])}", "Close it with }}")


def _find_endraw(template: str, raw: int, begin: int) -> tuple[int, int]:
    """Return where the tag begins that ends a raw text, and where it ends."""
    for endraw in _ENDRAW.finditer(template, begin):
        end = template.find("%}", endraw.end()) + 2
        is_longer_word = _IDENTIFIER.match(template, endraw.end())
        if not is_longer_word and end >= 2 and "{%" not in template[endraw.end() : end]:
            return endraw.start(), end
    raise LiquidInvalid(f"a raw tag is not closed: {_shown(template[raw:])}", "Close it with {% endraw %}")


def _unescaped(escape: "re.Match[str]") -> str:
    hexadecimal, octal, char = escape.groups()
    if hexadecimal is not None:
        return chr(int(hexadecimal or "0", 16))
    return chr(int(octal, 8)) if octal is not None else _ESCAPES.get(char, char)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."
