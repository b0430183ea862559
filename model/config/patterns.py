"""Patterns written by users, compiled with RE2: searches take linear time for every pattern and text."""

from typing import Any

import re2  # type: ignore[import-untyped]

from model.config.env_string import config_error
from model.config.problems import quoted

PATTERN_LIMIT_CHARS = 500
_LIMIT_STEPS = 1_000  # of the compiled pattern: limits the cost of a search per byte
_MEMORY_BYTES = 1024 * 1024


def compile_pattern(pattern: str) -> Any:
    """Compile a pattern, without groups. Raises `config_error` on one that cannot be used."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY_BYTES
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode("utf-8", "replace")
        raise config_error(
            f"the pattern is not valid: {quoted(why)}",
            "Use RE2 syntax, without lookaround and back-references; put a backslash before literal special characters",
        ) from None
    except UnicodeEncodeError:
        raise config_error("the pattern has text that is not Unicode (a lone surrogate)", "Remove it") from None
    if max(compiled.programsize, compiled.reverseprogramsize) > _LIMIT_STEPS:
        raise config_error("the pattern is too large", r"Use smaller repetition counts, and \w or \S instead of \p{…}")
    return compiled
