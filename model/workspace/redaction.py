"""Section ``redaction`` of the workspace file: what samples, messages and logs hide besides what they always hide."""

from typing import Annotated

from pydantic import Field

from model.config.env_string import require
from model.config.fields import AnyHeaderName
from model.config.patterns import PATTERN_LIMIT_CHARS, compile_pattern
from model.config.section import Section
from model.redaction.detectors import plain_name
from model.redaction.redactor import RedactionRules

_Key = Annotated[
    str,
    Field(min_length=1, max_length=128),
    require(
        plain_name,
        "the name has no letters or digits",
        "Write a name such as customer_number, or a part as *_number",
    ),
]
_Value = Annotated[
    str,
    Field(min_length=1, max_length=PATTERN_LIMIT_CHARS),
    require(
        lambda pattern: compile_pattern(pattern).search("") is None,
        "the pattern matches the empty text",
        "Make it ask for at least one character",
    ),
]


class RedactionConfig(Section):
    """What is hidden of payloads wherever they are shown. Secrets of this file, passwords, tokens, e-mail addresses,
    card and phone numbers are hidden always."""

    payloads: bool = True
    """Keep redacted samples of events, requests and answers; false keeps none."""
    headers: Annotated[tuple[AnyHeaderName, ...], Field(max_length=100)] = ()
    """Names of headers whose values are hidden."""
    keys: Annotated[tuple[_Key, ...], Field(max_length=100)] = ()
    """Names of fields and parameters whose values are hidden: customer_number also means customerNumber; * stands for
    any letters and digits."""
    values: Annotated[tuple[_Value, ...], Field(max_length=50)] = ()
    """Regular expressions (RE2) of texts that are hidden wherever they occur; begin with (?i) to ignore case.
    A match should be no longer than 1,024 characters."""

    def rules(self) -> RedactionRules:
        """Return the rules as `Redactor` takes them."""
        return RedactionRules(headers=self.headers, keys=self.keys, values=self.values)
