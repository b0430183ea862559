"""Text of the workspace file with ``${NAME}`` references to environment variables, which is how secrets are configured.

It keeps the raw text, which may be shown, and the value with references replaced, which may not.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

TEXT_LIMIT_CHARS = 8192
SHORTEST_SECRET_CHARS = 4  # masking "1" or "no" everywhere would make logs unreadable and protect nothing
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}")


@dataclass(frozen=True, slots=True)
class EnvString:
    """``str()``, ``repr()`` and serialization give ``raw``; only ``value`` contains the secret."""

    raw: str
    value: str = field(repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)  # the values inserted, for redaction

    @classmethod
    def constant(cls, text: str) -> "EnvString":
        """A text without references, such as the address of a partner's API."""
        return cls(text, text)

    def __str__(self) -> str:
        return self.raw

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In a file it is a string; the environment is passed as validation context ``{"environ": Mapping}``."""
        text = core_schema.str_schema(strict=True, max_length=TEXT_LIMIT_CHARS)
        substituted = core_schema.with_info_after_validator_function(
            lambda raw, info: substitute(raw, (info.context or {}).get("environ", {})), text
        )
        return core_schema.json_or_python_schema(
            json_schema=substituted,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), substituted]),
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )


def config_error(message: str, remedy: str) -> PydanticCustomError:
    """Make the error that a validator raises; neither text may quote a value, which could be a secret."""
    return PydanticCustomError("waybill", "{message}", {"message": message, "remedy": remedy})


def require(holds: Callable[[Any], object], message: str, remedy: str) -> AfterValidator:
    """Make a validator that refuses a value for which ``holds`` gives something false; texts as for `config_error`."""

    def check(value: Any) -> Any:
        if not holds(value):
            raise config_error(message, remedy)
        return value

    return AfterValidator(check)


def refers_to_environment(raw: str) -> bool:
    """Say whether at least one ``${NAME}`` is in the text."""
    return _REFERENCE.search(raw) is not None


def substitute(raw: str, environ: Mapping[str, str]) -> EnvString:
    """Replace the references. Raises `PydanticCustomError` on a missing, empty or malformed reference."""
    if "${" in _REFERENCE.sub("", raw):
        raise config_error(
            "there is a '${' that does not start a ${NAME}", "Write ${NAME} with letters, digits and underscores"
        )
    secrets: set[str] = set()

    def value_of(reference: re.Match[str]) -> str:
        name = reference[1]
        if not environ.get(name):
            what = "is empty" if name in environ else "is not set"
            raise config_error(
                f"environment variable {name} {what}", f"Set {name} in the environment of the Waybill process"
            )
        secrets.add(environ[name])
        return environ[name]

    value = _REFERENCE.sub(value_of, raw)
    if len(value) > TEXT_LIMIT_CHARS:
        raise config_error(f"the text is over {TEXT_LIMIT_CHARS} characters long", "Shorten the environment variable")
    return EnvString(raw, value, frozenset(s for s in secrets if len(s) >= SHORTEST_SECRET_CHARS))
