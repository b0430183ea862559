"""The tags of Liquid: how each is parsed, and how it renders."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from model.config.problems import quoted
from model.mapping import javascript as js
from model.mapping.liquid.expressions import filtered_value
from model.mapping.liquid.paths import Evaluator, value
from model.mapping.liquid.tokens import Cursor, LiquidInvalid, TemplateToken, lines, tokens
from model.mapping.liquid.values import LIMIT_CHARS, LiquidFailed, Scope, Word, is_false, liquid_text
from model.mapping.values import MISSING

NESTING_LIMIT = 40  # tags inside one another
_BROKEN_COMMENT = re.compile(rf"\n{js.SPACE}*[^#{js.SPACES}]")


class Output:
    """Collects the rendered text."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def write(self, made: str) -> None:
        """Add a text. Raises LiquidFailed when all is too long."""
        self._length += len(made)
        if self._length > LIMIT_CHARS:
            raise LiquidFailed(f"the template makes more than {LIMIT_CHARS} characters")
        self._parts.append(made)

    def text(self) -> str:
        """Return all that was written."""
        return "".join(self._parts)


Renderer: TypeAlias = Callable[[Scope, Output], None]
Tag: TypeAlias = Callable[["Parser", Cursor, TemplateToken], Renderer]


class Parser:
    """Parses the tokens of one template into renderers."""

    def __init__(self, found: Iterable[TemplateToken]) -> None:
        self.pending = deque(found)
        self._depth = 0

    def all(self) -> Renderer:
        """Read everything. Raises LiquidInvalid."""
        parts: list[Renderer] = []
        while self.pending:
            parts.append(self._one(self.pending.popleft()))
        return _sequence(parts)

    def until(self, opened: TemplateToken, *ends: str) -> tuple[Renderer, TemplateToken]:
        """Parse up to one of some tags; return that tag as well."""
        parts: list[Renderer] = []
        while self.pending:
            token = self.pending.popleft()
            if _tag_name(token) in ends:
                return _sequence(parts), token
            parts.append(self._one(token))
        raise _not_closed(opened)

    def skip_until(self, opened: TemplateToken, end: str) -> list[TemplateToken]:
        """Return the tokens up to a tag, unread."""
        skipped: list[TemplateToken] = []
        while self.pending:
            token = self.pending.popleft()
            if _tag_name(token) == end:
                return skipped
            skipped.append(token)
        raise _not_closed(opened)

    def _one(self, token: TemplateToken) -> Renderer:
        if token.kind == "text":
            words = token.words
            return lambda scope, output: output.write(words)
        cursor = Cursor(token.words)
        if token.kind == "output":
            return _shown(filtered_value(cursor))
        name = cursor.tag_name()
        if name not in TAGS:
            raise LiquidInvalid(f"unexpected tag '{name}'" if name else "a tag has no name", REMEDY)
        cursor.skip_blanks()
        self._depth += 1
        if self._depth > NESTING_LIMIT:
            raise LiquidInvalid(f"more than {NESTING_LIMIT} tags inside one another", "Make the template flatter")
        renderer = TAGS[name](self, cursor, token)
        self._depth -= 1
        return renderer


def parse(template: str) -> Renderer:
    """Read a template. Raises LiquidInvalid."""
    return Parser(tokens(template)).all()


def _sequence(parts: list[Renderer]) -> Renderer:
    def render(scope: Scope, output: Output) -> None:
        for part in parts:
            part(scope, output)
            if scope.is_stopped:
                return

    return render


def _shown(shown: Evaluator) -> Renderer:
    return lambda scope, output: output.write(liquid_text(shown(scope)))


