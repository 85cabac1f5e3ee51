"""SObjects: a type's name and the fields set so far, under their API names as the schema spells them."""

from __future__ import annotations

from typing import Any

from localorg.apex.types.model import Record
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import apex_error, null_pointer

__all__ = ["SObject", "get_field", "get_through", "set_field"]


class SObject:
    """One record.

    values:  field -> value; a parent under its relationship's name is an SObject, children are a list.
    queried: came from a query, so that an absent field is an error and not null.
    locked:  may not be changed: a row of custom metadata.
    changed: fields set since it came from a query: what an update sends.
    """

    __slots__ = ("changed", "errors", "locked", "queried", "type", "values")

    def __init__(self, kind: str, values: dict[str, Any] | None = None, *, queried: bool = False) -> None:
        self.type = kind
        self.values: dict[str, Any] = {} if values is None else values
        self.queried = queried
        self.locked = False
        self.changed: set[str] = set()
        self.errors: list[tuple[str | None, str]] = []

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SObject)
            and self.type == other.type
            and {k: v for k, v in self.values.items() if v is not None}
            == {k: v for k, v in other.values.items() if v is not None}
        )

    def __hash__(self) -> int:
        return hash(
            (self.type, frozenset((k, v) for k, v in self.values.items() if not isinstance(v, list | dict | SObject)))
        )

    @property
    def apex_type(self) -> Record:
        """The record's type."""
        return Record(self.type)

    def read(self, name: str) -> Any:
        """A field's value; an unqueried field of a queried row is refused."""
        try:
            return self.values[name]
        except KeyError:
            if self.queried and self.type != "AggregateResult":
                message = "SObject row was retrieved via SOQL without querying the requested field"
                raise apex_error("SObjectException", f"{message}: {self.type}.{name}") from None
            return None

    def copy(self, *, keep_id: bool, deep: bool) -> SObject:
        """SObject.clone: without its id unless kept; deep also copies parents and children."""
        values = dict(self.values)
        if not keep_id:
            values.pop("Id", None)
        if deep:
            values = {key: _deep(value) for key, value in values.items()}
        return SObject(self.type, values, queried=self.queried and keep_id)


def _deep(value: Any) -> Any:
    if isinstance(value, SObject):
        return value.copy(keep_id=True, deep=True)
    if isinstance(value, ApexList):
        return ApexList(value.element, [_deep(each) for each in value])
    return value


def get_field(record: Any, name: str) -> Any:
    """`record.Field`."""
    if record is None:
        null_pointer()
    try:
        return record.values[name]
    except KeyError:
        return record.read(name)


def get_through(record: Any, name: str) -> Any:
    """`record.Parent.Field`: a parent that is not there gives null, not an exception."""
    return None if record is None else get_field(record, name)


def set_field(record: Any, name: str, value: Any) -> Any:
    """`record.Field = value`; gives the value."""
    if record is None:
        null_pointer()
    if record.locked:
        raise apex_error("FinalException", "Record is read-only")
    record.values[name] = value
    if record.queried:
        record.changed.add(name)
    return value
