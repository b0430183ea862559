"""``@liquid``: Liquid templates over an event, as `python-liquid` reads them, within limits.

There are no loops, and every value a template makes on its way is limited; so the length of the template bounds its
time and memory, whatever an event holds. There is no clock either: the same event always gives the same text.
"""

from collections.abc import Iterable
from typing import Any, TextIO

from liquid import Environment, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions import FilteredExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.output import Output
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.exceptions import LiquidError, ResourceLimitError
from liquid.output import LimitedStringIO
from liquid.token import TOKEN_CONTENT, TOKEN_ILLEGAL, TOKEN_OUTPUT
from liquid.utils import ReadOnlyChainMap

from model.mapping.errors import MappingFailed
from model.mapping.liquid_filters import FROM_LIBRARY, LIMIT_CHARS, OWN, FilterRefused, guarded, liquid_text
from model.mapping.paths import Resolver
from model.workspace_errors import FieldPath, did_you_mean, quoted

# Segment's engine knows them too; it forbids case, for, include, layout, render and tablerow, as we do.
TAGS = ("assign", "capture", "comment", "cycle", "decrement", "echo", "if", "increment", "liquid", "unless", "#")
FILTERS = tuple(sorted({*FROM_LIBRARY, *OWN}))
_REMEDY = f"Correct the template; there are the tags {', '.join(TAGS)}"
_MESSAGE_LIMIT_CHARS = 200


class LiquidInvalid(ValueError):
    """A text is no template we can render."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def compile_liquid(template_text: str, path: FieldPath) -> Resolver:
    """Compile a template that stands at ``path``. Raises LiquidInvalid; its resolver raises MappingFailed."""
    try:
        template = _ENVIRONMENT.from_string(template_text)
        _check(template.nodes, RenderContext(template))
    except LiquidError as error:
        raise LiquidInvalid(f"Liquid: {str(error.message)[:_MESSAGE_LIMIT_CHARS]}", _REMEDY) from None

    def render(payload: Any) -> str:
        context = RenderContext(template)
        # Instead of the library's own, which has the time in it.
        context.scope = ReadOnlyChainMap(context.locals, payload if isinstance(payload, dict) else {}, context.counters)
        buffer = LimitedStringIO(LIMIT_CHARS)
        try:
            template.render_with_context(context, buffer)
        except FilterRefused as error:
            raise MappingFailed(path, f"Liquid: {error}") from None
        except ResourceLimitError:
            raise MappingFailed(path, f"Liquid: the template makes more than {LIMIT_CHARS} bytes") from None
        except Exception as error:
            # The library fails in many ways on data it was not written for, and quotes the data in them.
            raise MappingFailed(path, f"Liquid: the template cannot be rendered ({type(error).__name__})") from None
        return buffer.getvalue()

    return render


def _check(nodes: Iterable[Node], context: RenderContext) -> None:
    """Raise LiquidInvalid for what the library would only find when it renders, or never end with."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        pending += node.children(context, include_partials=False)
        expressions = list(node.expressions())
        while expressions:
            expression = expressions.pop()
            expressions += expression.children()
            if isinstance(expression, RangeLiteral):
                # Filters and comparisons would walk through all of (1..1000000000).
                raise LiquidInvalid("Liquid: a range is of use in loops only", "Mappings have no loops: leave it out")
            for called in (expression.filters or ()) if isinstance(expression, FilteredExpression) else ():
                if called.name not in FILTERS:
                    remedy = did_you_mean(called.name, FILTERS, f"There are the filters {', '.join(FILTERS)}")
                    raise LiquidInvalid(f"Liquid: there is no filter {quoted(called.name)} in mappings", remedy)


class _TextOutputNode(EchoNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(liquid_text(self.expression.evaluate(context)))


class _Output(Output):
    node_class = _TextOutputNode


class _Echo(EchoTag):
    node_class = _TextOutputNode


class _Environment(Environment):
    local_namespace_limit = 4 * LIMIT_CHARS
    output_stream_limit = LIMIT_CHARS

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(_Output)
        self.add_tag(_Echo)
        self.tags = {name: self.tags[name] for name in (TOKEN_CONTENT, TOKEN_OUTPUT, TOKEN_ILLEGAL, *TAGS)}
        defaults, self.filters = self.filters, dict(OWN)
        for name, on_texts in FROM_LIBRARY.items():
            self.filters[name] = guarded(name, defaults[name], on_texts=on_texts)


_ENVIRONMENT = _Environment()
