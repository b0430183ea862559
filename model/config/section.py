"""The base class of every section of the workspace file."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the workspace file. Unknown fields and values of another type are refused, not guessed at."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True, hide_input_in_errors=True
    )
