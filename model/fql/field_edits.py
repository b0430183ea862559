"""Edits an event at paths (`model.fql.field_path`). The event is not modified: containers on the way to an edit are
copied.

Each function returns the very same event when nothing changed, and raises FieldPathInvalid.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from model.config.env_string import config_error
from model.config.section import Section
from model.fql.field_path import Event, FieldPathInvalid, Reader, index_of, names_of, reader
from model.mapping.values import MISSING, fresh
from model.mapping.values import text as as_text

Container: TypeAlias = dict[str, Any] | list[Any]
Place: TypeAlias = tuple[Any, Any]  # a container and the name or index in it


def check_path(path: str) -> str:
    """Refuse a path of the workspace file that leads nowhere."""
    try:
        names_of(path)
    except FieldPathInvalid as error:
        raise config_error(str(error), error.remedy) from None
    return path


PathToField = Annotated[str, Field(min_length=1), AfterValidator(check_path)]


class FieldChange(Section):
    """What becomes of a field: set, copy or move, and to_string by itself or after one of them."""

    set_to: Any = Field(default=None, alias="set")
    """This value is written, whatever was there."""
    copy_from: PathToField | None = Field(default=None, alias="copy")
    """What the field at this path holds is written; if it is missing, nothing."""
    move_from: PathToField | None = Field(default=None, alias="move")
    """As copy, and the other field is removed."""
    to_string: bool = False
    """true: a number, true, false or null becomes text."""

    @model_validator(mode="after")
    def _one_change(self) -> "FieldChange":
        given = self.model_fields_set & {"set_to", "copy_from", "move_from"}
        if len(given) > 1:
            raise config_error(
                "more than one of set, copy and move is given", "Keep one; to_string may stand beside it"
            )
        if not given and not self.to_string:
            raise config_error("this changes nothing", "Write set, copy, move or to_string: true")
        if given and self.copy_from is None and self.move_from is None and "set_to" not in given:
            raise config_error(
                "copy and move take a path", "Write one, such as properties.plan, or leave the field out"
            )
        return self

    @property
    def value(self) -> Any:
        """The value of ``set``; MISSING without."""
        return self.set_to if "set_to" in self.model_fields_set else MISSING


def without(event: Event, path: str, names: Iterable[str]) -> Event:
    """Take fields out of the object at a path; of a list, out of each object in it.

    A name may be a path: ``address.city`` drops both the field of that name and the field at that path. An item
    of a list becomes null, so that the others keep their places.
    """
    edited, changed = dict(event), False
    containers = _inside([edited], names_of(path))
    for name in names:
        for way in _ways(name):
            changed = _take_out(containers, way) or changed
    return edited if changed else event


def with_only(event: Event, path: str, names: Iterable[str]) -> Event:
    """Leave only the named fields in the object at a path; of a list, in each object in it.

    Names are not paths: a dotted name does not keep a field inside another object.
    """
    edited, changed = dict(event), False
    allowed = {".".join(names_of(name)) for name in names}
    for container in _inside([edited], names_of(path)):
        for target in _objects(container):
            unwanted = target.keys() - allowed
            for name in unwanted:
                del target[name]
            changed = changed or bool(unwanted)
    return edited if changed else event


def with_changes(event: Event, changes: Mapping[str, FieldChange]) -> Event:
    """Change the fields at some paths. What is copied or moved is read before anything changes.

    Nothing is written where the object around a field is missing; nothing is copied or moved that is missing. What has
    no place to be moved to stays where it is. Raises MappingFailed when the event becomes too large or too deep:
    several changes can multiply what it holds.
    """
    edited, changed = dict(event), False
    for path, change in changes.items():
        if (
            change.move_from is not None
            and _reader(change.move_from)(event) is not MISSING
            and _targets_at(edited, path)
        ):
            changed = _take_out([edited], names_of(change.move_from)) or changed
    for path, change in changes.items():
        source = change.move_from if change.copy_from is None else change.copy_from
        value = change.value if source is None else _reader(source)(event)
        for holder, place in _targets_at(edited, path):
            changed = _write(holder, place, value, to_string=change.to_string) or changed
    result: Event = fresh(edited) if changed else event
    return result


def _targets_at(event: Event, path: str) -> list[Place]:
    *way, last = names_of(path)
    return [place for container in _inside([event], way) for place in _targets(container, last)]


def _write(holder: Any, place: Any, value: Any, *, to_string: bool) -> bool:
    """Write a value; MISSING: the one that is there, if any. Return whether something changed."""
    present = holder[place] if isinstance(holder, list) else holder.get(place, MISSING)
    if value is MISSING:
        value = present
    if to_string and not isinstance(value, str | dict | list) and value is not MISSING:
        value = "null" if value is None else as_text(value)
    if value is present:
        return False
    holder[place] = value
    return True


@lru_cache(maxsize=4096)
def _reader(path: str) -> Reader:
    """Read the one value at a path; MISSING also where it would be several, in the items of a list."""
    return reader(names_of(path), MISSING)


@lru_cache(maxsize=4096)
def _ways(name: str) -> tuple[tuple[str, ...], ...]:
    """The paths that a name to drop stands for: the field of that name and, if it has dots, the field at that path."""
    names = names_of(name) or ("",)
    return (names,) if len(names) == 1 else (names, (".".join(names),))


def _take_out(containers: list[Container], path: tuple[str, ...]) -> bool:
    way, last = path[:-1], path[-1]
    changed = False
    for container in _inside(containers, way) if way else containers:
        if isinstance(container, dict):
            changed = container.pop(last, MISSING) is not MISSING or changed
            continue
        for holder, place in _places(container, last):
            changed = True
            if isinstance(holder, list):
                holder[place] = None
            else:
                del holder[place]
    return changed


def _inside(containers: Iterable[Container], way: Iterable[str]) -> list[Container]:
    """Copy what lies on the way, and return the copies of the objects and lists at its end."""
    found = list(containers)
    for name in way:
        places = [place for container in found for place in _places(container, name)]
        found = [copy for holder, place in places if (copy := _copied(holder, place)) is not None]
    return found


def _places(container: Container, name: str) -> Iterator[Place]:
    """The existing places of a name: in an object, as the index of an item, or in every object of a list."""
    for holder, place in _targets(container, name):
        if isinstance(holder, list) or place in holder:
            yield holder, place


def _targets(container: Container, name: str) -> Iterator[Place]:
    """Where a field of that name is, or would be."""
    if isinstance(container, list) and (index := index_of(name)) is not None:
        if index < len(container):
            yield container, index
    else:
        for target in _objects(container):
            yield target, name


def _objects(container: Container) -> Iterator[dict[str, Any]]:
    """The object itself, or copies of all objects in a list, put in their places; lists in lists without recursion."""
    pending = [container]
    while pending:
        holder = pending.pop()
        if isinstance(holder, dict):
            yield holder
        else:
            copies = (_copied(holder, place) for place in range(len(holder)))
            pending.extend(copy for copy in copies if copy is not None)


def _copied(holder: Any, place: Any) -> Container | None:
    """Put a copy of an object or list in its place; None when there is something else."""
    value = holder[place]
    if not isinstance(value, dict | list):
        return None
    copy = value.copy()
    holder[place] = copy
    return copy
