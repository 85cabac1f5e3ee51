"""Which Apex type a schema field's value has."""

from __future__ import annotations

from localorg.apex.types.model import (
    BLOB,
    BOOLEAN,
    DATE,
    DATETIME,
    DECIMAL,
    ID,
    INTEGER,
    STRING,
    TIME,
    Platform,
    Type,
)
from localorg.schema import FieldType

__all__ = ["field_type"]

_TYPES: dict[FieldType, Type] = {
    FieldType.ID: ID,
    FieldType.REFERENCE: ID,
    FieldType.BOOLEAN: BOOLEAN,
    FieldType.INT: INTEGER,
    FieldType.DOUBLE: DECIMAL,
    FieldType.CURRENCY: DECIMAL,
    FieldType.PERCENT: DECIMAL,
    FieldType.DATE: DATE,
    FieldType.DATETIME: DATETIME,
    FieldType.TIME: TIME,
    FieldType.BASE64: BLOB,
    FieldType.ADDRESS: Platform("Address"),
    FieldType.LOCATION: Platform("Location"),
}


def field_type(kind: FieldType) -> Type:
    """The type; everything that is text in the database is a String."""
    return _TYPES.get(kind, STRING)
