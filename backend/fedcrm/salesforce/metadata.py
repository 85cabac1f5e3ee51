"""A snapshot of an org's schema: what its objects and fields are called, mean and hold.

What administrators decided (objects, fields, labels, help, types, picklists, relationships) stands apart from what
was measured (record counts, fill rates), and everything is sorted, so that two snapshots differ in a text diff
exactly where the org differs. `changes` says the same in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from fedcrm.errors import AccessDenied, RequestRefused, SettingsError
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.describe import FieldDescription, ObjectDescription
from fedcrm.salesforce.filling import Filling, fill_rates
from fedcrm.salesforce.soql import select, text_literal

__all__ = ["BUSINESS_OBJECTS", "Snapshot", "changes", "take_snapshot"]

FORMAT = 1
DEFINITION = ("Description", "SecurityClassification", "ComplianceGroup")
# What a snapshot looks at if nothing else is asked for; the org's custom objects come on top.
BUSINESS_OBJECTS = (
    "Account",
    "Asset",
    "Campaign",
    "CampaignMember",
    "Case",
    "Contact",
    "Contract",
    "Event",
    "Lead",
    "Opportunity",
    "OpportunityContactRole",
    "OpportunityHistory",
    "Order",
    "Product2",
    "Quote",
    "Task",
    "User",
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A schema at one time.

    objects:  by API name: label, plural, custom, record_types, children, and fields by API name.
    measured: by API name: records, visible, and fill rates by field.
    hidden:   objects that were asked for and that this user does not see.
    """

    organization_id: str
    api_version: str
    taken_at: datetime
    objects: Mapping[str, Mapping[str, Any]]
    measured: Mapping[str, Mapping[str, Any]]
    hidden: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Sorted and indented, a line end at its end."""
        content = {
            "format": FORMAT,
            "organization_id": self.organization_id,
            "api_version": self.api_version,
            "hidden": self.hidden,
            "objects": self.objects,
            "measured": {"taken_at": self.taken_at.isoformat(timespec="seconds"), "objects": self.measured},
        }
        return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """Inverse of to_json. Raises SettingsError."""
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT:
                raise SettingsError(f"a snapshot of format {raw['format']}; this version reads {FORMAT}")
            return cls(
                str(raw["organization_id"]),
                str(raw["api_version"]),
                datetime.fromisoformat(raw["measured"]["taken_at"]),
                dict(raw["objects"]),
                dict(raw["measured"]["objects"]),
                tuple(raw["hidden"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError("not a schema snapshot") from error


def take_snapshot(
    client: Client,
    objects: Sequence[str] = (),
    *,
    fill: bool = True,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[str], None] = lambda _: None,
) -> Snapshot:
    """Describe and measure objects.

    objects:  API names; none: the standard business objects and every custom object.
    fill:     also fill rates, at a few queries an object.
    progress: told each object's name before it is looked at.

    Objects asked for by name that the user does not see are named in `hidden`. Raises SalesforceError.
    """
    present = client.objects()
    wanted = tuple(objects) or tuple(o for o in present if o in BUSINESS_OBJECTS or o.endswith("__c"))
    described: dict[str, Mapping[str, Any]] = {}
    measured: dict[str, Mapping[str, Any]] = {}
    hidden = []
    counts = client.record_counts(wanted) if wanted else {}
    for name in sorted(wanted):
        progress(name)
        try:
            one = client.describe(name)
        except AccessDenied:
            hidden.append(name)
            continue
        described[one.name] = _object(one, _definitions(client, one.name))
        measured[one.name] = _measure(client, one, counts.get(one.name), fill=fill)
    token = client.session.token
    return Snapshot(token.organization_id, client.version, now(), described, measured, tuple(hidden))


def changes(old: Snapshot, new: Snapshot) -> tuple[str, ...]:
    """What administrators changed between two snapshots, a line each; measurements are left out."""
    found = []
    for name in sorted({*old.objects, *new.objects}):
        before, after = old.objects.get(name), new.objects.get(name)
        if before is None or after is None:
            found.append(f"{name}: {'new' if before is None else 'gone'}")
            continue
        found += _differences(name, before, after, apart=("fields",))
        fields_before, fields_after = before["fields"], after["fields"]
        for field in sorted({*fields_before, *fields_after}):
            path = f"{name}.{field}"
            if field not in fields_before or field not in fields_after:
                found.append(f"{path}: {'new' if field not in fields_before else 'gone'}")
            else:
                found += _differences(path, fields_before[field], fields_after[field])
    return tuple(found)


def _differences(
    path: str, before: Mapping[str, Any], after: Mapping[str, Any], apart: tuple[str, ...] = ()
) -> list[str]:
    keys = sorted({*before, *after} - {*apart})
    return [
        f"{path}: {k} was {_short(before.get(k))}, is {_short(after.get(k))}"
        for k in keys
        if before.get(k) != after.get(k)
    ]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else text[:79] + "…"


def _object(one: ObjectDescription, definitions: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    return {
        "label": one.label,
        "plural": one.plural,
        "custom": one.custom,
        "key_prefix": one.key_prefix,
        "record_types": sorted(one.record_types),
        "children": sorted((asdict(c) for c in one.children), key=lambda c: (c["child"], c["field"])),
        "fields": {f.name: _field(f, definitions.get(f.name, {})) for f in one.fields.values()},
    }


def _field(one: FieldDescription, definition: Mapping[str, str]) -> dict[str, Any]:
    """A field's facts; those that say nothing (False, zero, none) are left out of the JSON."""
    facts: dict[str, Any] = {
        "label": one.label,
        "type": one.type,
        "help": one.help,
        "description": definition.get("Description"),
        "sensitivity": definition.get("SecurityClassification"),
        "compliance": definition.get("ComplianceGroup"),
        "length": one.length,
        "precision": one.precision,
        "scale": one.scale,
        "required": not one.nillable,
        "custom": one.custom,
        "unique": one.unique,
        "external_id": one.external_id,
        "calculated": one.calculated,
        "encrypted": one.encrypted,
        "compound": one.compound,
        "restricted_picklist": one.restricted_picklist,
        # In the org's order, which means something; inactive values stand in old records.
        "picklist": [
            {"value": v.value, "label": v.label} | ({} if v.active else {"active": False}) for v in one.picklist
        ],
        "reference_to": sorted(one.reference_to),
        "relationship": one.relationship,
    }
    return {key: value for key, value in facts.items() if value or key == "label"}


def _definitions(client: Client, name: str) -> dict[str, Mapping[str, str]]:
    """What describe does not say: description and data classification. A user without View Setup goes without."""
    try:
        where = f"EntityDefinition.QualifiedApiName = {text_literal(name)}"
        rows = client.tooling(select(("QualifiedApiName", *DEFINITION), "FieldDefinition", where))
    except (RequestRefused, AccessDenied):
        return {}
    return {str(r["QualifiedApiName"]): {k: v for k, v in r.items() if isinstance(v, str)} for r in rows}


def _measure(client: Client, one: ObjectDescription, records: int | None, *, fill: bool) -> dict[str, Any]:
    """Counts, and rates rounded to a ten-thousandth: what is beyond is chance."""
    visible = client.count(one.name) if one.queryable else 0
    found: dict[str, Any] = {"records": records if records is not None else visible, "visible": visible}
    if fill and visible:
        filling: Filling = fill_rates(client, one, visible)
        found |= {
            "fill_rate_of": filling.rows,
            "fill_rates": {name: round(rate, 4) for name, rate in sorted(filling.rates.items())},
        }
    return found
