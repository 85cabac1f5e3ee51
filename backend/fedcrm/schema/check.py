"""A mapping held against the org it is for: does every field exist, fit its meaning, and have a past.

Nothing is asked of the org here: a snapshot is enough, so that a mapping can be checked where it is written. What is
wrong keeps a mapping from being applied; what is doubtful is told and left to the reviewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fedcrm.salesforce import Snapshot
from fedcrm.schema.conditions import Operator, parse_conditions
from fedcrm.schema.definitions import fields_read
from fedcrm.schema.mapping import Aggregate, FieldMapping, Known, SchemaMapping
from fedcrm.schema.vocabulary import Kind, Use, Vocabulary

__all__ = ["Problem", "Severity", "check_mapping", "own_kinds", "readable_fields"]

_NUMBERS = frozenset({"int", "double", "currency", "percent", "long"})
_DATES = frozenset({"date", "datetime"})
_TEXTS = frozenset({"picklist", "multipicklist", "string", "combobox", "textarea", "reference"})
_WHO = frozenset({"email", "phone", "url", "encryptedstring", "address"})
"""Types whose values tell who somebody is, or may not be read in the clear."""
_FITS: Mapping[Kind, frozenset[str]] = {
    Kind.NUMBER: _NUMBERS | {"boolean"},
    Kind.DATE: _DATES,
    Kind.FLAG: frozenset({"boolean", "picklist"}),
    Kind.CATEGORY: _TEXTS | {"boolean"},
    Kind.TEXT: _TEXTS,
    Kind.REFERENCE: frozenset({"reference"}),
}
_HISTORY = {"Opportunity": "OpportunityFieldHistory", "OpportunityHistory": "OpportunityHistory"}
_OURS = "fedcrm"


class Severity(StrEnum):
    """Whether a mapping can be applied all the same."""

    WRONG = "wrong"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing about a feature. words: what it is and what to do, a sentence."""

    feature: str
    severity: Severity
    words: str


def check_mapping(mapping: SchemaMapping, snapshot: Snapshot, words: Vocabulary) -> tuple[Problem, ...]:
    """Everything about a mapping that does not fit its org, feature by feature in the file's order."""
    org = _Org(snapshot)
    found: list[Problem] = []
    for entry in mapping.features:
        found += [Problem(entry.name, severity, text) for severity, text in _problems(entry, org, words)]
    for kept in mapping.kept_out:
        if org.field(kept.sobject, kept.source_field) is None:
            found.append(
                Problem(kept.source_field, Severity.DOUBTFUL, f"{kept.sobject}.{kept.source_field} is not in this org")
            )
    return tuple(found)


def own_kinds(mapping: SchemaMapping, snapshot: Snapshot) -> dict[str, Kind]:
    """The kind of every feature of the organisation's own block, from its field's type; by feature name."""
    org = _Org(snapshot)
    kinds = {}
    for entry in mapping.features:
        if entry.meaning is None:
            field = org.field(entry.sobject, entry.source_field) if entry.source_field else None
            kinds[entry.name] = _kind_of(field["type"]) if field else Kind.NUMBER
    return kinds


