"""``@liquid``: Liquid templates over an event, rendered as LiquidJS does for Segment, within limits.

There are no loops, and the size of every intermediate value is limited, so the length of the template bounds time and
memory for any event. There is no clock: the same event always gives the same text.
"""

from typing import Any

from model.config.problems import FieldPath
from model.mapping.errors import MappingFailed
from model.mapping.javascript import sendable
from model.mapping.liquid.tags import Output, parse
from model.mapping.liquid.tokens import LiquidInvalid
from model.mapping.liquid.values import LiquidFailed, Scope
from model.mapping.paths import Resolver

__all__ = ["LiquidInvalid", "compile_liquid"]


def compile_liquid(template_text: str, path: FieldPath) -> Resolver:
    """Compile the template at ``path`` of a mapping. Raises LiquidInvalid; its resolver raises MappingFailed."""
    try:
        template = parse(template_text)
    except LiquidInvalid as error:
        raise LiquidInvalid(f"Liquid: {error}", error.remedy) from None

    def render(payload: Any) -> str:
        output = Output()
        try:
            template(Scope(payload), output)
        except LiquidFailed as error:
            raise MappingFailed(path, f"Liquid: {error}") from None
        return sendable(output.text())

    return render
