"""``@template``: a text with ``{{paths}}`` in it. What an event holds stays data, braces included."""

import re
from typing import Any

from model.mapping.paths import Resolver, reader
from model.mapping.values import limited, text
from model.workspace_errors import FieldPath

_PLACE = re.compile(r"\{\{\{([^{}]*)\}\}\}|\{\{([^{}]*)\}\}")


class TemplateInvalid(ValueError):
    """A template has a place for nothing."""


def compile_template(template: str, path: FieldPath) -> Resolver:
    """Compile a template that stands at ``path``. Raises TemplateInvalid; its resolver MappingFailed on huge results.

    Both kinds of braces mean the same: nothing is escaped, because nothing here is a web page.
    """
    readers: list[Resolver] = []
    texts: list[str] = []
    end = 0
    for place in _PLACE.finditer(template):
        name = (place[1] or place[2] or "").strip()
        if not name:
            raise TemplateInvalid(f"there is no path between the braces {place[0]}")
        readers.append(reader(name))
        texts.append(template[end : place.start()])
        end = place.end()
    rest = template[end:]
    parts = tuple(zip(texts, readers, strict=True))

    def render(payload: Any) -> str:
        result = ""
        for before, read in parts:
            value = read(payload)
            # Limited on the way: a place may stand here ten thousand times, and each may be a megabyte.
            result = limited(f"{result}{before}{value if type(value) is str else text(value)}", path)
        return result + rest

    return render
