"""A mapping held against an org that is not what the admin thought."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from fedcrm.salesforce import Snapshot
from fedcrm.schema import (
    Aggregate,
    FieldMapping,
    Kind,
    Known,
    SchemaMapping,
    Severity,
    check_mapping,
    own_kinds,
    readable_fields,
    vocabulary,
)


def picklist(*values):
    return {"type": "picklist", "label": "x", "custom": True, "picklist": [{"value": v, "label": v} for v in values]}


def own(kind, **facts):
    return {"type": kind, "label": "x", "custom": True} | facts


ACCOUNT = {
    "label": "Account",
    "children": [{"child": "AccountHistory", "field": "AccountId"}],
    "fields": {
        "Id": {"type": "id", "label": "Id"},
        "Industry": {"type": "picklist", "label": "Industry"},
        "Phone": {"type": "phone", "label": "Phone"},
        "Name": {"type": "string", "label": "Name"},
        "Vertragsart__c": picklist("monatlich", "jährlich"),
        "Mail__c": own("email"),
        "Steuer__c": own("string", compliance="PII"),
        "FedCRM_Score__c": own("double"),
        "Pflicht__c": own("double", required=True),
        "Haken__c": own("boolean", required=True),
        "CreatedDate": {"type": "datetime", "label": "Created"},
    },
}
ABO = {
    "label": "Abo",
    "children": [],
    "fields": {
        "Kunde__c": own("reference", reference_to=["Account"], relationship="Kunde__r"),
        "Gebuehr__c": own("currency"),
        "Beginn__c": own("date"),
        "Notiz__c": own("textarea"),
        "Status__c": picklist("aktiv", "gekündigt"),
    },
}
ORG = Snapshot("00D000000000001EAA", "67.0", datetime(2026, 1, 1, tzinfo=UTC), {"Account": ACCOUNT, "Abo__c": ABO}, {})
FEE = FieldMapping(
    "fee", ("churn",), "Abo__c", Aggregate.SUM, "Gebuehr__c", "contract.monthly_value", "Kunde__c",
    where="Status__c = aktiv", known=Known.DATED, date_field="Beginn__c",
)  # fmt: skip
KIND = FieldMapping(
    "kind", ("churn",), "Account", Aggregate.VALUE, "Vertragsart__c", "contract.type", known=Known.HISTORY,
    values={"monatlich": "month", "jährlich": "year"},
)  # fmt: skip


def problems(*entries):
    return check_mapping(SchemaMapping("Nordlicht", entries), ORG, vocabulary())


def test_a_mapping_that_fits_its_org_has_no_problem():
    assert problems(FEE, KIND) == ()


@pytest.mark.parametrize(
    ("entry", "change", "severity", "said"),
    [
        (FEE, {"sobject": "Vertrag__c"}, Severity.WRONG, "no object Vertrag__c"),
        (FEE, {"source_field": "Preis__c"}, Severity.WRONG, "has no field Preis__c; was it renamed or deleted"),
        (FEE, {"source_field": "Notiz__c"}, Severity.WRONG, "sum needs a number"),
        (FEE, {"link": "Gebuehr__c"}, Severity.WRONG, "leads to no record"),
        (FEE, {"link": "Konto__r.ParentId"}, Severity.WRONG, "has no field Konto__r.ParentId"),
        (FEE, {"date_field": "Status__c"}, Severity.WRONG, "is no date"),
        (FEE, {"where": "Gone__c = 1"}, Severity.WRONG, "has no field Gone__c"),
        (FEE, {"where": "Status__c > 3"}, Severity.WRONG, "compares numbers"),
        (FEE, {"where": "Status__c = active"}, Severity.DOUBTFUL, "has no value active"),
        (FEE, {"known": Known.HISTORY}, Severity.WRONG, "keeps no history"),
        (KIND, {"source_field": "Name", "values": {}}, Severity.WRONG, "identity"),
        (KIND, {"source_field": "Mail__c", "values": {}}, Severity.WRONG, "tells who somebody is"),
        (KIND, {"source_field": "Steuer__c", "values": {}}, Severity.WRONG, "classified PII"),
        (KIND, {"source_field": "FedCRM_Score__c", "values": {}}, Severity.WRONG, "a score is never a feature"),
        (KIND, {"meaning": "contract.monthly_value", "values": {}}, Severity.WRONG, "is a picklist"),
        (KIND, {"values": {"monatlich": "month"}}, Severity.DOUBTFUL, "not aligned: jährlich"),
        (KIND, {"values": {"monatlich": "month", "*": "other", "weekly": "w"}}, Severity.DOUBTFUL, "no value weekly"),
        (KIND, {"known": None}, Severity.DOUBTFUL, "is left out"),
        (
            KIND,
            {"source_field": "Pflicht__c", "values": {}, "meaning": "opportunity.discount"},
            Severity.DOUBTFUL,
            "in percent",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_the_feature_it_is_about(entry, change, severity, said):
    found = problems(dataclasses.replace(entry, **change))
    assert any(p.severity is severity and said in p.words and p.feature == entry.name for p in found), found


def test_fields_are_found_whatever_the_case_and_through_a_lookup():
    assert problems(dataclasses.replace(FEE, source_field="GEBUEHR__C", link="kunde__c")) == ()
    assert problems(dataclasses.replace(KIND, sobject="Abo__c", source_field="Kunde__r.Vertragsart__c", link="Kunde__c",
                                        known=Known.DATED, date_field="Beginn__c")) == ()  # fmt: skip


def test_the_extractors_user_is_given_the_organisations_own_fields_and_no_others():
    mapping = SchemaMapping("N", (FEE, KIND, dataclasses.replace(KIND, name="must", source_field="Pflicht__c")))
    assert readable_fields(mapping, ORG) == (
        ("Abo__c", "Gebuehr__c"),
        ("Abo__c", "Kunde__c"),
        ("Abo__c", "Beginn__c"),
        ("Abo__c", "Status__c"),
        ("Account", "Vertragsart__c"),
    )


def test_a_checkbox_is_never_empty_and_still_has_to_be_granted():
    ticked = dataclasses.replace(KIND, name="ticked", source_field="Haken__c", values={})
    assert readable_fields(SchemaMapping("N", (ticked,)), ORG) == (("Account", "Haken__c"),)


def test_a_field_of_the_own_block_is_of_the_kind_of_its_type():
    entries = tuple(
        dataclasses.replace(KIND, name=name, meaning=None, sobject=sobject, source_field=field, values={})
        for name, sobject, field in (("a", "Account", "Vertragsart__c"), ("b", "Abo__c", "Gebuehr__c"))
    )
    assert own_kinds(SchemaMapping("N", entries), ORG) == {"a": Kind.CATEGORY, "b": Kind.NUMBER}
