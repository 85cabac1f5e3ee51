"""Objects and fields of an org: the standard ones as data, custom ones as deployments make them."""

from localorg.schema.catalogue import ChildRelationship, Schema
from localorg.schema.custom import custom_field, custom_object, history_object
from localorg.schema.standard import standard_objects
from localorg.schema.types import (
    Field,
    FieldType,
    ObjectKind,
    OnDelete,
    PicklistValue,
    RecordType,
    SharingModel,
    SObjectType,
    ValidationRule,
)

__all__ = [
    "ChildRelationship",
    "Field",
    "FieldType",
    "ObjectKind",
    "OnDelete",
    "PicklistValue",
    "RecordType",
    "SObjectType",
    "Schema",
    "SharingModel",
    "ValidationRule",
    "custom_field",
    "custom_object",
    "history_object",
    "standard_objects",
]
