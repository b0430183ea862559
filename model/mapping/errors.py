"""Errors of mappings: when one is compiled, and when one is applied to an event."""

from collections.abc import Iterable
from dataclasses import dataclass

from model.config.problems import FieldPath, format_path


@dataclass(frozen=True, slots=True)
class MappingProblem:
    """One problem of a mapping. ``path``: keys and list indexes from its root to the place."""

    path: FieldPath
    message: str
    remedy: str

    def __str__(self) -> str:
        place = format_path(self.path)
        return f"{place}: {self.message}. {self.remedy}" if place else f"{self.message}. {self.remedy}"


class MappingInvalid(ValueError):
    """A mapping cannot be used; ``problems`` holds all of its problems."""

    def __init__(self, problems: Iterable[MappingProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class MappingFailed(ValueError):
    """A mapping cannot be applied to an event. The text names the place in the mapping and nothing from the event."""

    def __init__(self, path: FieldPath, message: str) -> None:
        place = format_path(path)
        super().__init__(f"{place}: {message}" if place else message)
