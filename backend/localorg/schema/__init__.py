"""Objects and fields of an org: the standard ones as data, custom ones as deployments make them."""

from localorg.schema.catalogue import ChildRelationship, Schema
from localorg.schema.custom import custom_field, custom_object, history_object, record_type_field
from localorg.schema.describe import describe_global, describe_object, describe_summary
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
    "describe_global",
    "describe_object",
    "describe_summary",
    "history_object",
    "record_type_field",
    "standard_objects",
]
