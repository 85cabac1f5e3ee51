"""What an object and a field are: the platform's types, with the attributes its describe documents show.

Everything here is frozen. A change of schema makes new values (see `schema.Schema`), so a reader that
holds one never sees it change, and a failed deployment is undone by forgetting the new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

__all__ = [
    "Field",
    "FieldType",
    "ObjectKind",
    "OnDelete",
    "PicklistValue",
    "RecordType",
    "SObjectType",
    "SharingModel",
    "ValidationRule",
]


class FieldType(StrEnum):
    """The `type` of a field in a describe document."""

    ID = "id"
    STRING = "string"
    TEXTAREA = "textarea"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    PICKLIST = "picklist"
    MULTIPICKLIST = "multipicklist"
    COMBOBOX = "combobox"
    REFERENCE = "reference"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    ENCRYPTED = "encryptedstring"
    BASE64 = "base64"
    ADDRESS = "address"
    LOCATION = "location"

    @property
    def is_text(self) -> bool:
        """Compared without regard to case."""
        return self in _TEXT

    @property
    def is_number(self) -> bool:
        """Carries an arithmetic value."""
        return self in _NUMBER

    @property
    def is_compound(self) -> bool:
        """Made of other fields, never stored itself."""
        return self in (FieldType.ADDRESS, FieldType.LOCATION)

    @property
    def is_id(self) -> bool:
        """Holds a record id."""
        return self in (FieldType.ID, FieldType.REFERENCE)


_TEXT = frozenset(
    {
        FieldType.STRING,
        FieldType.TEXTAREA,
        FieldType.PICKLIST,
        FieldType.MULTIPICKLIST,
        FieldType.COMBOBOX,
        FieldType.EMAIL,
        FieldType.PHONE,
        FieldType.URL,
        FieldType.ENCRYPTED,
    }
)
_NUMBER = frozenset({FieldType.INT, FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT})


_UNGROUPABLE = frozenset(
    {
        FieldType.DOUBLE,
        FieldType.CURRENCY,
        FieldType.PERCENT,
        FieldType.DATETIME,
        FieldType.MULTIPICKLIST,
        FieldType.BASE64,
        FieldType.ENCRYPTED,
        FieldType.ADDRESS,
        FieldType.LOCATION,
    }
)
_LONG_TEXT = 255


class ObjectKind(StrEnum):
    """What sort of object it is; decides which rules of the platform hold for its rows."""

    STANDARD = "STANDARD"
    CUSTOM = "CUSTOM"
    CUSTOM_METADATA = "CUSTOM_METADATA"
    CUSTOM_SETTING = "CUSTOM_SETTING"
    HISTORY = "HISTORY"


class SharingModel(StrEnum):
    """Organisation-wide default: what a user sees of rows that others own."""

    PRIVATE = "Private"
    READ = "Read"
    READ_WRITE = "ReadWrite"
    READ_WRITE_TRANSFER = "ReadWriteTransfer"
    FULL_ACCESS = "FullAccess"
    CONTROLLED_BY_PARENT = "ControlledByParent"


class OnDelete(StrEnum):
    """What happens to a row when the row it looks up is deleted."""

    SET_NULL = "SetNull"
    CASCADE = "Cascade"
    RESTRICT = "Restrict"


@dataclass(frozen=True, slots=True)
class PicklistValue:
    """One value of a picklist; the last four say what a stage or a status means."""

    value: str
    label: str = ""
    active: bool = True
    default: bool = False
    closed: bool = False
    won: bool = False
    converted: bool = False
    probability: int | None = None
    forecast: str | None = None

    @property
    def shown(self) -> str:
        """Label, or the value where no label is kept."""
        return self.label or self.value


@dataclass(frozen=True, slots=True)
class RecordType:
    """A record type; its row of object RecordType has the same id."""

    developer_name: str
    label: str
    id: str
    active: bool = True
    default: bool = False
    picklists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """A row is refused where the formula is true."""

    name: str
    formula: str
    message: str
    error_field: str | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    length:    characters, for text types.
    precision: digits in all, scale: digits after the point, for numbers.
    default:   value given to a new row that does not name the field.
    compound:  the compound field this one is a part of, as BillingAddress or Name.
    custom_targets: besides `reference_to` it may point at every custom object.
    always_visible: field-level security does not apply (see `permissionable`).
    loose:     whatever id it holds is taken as it is (an id of something that is no row here).
    """

    api_name: str
    type: FieldType
    label: str = ""
    help: str | None = None
    description: str | None = None
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    default: str | float | bool | None = None
    default_formula: str | None = None
    unique: bool = False
    case_sensitive: bool = False
    external_id: bool = False
    id_lookup: bool = False
    picklist: tuple[PicklistValue, ...] = ()
    restricted: bool = False
    value_set: str | None = None
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    child_relationship_name: str | None = None
    on_delete: OnDelete = OnDelete.SET_NULL
    master_detail: bool = False
    custom_targets: bool = False
    loose: bool = False
    createable: bool = True
    updateable: bool = True
    filterable: bool = True
    formula: str | None = None
    auto_number: str | None = None
    name_field: bool = False
    compound: str | None = None
    custom: bool = False
    tracked: bool = False
    encrypted: bool = False
    always_visible: bool = False

    @property
    def stored(self) -> bool:
        """It has a column of its own."""
        return not self.type.is_compound and self.formula is None

    @property
    def calculated(self) -> bool:
        """A formula field."""
        return self.formula is not None

    @property
    def required(self) -> bool:
        """A new row must name it: no null allowed and nothing fills it in."""
        return (
            not self.nillable
            and self.createable
            and self.default is None
            and self.default_formula is None
            and self.auto_number is None
            and self.type is not FieldType.BOOLEAN
        )

    @property
    def permissionable(self) -> bool:
        """Field-level security applies; required and system fields are always visible."""
        if self.always_visible or self.api_name in _ALWAYS_VISIBLE or self.name_field or self.master_detail:
            return False
        return self.nillable or self.type is FieldType.BOOLEAN or self.calculated

    @property
    def groupable(self) -> bool:
        """GROUP BY takes it."""
        if self.type is FieldType.TEXTAREA and self.length > _LONG_TEXT:
            return False
        return self.filterable and self.type not in _UNGROUPABLE

    def altered(self, **changes: object) -> Field:
        """A copy with the attributes named replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]  # names and types are the dataclass's own


_ALWAYS_VISIBLE = frozenset(
    {
        "Id",
        "IsDeleted",
        "CreatedDate",
        "CreatedById",
        "LastModifiedDate",
        "LastModifiedById",
        "SystemModstamp",
        "OwnerId",
        "RecordTypeId",
        "LastViewedDate",
        "LastReferencedDate",
        "MasterRecordId",
        "Name",
        "DeveloperName",
        "MasterLabel",
        "Language",
        "NamespacePrefix",
        "Label",
        "QualifiedApiName",
        "SetupOwnerId",
        "CurrencyIsoCode",
    }
)


@dataclass(frozen=True)
class SObjectType:
    """One object of one org.

    master_field: the lookup whose row decides who sees this one (sharing CONTROLLED_BY_PARENT).
    setup:        configuration rows (users, permission sets): sharing does not apply to them.
    virtual:      no table of its own: rows are made from the schema (EntityDefinition, FieldDefinition).
    history_of:   for a history object, the object whose changes it holds.
    """

    api_name: str
    label: str
    plural: str
    key_prefix: str | None
    fields: tuple[Field, ...]
    kind: ObjectKind = ObjectKind.STANDARD
    namespace: str | None = None
    description: str | None = None
    sharing: SharingModel = SharingModel.READ_WRITE
    master_field: str | None = None
    record_types: tuple[RecordType, ...] = ()
    validation_rules: tuple[ValidationRule, ...] = ()
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    setup: bool = False
    virtual: bool = False
    tooling: bool = False
    history: str | None = None
    history_of: str | None = None
    setting_type: str | None = None
    visibility: str = "Public"
    deployed: bool = True
    _by_name: Mapping[str, Field] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {item.api_name.lower(): item for item in self.fields})

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def get(self, name: str) -> Field | None:
        """The field of exactly that API name, in any case; None where there is none."""
        return self._by_name.get(name.lower())

    @property
    def custom(self) -> bool:
        """Made by a deployment, not by the platform."""
        return self.kind in (ObjectKind.CUSTOM, ObjectKind.CUSTOM_METADATA, ObjectKind.CUSTOM_SETTING)

    @property
    def name_field(self) -> Field | None:
        """The field that names a row."""
        return next((item for item in self.fields if item.name_field), None)

    @property
    def has_owner(self) -> bool:
        """Rows belong to a user or a queue."""
        return "ownerid" in self._by_name

    @property
    def soft_deletes(self) -> bool:
        """Deleted rows go to the recycle bin."""
        return "isdeleted" in self._by_name

    def altered(self, **changes: object) -> SObjectType:
        """A copy with the attributes named replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]  # names and types are the dataclass's own

    def with_field(self, new: Field) -> SObjectType:
        """A copy that has `new`, in place of the field of that name where there is one."""
        key = new.api_name.lower()
        if key not in self._by_name:
            return self.altered(fields=(*self.fields, new))
        return self.altered(fields=tuple(new if item.api_name.lower() == key else item for item in self.fields))

    def without_field(self, name: str) -> SObjectType:
        """A copy that lacks the field."""
        return self.altered(fields=tuple(item for item in self.fields if item.api_name.lower() != name.lower()))
