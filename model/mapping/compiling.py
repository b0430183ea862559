"""Mappings compiled: checked as a whole when read, then applied to any number of events."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from model.mapping import directives, text_directives
from model.mapping.compiler import Compiler, Directive, is_directive
from model.mapping.errors import MappingFailed, MappingInvalid, MappingProblem
from model.mapping.paths import Resolver
from model.mapping.values import MISSING, fresh, kind

__all__ = ["CompiledMapping", "MappingFailed", "MappingInvalid", "MappingProblem", "compile_mapping"]

# Segment's.
DIRECTIVES: Mapping[str, Directive] = {
    "@path": directives.path_,
    "@template": text_directives.template,
    "@literal": directives.literal,
    "@if": directives.if_,
    "@case": text_directives.case,
    "@replace": text_directives.replace,
    "@arrayPath": directives.array_path,
    "@merge": directives.merge,
    "@transform": directives.transform,
    "@flatten": directives.flatten,
    "@json": text_directives.json,
    "@liquid": text_directives.liquid,
    "@excludeWhenNull": directives.exclude_when_null,
}
OWN_DIRECTIVES: Mapping[str, Directive] = {"@first": directives.first}
# Fields at the root of mappings written for Segment that control the mapping and are not part of the result.
_ROOT_DIRECTIVE = "__segment_internal_directive"
_ROOT_SETTINGS = {"__segment_internal_sync_mode", "__segment_internal_matching_key"}


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping ready for any number of events."""

    _resolve: Resolver

    def __call__(self, payload: dict[str, Any]) -> Any:
        """Return the result for an event: JSON, or None when there is none. Raises MappingFailed.

        The event is not modified; the result shares no list or object with it or with the mapping.
        """
        try:
            result = fresh(self._resolve(payload))
        except RecursionError:
            raise MappingFailed((), "the event is nested too deeply") from None
        return None if result is MISSING else result


def compile_mapping(raw: Any) -> CompiledMapping:
    """Check and compile a mapping as read from JSON or YAML. Raises MappingInvalid with all problems."""
    compiler = Compiler({**DIRECTIVES, **OWN_DIRECTIVES})
    resolver = _root(compiler, raw)
    if compiler.problems:
        raise MappingInvalid(compiler.problems)
    return CompiledMapping(resolver)


def _root(compiler: Compiler, raw: Any) -> Resolver:
    if not isinstance(raw, dict):
        compiler.problem((), f"a mapping is an object, not {kind(raw)}", "Write field names with their values")
        return compiler.resolver(None, ())
    if is_directive(raw):
        return compiler.resolver(raw, ())
    fields = compiler.object({name: raw[name] for name in raw if name not in {_ROOT_DIRECTIVE, *_ROOT_SETTINGS}}, ())
    if _ROOT_DIRECTIVE not in raw:
        return fields
    match raw[_ROOT_DIRECTIVE]:
        case {"@transform": {"apply": apply, **others}, **beside} if not others and beside.keys() <= {"_metadata"}:
            path = (_ROOT_DIRECTIVE, "@transform", "apply")
            return directives.chain(compiler.resolver(apply, path), fields, path)
    message = "must be {'@transform': {'apply': …}}: the other fields of the mapping are what it maps to"
    compiler.problem((_ROOT_DIRECTIVE,), message, "Use @transform and leave out its mapping")
    return fields
