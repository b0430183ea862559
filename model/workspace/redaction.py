"""Section ``redaction`` of the workspace file: what samples, messages and logs hide besides what they always hide."""

from typing import Annotated

from pydantic import AfterValidator, Field

from model.config.env_string import config_error
from model.config.fields import AnyHeaderName
from model.config.patterns import PATTERN_LIMIT_CHARS, compile_pattern
from model.config.section import Section
from model.redaction.detectors import plain_name
from model.redaction.redactor import RedactionRules


def _check_key(key: str) -> str:
    if not plain_name(key):
        raise config_error(
            "the name has no letters or digits", "Write a name such as customer_number, or a part as *_number"
        )
    return key


def _check_value(pattern: str) -> str:
    if compile_pattern(pattern).search("") is not None:
        raise config_error("the pattern matches the empty text", "Make it ask for at least one character")
    return pattern


_Key = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_check_key)]
_Value = Annotated[str, Field(min_length=1, max_length=PATTERN_LIMIT_CHARS), AfterValidator(_check_value)]


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
