"""A reviewed mapping as metadata: the feature definitions and field rights that its org's extractor needs.

Custom metadata takes no DML, so definitions are deployed, with an admin's session, together with a permission set
that lets the extractor's user read the customer's own fields, which a packaged permission set cannot name. Nothing here
touches an org: it makes the zip.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape  # writes; nothing is parsed here  # nosec B406

from fedcrm.schema.conditions import parse_conditions
from fedcrm.schema.mapping import Aggregate, FieldMapping, SchemaMapping
from fedcrm.schema.vocabulary import Kind, Vocabulary

__all__ = ["API_VERSION", "LOCAL_PERMISSION_SET", "Definition", "definitions", "deployable", "fields_read"]

API_VERSION = "67.0"
LOCAL_PERMISSION_SET = "FedCRM_Extractor_Local"
_PREFIXES = {"churn": "churn", "lead_conversion": "lead", "opportunity_win": "win", "case_escalation": "case"}
_LONGEST_LABEL = 40
_ENTITIES = {"churn": "Account", "lead_conversion": "Lead", "opportunity_win": "Opportunity", "case_escalation": "Case"}
# A moment that never changes, in every file of the zip: the same mapping gives the same bytes.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Definition:
    """One `Feature_Definition__mdt` record. values: by field without namespace; text, number or truth value."""

    developer_name: str
    label: str
    values: Mapping[str, str | float | bool]


def definitions(mapping: SchemaMapping, words: Vocabulary, kinds: Mapping[str, Kind]) -> tuple[Definition, ...]:
    """Records for every feature of every task, those that say nothing about the past left out.

    kinds: by name, the kind of a feature of the organisation's own block, from its field's type.
    """
    return tuple(
        _definition(entry, task, mapping.organisation, words, kinds)
        for entry in mapping.features
        if entry.known is not None
        for task in entry.tasks
    )


def fields_read(entry: FieldMapping) -> tuple[str, ...]:
    """Fields of the source object that a feature reads, as paths: value, link, date and conditions; each once."""
    found = [entry.source_field, entry.link, entry.date_field]
    found += [condition.field for condition in parse_conditions(entry.where or "")]
    return tuple(dict.fromkeys(f for f in found if f is not None))


def deployable(
    records: Iterable[Definition], readable: Iterable[tuple[str, str]], *, namespace: str | None = None
) -> bytes:
    """A Metadata API zip: the definitions and the permission set, with its manifest.

    readable:  (object, field) pairs that the extractor's user must be able to read; custom fields only count, the
               standard ones that can be hidden too; required fields must not be among them (the platform refuses).
    namespace: of the installed package, None where it is not managed.
    """
    prefix = f"{namespace}__" if namespace else ""
    files = {
        f"customMetadata/{prefix}Feature_Definition.{record.developer_name}.md": _record_xml(record, prefix)
        for record in records
    }
    members = [name.removeprefix("customMetadata/").removesuffix(".md") for name in files]
    files[f"permissionsets/{LOCAL_PERMISSION_SET}.permissionset"] = _permission_set_xml(sorted(set(readable)))
    files["package.xml"] = _manifest({"CustomMetadata": members, "PermissionSet": [LOCAL_PERMISSION_SET]})
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in sorted(files.items()):
            file.writestr(zipfile.ZipInfo(name, _TIMESTAMP), text, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def _definition(
    entry: FieldMapping, task: str, organisation: str, words: Vocabulary, kinds: Mapping[str, Kind]
) -> Definition:
    meaning = words[entry.meaning] if entry.meaning else None
    kind = _kind(entry, meaning.kind if meaning else kinds[entry.name])
    values: dict[str, str | float | bool | None] = {
        "Task__c": task,
        "Feature__c": meaning.id if meaning else f"own.{entry.name.lower()}",
        "Block__c": None if meaning else organisation,
        "Active__c": True,
        "Kind__c": kind,
        "Unit__c": (meaning.unit if meaning else None) if kind == "Number" else None,
        "Decimals__c": 4.0 if kind == "Number" and entry.aggregate.reads_a_field else 0.0,
        "Source_Object__c": entry.sobject,
        "Source_Key__c": entry.link or ("Id" if entry.sobject == _ENTITIES[task] else "AccountId"),
        "Entity_Key__c": entry.entity_key,
        "Aggregate__c": "_".join(word.capitalize() for word in entry.aggregate.split("_")),
        "Field__c": entry.source_field,
        "Date_Field__c": entry.date_field,
        "Filter__c": entry.where,
        "Window_Days__c": float(entry.window_days) if entry.window_days else None,
        "As_Of_Rule__c": str(entry.known).capitalize(),
        "Null_Policy__c": entry.empty.capitalize(),
        "Factor__c": entry.factor if entry.factor != 1.0 else None,
        "Value_Map__c": "; ".join(f"{ours} = {common}" for ours, common in entry.values.items()) or None,
        "Actionable__c": False,
    }
    return Definition(
        developer_name=f"{_PREFIXES[task]}_{entry.name}",
        label=(meaning.name if meaning else entry.name)[:_LONGEST_LABEL],
        values={field: value for field, value in values.items() if value is not None},
    )


def _kind(entry: FieldMapping, kind: Kind) -> str:
    if entry.aggregate is not Aggregate.VALUE and entry.aggregate is not Aggregate.COUNT:
        return "Number"
    if kind is Kind.FLAG:
        return "Flag"
    return "Category" if kind in (Kind.CATEGORY, Kind.TEXT, Kind.REFERENCE) else "Number"


_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_METADATA = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
_TYPES = {str: "xsd:string", float: "xsd:double", bool: "xsd:boolean"}


def _record_xml(record: Definition, prefix: str) -> str:
    values = "".join(
        f'    <values>\n        <field>{prefix}{field}</field>\n        <value xsi:type="{_TYPES[type(value)]}">'
        f"{escape(str(value).lower() if isinstance(value, bool) else str(value))}</value>\n    </values>\n"
        for field, value in record.values.items()
    )
    return (
        f'{_XML}<CustomMetadata {_METADATA} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema">\n'
        f"    <label>{escape(record.label)}</label>\n    <protected>false</protected>\n{values}</CustomMetadata>\n"
    )


def _permission_set_xml(readable: Iterable[tuple[str, str]]) -> str:
    pairs = list(readable)
    fields = "".join(
        f"    <fieldPermissions>\n        <editable>false</editable>\n        <field>{sobject}.{field}</field>\n"
        "        <readable>true</readable>\n    </fieldPermissions>\n"
        for sobject, field in pairs
    )
    objects = "".join(
        "    <objectPermissions>\n        <allowCreate>false</allowCreate>\n        <allowDelete>false</allowDelete>\n"
        "        <allowEdit>false</allowEdit>\n        <allowRead>true</allowRead>\n"
        "        <modifyAllRecords>false</modifyAllRecords>\n"
        f"        <object>{sobject}</object>\n        <viewAllRecords>true</viewAllRecords>\n    </objectPermissions>\n"
        for sobject in sorted({sobject for sobject, _ in pairs})
    )
    return (
        f"{_XML}<PermissionSet {_METADATA}>\n"
        "    <description>What the approved mapping lets the extractor read; made from the mapping file</description>\n"
        f"{fields}    <hasActivationRequired>false</hasActivationRequired>\n"
        f"    <label>FedCRM Extractor Local</label>\n{objects}</PermissionSet>\n"
    )


def _manifest(members: Mapping[str, Iterable[str]]) -> str:
    types = "".join(
        "    <types>\n"
        + "".join(f"        <members>{escape(member)}</members>\n" for member in sorted(names))
        + f"        <name>{kind}</name>\n    </types>\n"
        for kind, names in sorted(members.items())
    )
    return f"{_XML}<Package {_METADATA}>\n{types}    <version>{API_VERSION}</version>\n</Package>\n"
