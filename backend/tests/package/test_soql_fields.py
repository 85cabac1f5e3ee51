"""Field names inside queries, which the Apex type checker does not look at, and those that feature definitions hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import tree_sitter_language_pack

pytestmark = pytest.mark.slow  # needs npm: the standard objects' fields come from there

SYSTEM = {"id", "name", "ownerid", "createddate", "createdbyid", "lastmodifieddate", "systemmodstamp", "isdeleted"}
METADATA = {"id", "developername", "masterlabel", "qualifiedapiname"}
CLAUSES = ("select_clause", "where_clause", "group_by_clause", "order_by_clause")
# Named by the platform from what they point to, so no relationship name is kept beside them.
POLYMORPHIC = {"what", "who", "relatedto"}


class Org:
    """Which fields an object has: the package's own and the platform's."""

    def __init__(self, package, standard: Callable[[str], set[str] | None]) -> None:
        self._own = {name.lower(): fields for name, fields in package.fields.items()}
        self._standard = standard

    def fields(self, name: str) -> set[str] | None:
        own = self._own.get(name.lower())
        standard = self._standard(name)
        if own is None and standard is None:
            return None
        base = METADATA if name.lower().endswith("__mdt") else SYSTEM
        return {field.lower() for field in own or ()} | (standard or base)

    def knows(self, name: str, path: str) -> bool:
        """Whether a path leads somewhere; a relationship has the name of its object, or counts as far as it goes."""
        fields = self.fields(name)
        first, _, rest = path.lower().partition(".")
        if fields is None or not rest:
            return fields is not None and first in fields
        if first in POLYMORPHIC:
            return f"{first}id" in fields
        target = {"personindividual": "individual", "cronjobdetail": "cronjobdetail"}.get(first, first)
        if f"{first}id" not in fields and first.replace("__r", "__c") not in fields:
            return False
        return self.fields(target) is None or self.knows(target, rest)


def queries(node, parent: str | None = None) -> Iterator[tuple[object, str]]:
    """Inline queries with the object that they read; a child query's object is its relationship, so it is left out."""
    if node.type == "soql_query_body":
        source = node.child_by_field_name("from_clause").text.decode().split()[1]
        if parent is None:
            yield node, source
        parent = source
    for child in node.named_children:
        yield from queries(child, parent)


def paths_in(node) -> Iterator[tuple[str, int]]:
    """Field paths of one query, without those of the queries inside it."""
    for clause in CLAUSES:
        start = node.child_by_field_name(clause)
        waiting = [start] if start is not None else []
        while waiting:
            each = waiting.pop()
            if each.type in ("field_identifier", "dotted_identifier"):
                yield each.text.decode(), each.start_point[0] + 1
            elif each.type not in ("subquery", "soql_query_body", "bound_apex_expression"):
                waiting += each.named_children


def problems_of(package, standard) -> list[str]:
    org = Org(package, standard)
    parser = tree_sitter_language_pack.get_parser("apex")
    found = []
    for name, text in package.classes.items():
        for query, source in queries(parser.parse(text.encode()).root_node):
            if org.fields(source) is None:
                found.append(f"{name}: no object {source}")
                continue
            found += [
                f"{name}:{line}: no field {source}.{path}"
                for path, line in paths_in(query)
                if not org.knows(source, path)
            ]
    return found + list(definition_problems(package, org))


def definition_problems(package, org: Org) -> Iterator[str]:
    """What a feature definition reads; closed and won of a snapshot are read from its stage."""
    for path in package.files("customMetadata/Feature_Definition__mdt.*"):
        values = {e.findtext("field"): e.findtext("value") for e in package.root(path).iterfind("values")}
        source = values["Source_Object__c"] or ""
        for key in ("Source_Key__c", "Field__c", "Date_Field__c"):
            name = values.get(key)
            if name and not org.knows(source, name):
                yield f"{path.name}: no field {source}.{name}"
        for condition in (values.get("Filter__c") or "").split(";"):
            name = condition.split()[0] if condition.strip() else None
            derived = source == "OpportunityHistory" and name in ("IsClosed", "IsWon")
            if name and not derived and not org.knows(source, name):
                yield f"{path.name}: no field {source}.{name}"


def test_every_field_in_a_query_exists(package, standard_fields):
    assert problems_of(package, standard_fields) == []


@pytest.mark.parametrize(
    ("name", "before", "after", "problem"),
    [
        (
            "classes/PredictionSelector.cls",
            "WHERE ConvertedOpportunityId",
            "WHERE ConvertedOpportunity__c",
            "Lead.Conv",
        ),
        ("classes/StageSelector.cls", "SELECT ApiName FROM CaseStatus", "SELECT ApiName FROM CaseStati", "CaseStati"),
        ("classes/ExtractionRunSelector.cls", "ORDER BY CreatedDate", "ORDER BY CreateDate", "CreateDate"),
        ("classes/FedCrmJobs.cls", "CronJobDetail.Name", "CronJobDetail.Nmae", "CronJobDetail.Nmae"),
        ("classes/ModelTaskSelector.cls", "Horizon_Days__c,", "Horizon__c,", "Model_Task__mdt.Horizon__c"),
        ("customMetadata/Feature_Definition__mdt.churn_account_type.md-meta.xml", ">Type<", ">Tpye<", "Account.Tpye"),
    ],
)
def test_a_planted_defect_is_found(spoiled, standard_fields, name, before, after, problem):
    assert any(problem in line for line in problems_of(spoiled(name, before, after), standard_fields))
