"""The base class of every section of the workspace file."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from model.config.env_string import EnvString


class Section(BaseModel):
    """A part of the workspace file. Unknown fields and values of another type are refused, not guessed at."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )

    def secret_values(self) -> frozenset[str]:
        """Return every text in it that came from the environment, for redaction."""
        return _secrets_in([getattr(self, name) for name in type(self).model_fields])


def _secrets_in(value: Any) -> frozenset[str]:
    if isinstance(value, EnvString):
        return value.secrets
    if isinstance(value, Section):
        return value.secret_values()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return frozenset().union(*map(_secrets_in, inner))
