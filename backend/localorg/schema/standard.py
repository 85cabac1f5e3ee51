"""The platform's own objects, read once from the data files beside this module (`standard/*.json`).

A file holds one object: label, key prefix, sharing, and its fields in describe's order. What most fields
are is left out: nullable, writable, filterable. `readonly` fields are the platform's to fill in,
`createOnly` ones are fixed once a row exists.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from localorg.schema.types import Field, FieldType, ObjectKind, OnDelete, PicklistValue, SharingModel, SObjectType

__all__ = ["standard_objects"]


@cache
def standard_objects() -> tuple[SObjectType, ...]:
    """All of them, by name; the same values for every org of a process."""
    folder = files("localorg.schema") / "standard"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".json"))
    return tuple(_object(json.loads((folder / name).read_text(encoding="utf-8"))) for name in names)


def _object(document: Mapping[str, Any]) -> SObjectType:
    writable = not document.get("readonly", False)
    return SObjectType(
        api_name=document["name"],
        label=document["label"],
        plural=document["plural"],
        key_prefix=document["keyPrefix"],
        kind=ObjectKind(document.get("kind", "STANDARD")),
        fields=tuple(_field(item) for item in document["fields"]),
        sharing=SharingModel(document.get("sharing", "ReadWrite")),
        master_field=document.get("masterField"),
        createable=writable,
        updateable=writable,
        deletable=writable and document.get("deletable", True),
        setup=document.get("setup", False),
        virtual=document.get("virtual", False),
        tooling=document.get("tooling", False),
        history=document.get("history"),
        history_of=document.get("historyOf"),
    )


def _field(document: Mapping[str, Any]) -> Field:
    kind = FieldType(document["type"])
    boolean = kind is FieldType.BOOLEAN
    readonly = document.get("readonly", False)
    precision, scale = document.get("precision", 0), document.get("scale", 0)
    return Field(
        api_name=document["name"],
        type=kind,
        label=document["label"],
        length=document.get("length", 18 if kind.is_id else 0),
        # A data file says what Setup shows, digits before and after the point; describe counts them all.
        precision=min(18, precision + scale) if precision else 0,
        scale=scale,
        nillable=not (document.get("required", False) or boolean),
        default=document.get("default", False if boolean else None),
        default_formula="$User.Id" if document.get("defaulted") else None,
        unique=document.get("unique", False),
        id_lookup=document.get("idLookup", False),
        picklist=_picklist(document.get("values", ())),
        restricted=document.get("restricted", False),
        value_set=document.get("valueSet"),
        reference_to=tuple(document.get("referenceTo", ())),
        relationship_name=document.get("relationship"),
        child_relationship_name=document.get("children"),
        on_delete=OnDelete(document.get("onDelete", "SetNull")),
        custom_targets=document.get("customTargets", False),
        loose=document.get("loose", False),
        createable=not readonly,
        updateable=not (readonly or document.get("createOnly", False)),
        filterable=document.get("filterable", True),
        auto_number=document.get("autoNumber"),
        name_field=document.get("nameField", False),
        compound=document.get("compound"),
        tracked=document.get("tracked", False),
        always_visible=not document.get("permissionable", kind is FieldType.ADDRESS or not readonly)
        or document.get("compound") == "Name",
    )


def _picklist(values: Sequence[str | Mapping[str, Any]]) -> tuple[PicklistValue, ...]:
    return tuple(PicklistValue(value=item) if isinstance(item, str) else PicklistValue(**item) for item in values)
