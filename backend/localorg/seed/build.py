"""A dialect as metadata: the package an admin of that org would have deployed, fields and the right to see them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from html import escape

from localorg.metadata.xmltree import METADATA_NAMESPACE
from localorg.seed.dialect import Dialect, LocalField
from localorg.seed.table import Table

__all__ = ["PERMISSION_SET", "label_of", "package_of_dialect"]

PERMISSION_SET = "Org_Fields"
_NS = f'xmlns="{METADATA_NAMESPACE}"'


def package_of_dialect(table: Table, dialect: Dialect) -> bytes:
    """The deployment's zip."""
    main = table.object_name
    own = [field for field in dialect.fields if not field.satellite]
    moved = [field for field in dialect.fields if field.satellite]
    outcome = (
        f"<fields><fullName>{dialect.outcome}</fullName><defaultValue>false</defaultValue>"
        f"<label>{escape(label_of(dialect.outcome))}</label><type>Checkbox</type></fields>"
        f"<fields><fullName>{dialect.outcome_date}</fullName>"
        f"<label>{escape(label_of(dialect.outcome_date))}</label><type>Date</type></fields>"
    )
    history = "<enableHistory>true</enableHistory>"
    files = {
        f"objects/{main}.object": f"<CustomObject {_NS}>{history}{''.join(map(_field, own))}{outcome}</CustomObject>",
        f"permissionsets/{PERMISSION_SET}.permissionset": _rights(table, dialect),
    }
    objects = [main]
    if dialect.satellite:
        label = label_of(dialect.satellite)
        lookup = (
            f"<fields><fullName>Parent_{main}__c</fullName><deleteConstraint>SetNull</deleteConstraint>"
            f"<label>{main}</label><referenceTo>{main}</referenceTo><relationshipName>{dialect.satellite[:-3]}s"
            "</relationshipName><type>Lookup</type></fields>"
        )
        files[f"objects/{dialect.satellite}.object"] = (
            f"<CustomObject {_NS}><deploymentStatus>Deployed</deploymentStatus>{history}<label>{escape(label)}</label>"
            "<nameField><displayFormat>D-{000000}</displayFormat><label>Number</label><type>AutoNumber</type></nameField>"
            f"<pluralLabel>{escape(label)}</pluralLabel><sharingModel>ReadWrite</sharingModel>"
            f"{lookup}{''.join(map(_field, moved))}</CustomObject>"
        )
        objects.append(dialect.satellite)
    members = "".join(f"<members>{name}</members>" for name in objects)
    manifest = (
        f"<Package {_NS}><types>{members}<name>CustomObject</name></types>"
        f"<types><members>{PERMISSION_SET}</members><name>PermissionSet</name></types><version>67.0</version></Package>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("package.xml", manifest)
        for path, content in files.items():
            archive.writestr(path, content)
    return out.getvalue()


def label_of(api_name: str) -> str:
    """Label of what the dialect names by itself."""
    return api_name[:-3].replace("_", " ")


def _field(field: LocalField) -> str:
    shape = {
        "Number": f"<precision>18</precision><scale>{field.decimals}</scale><type>Number</type>",
        "Checkbox": "<type>Checkbox</type>",
        "Text": "<length>255</length><type>Text</type>",
        "Picklist": "<type>Picklist</type>" + _values([str(value) for value in field.values.values()]),
    }[field.type]
    default = "<defaultValue>false</defaultValue>" if field.type == "Checkbox" else ""
    return (
        f"<fields><fullName>{field.api_name}</fullName>{default}<label>{escape(field.label)}</label>"
        f"{'<trackHistory>true</trackHistory>' if field.changes else ''}{shape}</fields>"
    )


def _values(values: Sequence[str]) -> str:
    inner = "".join(
        f"<value><fullName>{escape(value)}</fullName><default>false</default><label>{escape(value)}</label></value>"
        for value in values
    )
    return f"<valueSet><valueSetDefinition><sorted>false</sorted>{inner}</valueSetDefinition></valueSet>"


def _rights(table: Table, dialect: Dialect) -> str:
    main = table.object_name
    names = [(dialect.satellite if field.satellite else main, field.api_name) for field in dialect.fields]
    names += [(main, dialect.outcome), (main, dialect.outcome_date)]
    if dialect.satellite:
        names.append((dialect.satellite, f"Parent_{main}__c"))
    fields = "".join(
        f"<fieldPermissions><editable>true</editable><field>{owner}.{name}</field><readable>true</readable>"
        "</fieldPermissions>"
        for owner, name in names
    )
    objects = "".join(
        "<objectPermissions><allowCreate>true</allowCreate><allowDelete>true</allowDelete><allowEdit>true</allowEdit>"
        f"<allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>{name}</object>"
        "<viewAllRecords>false</viewAllRecords></objectPermissions>"
        for name in ([dialect.satellite] if dialect.satellite else [])
    )
    return f"<PermissionSet {_NS}>{fields}<label>Org fields</label>{objects}</PermissionSet>"