def readable_fields(mapping: SchemaMapping, snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    """Custom fields that the extractor's user must be allowed to read, as (object, field), each once.

    Only those: a packaged permission set grants the standard ones, and the platform refuses rights on a required field.
    """
    org = _Org(snapshot)
    found: dict[tuple[str, str], None] = {}
    for entry in mapping.features:
        if entry.known is not None:
            for path in fields_read(entry):
                for sobject, name, field in org.walk(entry.sobject, path):
                    if field is not None and field.get("custom") and not _is_required(field):
                        found[sobject, name] = None
    return tuple(found)


def _problems(entry: FieldMapping, org: _Org, words: Vocabulary) -> Iterator[tuple[Severity, str]]:
    if org.sobject(entry.sobject) is None:
        hidden = " to the user who took the snapshot" if entry.sobject in org.hidden else ""
        yield Severity.WRONG, f"there is no object {entry.sobject} that is visible{hidden}"
        return
    missing = [path for path in fields_read(entry) if org.field(entry.sobject, path) is None]
    for path in missing:
        yield Severity.WRONG, f"{entry.sobject} has no field {path}; was it renamed or deleted?"
    if missing:
        return
    if entry.source_field is not None:
        yield from _about_value(entry, org, words)
    yield from _about_link(entry, org)
    yield from _about_past(entry, org)
    yield from _about_conditions(entry, org)


def _about_value(entry: FieldMapping, org: _Org, words: Vocabulary) -> Iterator[tuple[Severity, str]]:
    path = str(entry.source_field)
    holder, name, field = list(org.walk(entry.sobject, path))[-1]
    if field is None:
        return
    standard = words.of_standard_field(holder, name)
    if standard is not None and standard.use in (Use.IDENTITY, Use.SENSITIVE):
        yield Severity.WRONG, f"{holder}.{name} is {standard.use} ({standard.name.lower()}) and is never learned from"
    elif field["type"] in _WHO or field.get("encrypted"):
        yield Severity.WRONG, f"{holder}.{name} is of type {field['type']}, which tells who somebody is; keep it out"
    elif field.get("compliance") or field.get("sensitivity") in ("Restricted", "MissionCritical"):
        marks = field.get("compliance") or field.get("sensitivity")
        yield Severity.WRONG, f"{holder}.{name} is classified {marks} in this org; keep it out"
    if name.lower().startswith(_OURS):
        yield Severity.WRONG, f"{holder}.{name} is FedCRM's own: a score is never a feature"
    if field.get("compound") is None and field["type"] == "location":
        yield Severity.WRONG, f"{holder}.{name} is compound: name one of its parts"
    yield from _about_kind(entry, field, words)
    yield from _about_values(entry, field)


def _about_kind(entry: FieldMapping, field: Mapping[str, Any], words: Vocabulary) -> Iterator[tuple[Severity, str]]:
    kind, name = field["type"], entry.source_field
    if entry.aggregate in (Aggregate.SUM, Aggregate.AVERAGE, Aggregate.MINIMUM, Aggregate.MAXIMUM):
        if kind not in _NUMBERS:
            yield Severity.WRONG, f"{name} is a {kind}: {entry.aggregate} needs a number"
    elif entry.meaning is not None and entry.aggregate is Aggregate.VALUE:
        meaning = words[entry.meaning]
        if kind not in _FITS[meaning.kind] and not (meaning.kind is Kind.NUMBER and entry.values):
            yield Severity.WRONG, f"{name} is a {kind}; {meaning.id} is a {meaning.kind}"
        elif meaning.unit == "percent" and kind != "percent":
            yield (
                Severity.DOUBTFUL,
                f"{name} is a {kind}; is it in percent, as {meaning.id} is? Otherwise give a factor",
            )


def _about_values(entry: FieldMapping, field: Mapping[str, Any]) -> Iterator[tuple[Severity, str]]:
    listed = [one["value"] for one in field.get("picklist", ())]
    if not entry.values or not listed:
        return
    aligned = {value.lower() for value in entry.values}
    unknown = sorted(
        value for value in entry.values if value != "*" and value.lower() not in {v.lower() for v in listed}
    )
    if unknown:
        yield Severity.DOUBTFUL, f"{entry.source_field} has no value {', '.join(unknown)}"
    left = [value for value in listed if value.lower() not in aligned]
    if left and "*" not in aligned:
        yield Severity.DOUBTFUL, f"values of {entry.source_field} that are not aligned: {', '.join(left)}"


def _about_link(entry: FieldMapping, org: _Org) -> Iterator[tuple[Severity, str]]:
    if entry.link is None:
        return
    end = org.field(entry.sobject, entry.link)
    if end is None or (end["type"] != "reference" and not entry.link.endswith("Id")):
        yield Severity.WRONG, f"{entry.link} of {entry.sobject} leads to no record"


def _about_past(entry: FieldMapping, org: _Org) -> Iterator[tuple[Severity, str]]:
    if entry.known is None:
        yield Severity.DOUBTFUL, "is left out: it does not say how its value at an earlier time is known"
    if entry.date_field is not None:
        date = org.field(entry.sobject, entry.date_field)
        if date is None or date["type"] not in _DATES:
            yield Severity.WRONG, f"{entry.date_field} of {entry.sobject} is no date"
    if entry.known is Known.HISTORY and not org.has_history(entry.sobject):
        yield (
            Severity.WRONG,
            f"{entry.sobject} keeps no history in this org; track {entry.source_field}, or say that it is fixed",
        )


def _about_conditions(entry: FieldMapping, org: _Org) -> Iterator[tuple[Severity, str]]:
    for condition in parse_conditions(entry.where or ""):
        field = org.field(entry.sobject, condition.field)
        if field is None:
            continue
        if condition.operator.ordered and field["type"] not in _NUMBERS:
            yield Severity.WRONG, f"{condition.field} is a {field['type']}: '{condition.operator}' compares numbers"
        listed = {one["value"].lower() for one in field.get("picklist", ())}
        strange = [value for value in condition.values if value.lower() not in listed]
        if listed and strange and condition.operator not in (Operator.CONTAINS, Operator.IS):
            yield Severity.DOUBTFUL, f"{condition.field} has no value {', '.join(strange)}"


def _is_required(field: Mapping[str, Any]) -> bool:
    """Whether nobody can be refused the field. A checkbox is never empty either, and can be hidden."""
    return bool(field.get("required")) and field["type"] != "boolean"


def _kind_of(platform_type: str) -> Kind:
    if platform_type == "boolean":
        return Kind.FLAG
    if platform_type in _NUMBERS | _DATES:
        return Kind.NUMBER
    return Kind.CATEGORY


class _Org:
    """A snapshot, asked without regard to case."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.hidden = snapshot.hidden
        self._objects = {name.lower(): (name, one) for name, one in snapshot.objects.items()}

    def sobject(self, name: str) -> Mapping[str, Any] | None:
        found = self._objects.get(name.lower())
        return found[1] if found else None

    def field(self, sobject: str, path: str) -> Mapping[str, Any] | None:
        """The field at the end of a path; None where any step of it does not exist."""
        return list(self.walk(sobject, path))[-1][2]

    def walk(self, sobject: str, path: str) -> Iterator[tuple[str, str, Mapping[str, Any] | None]]:
        """Each step of a path: object, field's API name, field. It ends at the first step that does not exist."""
        here = sobject
        *parents, last = path.split(".")
        for relationship in parents:
            lookup = self._lookup(here, relationship)
            if lookup is None:
                yield here, relationship, None
                return
            yield here, *lookup
            targets = [t for t in lookup[1].get("reference_to", ()) if self.sobject(t) is not None]
            if not targets:
                yield here, last, None
                return
            here = targets[0]
        name, found = self._find(here, last)
        yield here, name, found

    def has_history(self, sobject: str) -> bool:
        """Whether the org keeps old values of this object's fields."""
        if sobject in _HISTORY:
            return True
        one = self.sobject(sobject) or {}
        return any(str(child["child"]).endswith("History") for child in one.get("children", ()))

    def _find(self, sobject: str, name: str) -> tuple[str, Mapping[str, Any] | None]:
        fields = (self.sobject(sobject) or {}).get("fields", {})
        for api_name, field in fields.items():
            if api_name.lower() == name.lower():
                return api_name, field
        return name, None

    def _lookup(self, sobject: str, relationship: str) -> tuple[str, Mapping[str, Any]] | None:
        for api_name, field in (self.sobject(sobject) or {}).get("fields", {}).items():
            if str(field.get("relationship", "")).lower() == relationship.lower():
                return api_name, field
        return None
