"""All objects of one org under their names, and how a name finds its object.

API names are looked up in any case. A custom name without a prefix means, in the code of a package, that
package's own first; then what has just that name; then, in an org that owns a namespace, what has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from localorg.errors import OrgError
from localorg.schema.types import Field, ObjectKind, OnDelete, SObjectType

__all__ = ["ChildRelationship", "Schema", "prefixed"]

_Found = TypeVar("_Found")
_CUSTOM = re.compile(r"[A-Za-z]\w*?__(?:c|r|mdt|e|b|x|History|Share)", re.IGNORECASE)
_PREFIXED = re.compile(r"[A-Za-z]\w*?__[A-Za-z]\w*?__(?:c|r|mdt|e|b|x|History|Share)", re.IGNORECASE)


def prefixed(name: str, namespace: str | None) -> str | None:
    """`name` with the namespace's prefix; None where it is standard or has a prefix already."""
    if namespace is None or not _CUSTOM.fullmatch(name) or _PREFIXED.fullmatch(name):
        return None
    return f"{namespace}__{name}"


@dataclass(frozen=True, slots=True)
class ChildRelationship:
    """Seen from the parent: whose rows point here, by which field, under which name."""

    name: str | None
    child: SObjectType
    field: Field

    @property
    def cascades(self) -> bool:
        """Children go when the parent goes."""
        return self.field.on_delete is OnDelete.CASCADE


class Schema:
    """Every object of an org. Frozen: a change returns a new catalogue and leaves this one alone."""

    def __init__(self, objects: Iterable[SObjectType], *, namespace: str | None = None) -> None:
        self._objects: Mapping[str, SObjectType] = {item.api_name.lower(): item for item in objects}
        self.namespace = namespace

    def __iter__(self) -> Iterator[SObjectType]:
        return iter(self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, name: str, *, within: str | None = None) -> SObjectType | None:
        """The object of that name, None where there is none.

        within: namespace of the code that asks, beside the org's own.
        """
        return self._first(name, within, self._objects.get)

    def object(self, name: str, *, within: str | None = None) -> SObjectType:
        """The object of that name.

        Raises OrgError INVALID_TYPE.
        """
        found = self.get(name, within=within)
        if found is None:
            raise OrgError("INVALID_TYPE", unsupported_type(name))
        return found

    def field_of(self, sobject: SObjectType, name: str, *, within: str | None = None) -> Field | None:
        """The object's field of that name, None where there is none."""
        return self._first(name, within, sobject.get)

    def field(self, sobject: SObjectType, name: str, *, within: str | None = None) -> Field:
        """The object's field of that name.

        Raises OrgError INVALID_FIELD.
        """
        found = self.field_of(sobject, name, within=within)
        if found is None:
            raise OrgError("INVALID_FIELD", no_such_column(name, sobject.api_name), fields=(name,))
        return found

    def parent(self, sobject: SObjectType, relationship: str, *, within: str | None = None) -> Field | None:
        """The lookup field behind a relationship as Account or Account__r; None where there is none."""
        parents = self._parents.setdefault(sobject.api_name, {})
        if not parents:
            parents.update({f.relationship_name.lower(): f for f in sobject if f.relationship_name})
        return self._first(relationship, within, parents.get)

    def child(self, sobject: SObjectType, relationship: str, *, within: str | None = None) -> ChildRelationship | None:
        """The child relationship of that name, as Contacts or Blocks__r; None where there is none."""
        named = {item.name.lower(): item for item in self.children(sobject) if item.name}
        return self._first(relationship, within, named.get)

    def children(self, sobject: SObjectType) -> tuple[ChildRelationship, ...]:
        """Every relationship that points at the object."""
        return self._children.get(sobject.api_name.lower(), ())

    def targets(self, field: Field) -> tuple[str, ...]:
        """API names of the objects a lookup may point at."""
        if not field.custom_targets:
            return field.reference_to
        return (*field.reference_to, *(item.api_name for item in self if item.kind is ObjectKind.CUSTOM))

    def of_id(self, record_id: str) -> SObjectType | None:
        """The object a record id belongs to, by its prefix; None where no object has it."""
        return self._by_prefix.get(record_id[:3])

    def with_object(self, *changed: SObjectType) -> Schema:
        """A catalogue with these in place of the objects of the same names."""
        merged = {**self._objects, **{item.api_name.lower(): item for item in changed}}
        return Schema(merged.values(), namespace=self.namespace)

    def without_object(self, name: str) -> Schema:
        """A catalogue that lacks the object."""
        return Schema((item for key, item in self._objects.items() if key != name.lower()), namespace=self.namespace)

    def _first(self, name: str, within: str | None, find: Callable[[str], _Found | None]) -> _Found | None:
        """What `find` knows by the name, tried in the order the module's text gives."""
        if within is None and self.namespace is None:
            return find(name.lower())
        for full in (prefixed(name, within), name, prefixed(name, self.namespace)):
            if full is not None and (found := find(full.lower())) is not None:
                return found
        return None

    @cached_property
    def _by_prefix(self) -> Mapping[str, SObjectType]:
        # Histories share one prefix, as on the platform: it names no single object, so none is found by it.
        owners: dict[str, list[SObjectType]] = {}
        for item in self:
            if item.key_prefix:
                owners.setdefault(item.key_prefix, []).append(item)
        return {prefix: items[0] for prefix, items in owners.items() if len(items) == 1}

    @cached_property
    def _parents(self) -> dict[str, dict[str, Field]]:
        return {}

    @cached_property
    def _children(self) -> Mapping[str, tuple[ChildRelationship, ...]]:
        found: dict[str, list[ChildRelationship]] = {}
        for child in self:
            for field in child:
                for target in self.targets(field) if field.reference_to else ():
                    name = field.child_relationship_name
                    found.setdefault(target.lower(), []).append(ChildRelationship(name, child, field))
        return {key: tuple(items) for key, items in found.items()}


def unsupported_type(name: str) -> str:
    """What the platform says of an object it does not know."""
    return (
        f"sObject type '{name}' is not supported. If you are attempting to use a custom object, be sure to append "
        "the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names."
    )


def no_such_column(field: str, entity: str) -> str:
    """What the platform says of a field it does not know, or that the user may not see."""
    return (
        f"No such column '{field}' on entity '{entity}'. If you are attempting to use a custom field, be sure to "
        "append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )
