"""``@template``: a text with ``{{paths}}`` in it. What an event holds stays data, braces included."""

from collections.abc import Iterator
from typing import Any

from model.config.problems import FieldPath
from model.mapping.javascript import SPACES
from model.mapping.paths import Resolver, reader
from model.mapping.values import check_length, text


class TemplateInvalid(ValueError):
    """A template has braces without a path."""


def compile_template(template: str, path: FieldPath) -> Resolver:
    """Compile the template at ``path``. Raises TemplateInvalid; its resolver MappingFailed on huge results.

    Double and triple braces mean the same: nothing is escaped, because the result is not HTML.
    """
    parts: list[str | Resolver] = []
    for text_or_braces, name in _parts(template):
        if name is None:
            parts.append(text_or_braces)
        elif not name.strip(SPACES):
            raise TemplateInvalid(f"there is no path between the braces {text_or_braces}")
        else:
            parts.append(reader(name.strip(SPACES)))

    def render(payload: Any) -> str:
        made: list[str] = []
        made_chars = 0
        for part in parts:
            value = part if isinstance(part, str) else part(payload)
            made.append(value if type(value) is str else text(value))
            made_chars += len(made[-1])
            # Counted while rendering: a path may occur ten thousand times, and each value may be a megabyte.
            check_length(made_chars, path)
        return "".join(made)

    return render


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    """Yield texts, and braces with the path between them. Triple braces are searched first, as Segment does."""
    for part, name in _braces(template, 3):
        if name is None:
            yield from _braces(part, 2)
        else:
            yield part, name


def _braces(template: str, count: int) -> Iterator[tuple[str, str | None]]:
    """Cut a text at braces that open and close with a count, and have no closing one between them."""
    opening, closing = "{" * count, "}" * count
    end = searched = 0
    while (begin := template.find(opening, searched)) >= 0:
        close = template.find("}", begin + count)
        if close < 0:
            break
        if close == begin + count or not template.startswith(closing, close):
            searched = close  # braces that open between here and there would be closed by the same one
            continue
        if begin > end:
            yield template[end:begin], None
        end = searched = close + count
        yield template[begin:end], template[begin + count : close]
    if end < len(template):
        yield template[end:], None