def _assign(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    name = cursor.identifier()
    cursor.skip_blanks()
    if not name or not cursor.skip("="):
        raise LiquidInvalid("assign needs a name and =", "Write {% assign name = value %}")
    assigned = filtered_value(cursor)

    def render(scope: Scope, output: Output) -> None:
        scope.assigned[name] = assigned(scope)

    return render


def _capture(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    name = cursor.identifier() or cursor.quoted()
    if not name:
        raise LiquidInvalid("capture needs a name", "Write {% capture name %}…{% endcapture %}")
    content, _ = parser.until(token, "endcapture")

    def render(scope: Scope, output: Output) -> None:
        captured = Output()
        content(scope, captured)
        scope.assigned[name] = captured.text()
        scope.charge(len(captured.text()))

    return render


def _comment(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    parser.skip_until(token, "endcomment")
    return _nothing


def _inline_comment(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    if _BROKEN_COMMENT.search(cursor.words, cursor.position):
        raise LiquidInvalid("a line of a comment does not begin with #", "Begin every line of it with #")
    return _nothing


def _raw(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    content = "".join(skipped.source for skipped in parser.skip_until(token, "endraw"))
    return lambda scope, output: output.write(content)


def _cycle(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    candidates: list[Evaluator] = []
    group = value(cursor)
    cursor.skip_blanks()
    if group is not None and not cursor.skip(":"):
        candidates.append(group)
        group = None
    while not cursor.at_end():
        candidate = value(cursor)
        if candidate is not None:
            candidates.append(candidate)
        cursor.skip_past(",")
    if not candidates:
        raise LiquidInvalid("cycle has nothing to choose from", "Write {% cycle 'a', 'b' %}")

    def render(scope: Scope, output: Output) -> None:
        key = js.to_string(group(scope) if group else MISSING), len(candidates)
        turn = scope.cycles.get(key, 0)
        scope.cycles[key] = (turn + 1) % len(candidates)
        chosen = candidates[turn](scope)
        if isinstance(chosen, Word) or js.is_truthy(chosen):
            output.write(liquid_text(chosen))

    return render


def _counter(step: int) -> Tag:
    def tag(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
        name = cursor.identifier()

        def render(scope: Scope, output: Output) -> None:
            count = scope.counters.get(name, scope.field(name))
            if isinstance(count, bool) or not isinstance(count, int | float):
                count = 0
            scope.counters[name] = count + step
            output.write(liquid_text(count if step > 0 else count + step))

        return render

    return tag


def _if(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    condition = filtered_value(cursor)
    content, end = parser.until(token, "elsif", "else", "endif")
    branches = [(condition, content)]
    otherwise: Renderer | None = None
    while (name := _tag_name(end)) != "endif":
        if otherwise:
            raise LiquidInvalid(f"unexpected {name} after else", "Put else last")
        if name == "elsif":
            condition = filtered_value(_arguments(end))
            content, end = parser.until(token, "elsif", "else", "endif")
            branches.append((condition, content))
        else:
            _check_alone(end)
            otherwise, end = parser.until(token, "elsif", "else", "endif")
    _check_alone(end)
    return _branches(branches, otherwise or _nothing)


def _unless(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    condition = filtered_value(cursor)
    content, end = parser.until(token, "elsif", "else", "endunless")
    branches = [(_negated(condition), content)]
    otherwise: Renderer | None = None
    while (name := _tag_name(end)) != "endunless":
        if name == "elsif" and otherwise is None:
            condition = filtered_value(_arguments(end))
            content, end = parser.until(token, "elsif", "else", "endunless")
            branches.append((condition, content))
        else:
            # Branches after the first else are never rendered.
            content, end = parser.until(token, "elsif", "else", "endunless")
            otherwise = otherwise or content
    return _branches(branches, otherwise or _nothing)


def _branches(branches: list[tuple[Evaluator, Renderer]], otherwise: Renderer) -> Renderer:
    def render(scope: Scope, output: Output) -> None:
        for condition, content in branches:
            if not is_false(condition(scope)):
                return content(scope, output)
        return otherwise(scope, output)

    return render


def _negated(condition: Evaluator) -> Evaluator:
    return lambda scope: is_false(condition(scope))


def _block(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    content, _ = parser.until(token, "endblock")

    def render(scope: Scope, output: Output) -> None:
        scope.blocks += 1
        content(scope, output)
        scope.blocks -= 1

    return render


def _stop(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    def render(scope: Scope, output: Output) -> None:
        scope.is_stopped = True

    return render


def _echo(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    return _nothing if cursor.at_end() else _shown(filtered_value(cursor))


def _liquid(parser: Parser, cursor: Cursor, token: TemplateToken) -> Renderer:
    inner = Parser(lines(cursor.words[cursor.position :]))
    inner._depth = parser._depth
    return inner.all()


def _nothing(scope: Scope, output: Output) -> None:
    pass


def _tag_name(token: TemplateToken) -> str:
    return Cursor(token.words).tag_name() if token.kind == "tag" else ""


def _arguments(token: TemplateToken) -> Cursor:
    cursor = Cursor(token.words)
    cursor.tag_name()
    return cursor


def _check_alone(token: TemplateToken) -> None:
    cursor = _arguments(token)
    cursor.skip_blanks()
    if not cursor.at_end():
        raise LiquidInvalid(f"unexpected {quoted(cursor.shown())} after {_tag_name(token)}", "Leave it out")


def _not_closed(token: TemplateToken) -> LiquidInvalid:
    name = _tag_name(token)
    return LiquidInvalid(f"tag {quoted(name)} is not closed", f"Close it with {{% end{name} %}}")


# Segment's engine knows more and forbids them: case, for, include, layout, render and tablerow.
TAGS: Mapping[str, Tag] = {
    "assign": _assign,
    "block": _block,
    "break": _stop,
    "capture": _capture,
    "comment": _comment,
    "continue": _stop,
    "cycle": _cycle,
    "decrement": _counter(-1),
    "echo": _echo,
    "if": _if,
    "increment": _counter(1),
    "liquid": _liquid,
    "raw": _raw,
    "unless": _unless,
    "#": _inline_comment,
}
REMEDY = f"Correct the template; there are the tags {', '.join(TAGS)}"
