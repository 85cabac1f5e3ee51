"""An object as its org describes it: the few facts of a describe document that FedCRM reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["FieldDescription", "ObjectDescription", "PicklistValue", "Relationship"]


@dataclass(frozen=True, slots=True)
class PicklistValue:
    """One value of a picklist; an inactive one may still stand in old records."""

    value: str
    label: str
    active: bool
    default: bool


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One field, with the platform's own words: type is its "picklist", "double", "reference" and so on.

    reference_to, relationship: objects a lookup may point to, and the name that leads there in a query.
    """

    name: str
    label: str
    type: str
    help: str | None
    length: int
    precision: int
    scale: int
    nillable: bool
    custom: bool
    unique: bool
    external_id: bool
    id_lookup: bool
    case_sensitive: bool
    calculated: bool
    encrypted: bool
    createable: bool
    updateable: bool
    aggregatable: bool
    restricted_picklist: bool
    picklist: tuple[PicklistValue, ...]
    reference_to: tuple[str, ...]
    relationship: str | None
    compound: str | None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> FieldDescription:
        """From an entry of a describe document's `fields`. Raises KeyError or TypeError."""
        name = str(raw["name"])
        return cls(
            name=name,
            label=str(raw["label"]),
            type=str(raw["type"]),
            help=raw.get("inlineHelpText") or None,
            length=int(raw.get("length") or 0),
            precision=int(raw.get("precision") or 0),
            scale=int(raw.get("scale") or 0),
            nillable=bool(raw["nillable"]),
            custom=bool(raw.get("custom", name.endswith("__c"))),
            unique=bool(raw.get("unique")),
            external_id=bool(raw.get("externalId")),
            id_lookup=bool(raw.get("idLookup")),
            case_sensitive=bool(raw.get("caseSensitive")),
            calculated=bool(raw.get("calculated")),
            encrypted=bool(raw.get("encrypted")),
            createable=bool(raw.get("createable")),
            updateable=bool(raw.get("updateable")),
            aggregatable=bool(raw.get("aggregatable", False)),
            restricted_picklist=bool(raw.get("restrictedPicklist")),
            picklist=tuple(
                PicklistValue(
                    str(v["value"]),
                    str(v.get("label") or v["value"]),
                    bool(v.get("active", True)),
                    bool(v.get("defaultValue")),
                )
                for v in raw.get("picklistValues") or ()
            ),
            reference_to=tuple(str(r) for r in raw.get("referenceTo") or ()),
            relationship=raw.get("relationshipName") or None,
            compound=raw.get("compoundFieldName") or None,
        )


@dataclass(frozen=True, slots=True)
class Relationship:
    """A child relationship: records of `child` point here with `field`. name: in a sub-query, where it has one."""

    child: str
    field: str
    name: str | None


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """One object; fields by API name, in the org's order."""

    name: str
    label: str
    plural: str
    key_prefix: str | None
    custom: bool
    createable: bool
    updateable: bool
    queryable: bool
    fields: Mapping[str, FieldDescription]
    children: tuple[Relationship, ...]
    record_types: tuple[str, ...]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> ObjectDescription:
        """From a describe document. Raises KeyError or TypeError."""
        fields = (FieldDescription.read(f) for f in raw["fields"])
        return cls(
            name=str(raw["name"]),
            label=str(raw["label"]),
            plural=str(raw.get("labelPlural") or raw["label"]),
            key_prefix=raw.get("keyPrefix") or None,
            custom=bool(raw.get("custom")),
            createable=bool(raw.get("createable")),
            updateable=bool(raw.get("updateable")),
            queryable=bool(raw.get("queryable", True)),
            fields={f.name: f for f in fields},
            children=tuple(
                Relationship(str(c["childSObject"]), str(c["field"]), c.get("relationshipName") or None)
                for c in raw.get("childRelationships") or ()
            ),
            record_types=tuple(
                str(r.get("developerName") or r["name"])
                for r in raw.get("recordTypeInfos") or ()
                if not r.get("master")
            ),
        )

    def field(self, name: str) -> FieldDescription | None:
        """A field by name, however it is written: the platform does not tell capitals apart."""
        if name in self.fields:
            return self.fields[name]
        lowered = name.lower()
        return next((f for f in self.fields.values() if f.name.lower() == lowered), None)

    def relation(self, name: str) -> FieldDescription | None:
        """The lookup whose relationship has this name."""
        lowered = name.lower()
        return next((f for f in self.fields.values() if (f.relationship or "").lower() == lowered), None)
