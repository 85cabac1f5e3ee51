"""What docs/developer-guide.md asks of whoever adds a feature or a task, tried."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedcrm.errors import MappingError
from fedcrm.nodes import UNIT_OF_TASK
from fedcrm.nodes.training_publish import HIGH_IS_GOOD
from fedcrm.salesforce import Snapshot
from fedcrm.schema import (
    Aggregate,
    CanonicalFeature,
    FieldMapping,
    Kind,
    Known,
    SchemaMapping,
    check_mapping,
    definitions,
    deployable,
    mapping_text,
    own_kinds,
    read_mapping,
    readable_fields,
    vocabulary,
)
from fedcrm.schema.definitions import _ENTITIES, _PREFIXES
from fedcrm.schema.mapping import TASKS

PACKAGE = Path(__file__).resolve().parents[4] / "force-app/main/default"
LISTENS = CanonicalFeature(
    "engagement.podcast_listens", "Podcast listens", Kind.NUMBER, ("account",), "Episodes heard", unit="count"
)
WORDS = replace(vocabulary(), features={**vocabulary().features, LISTENS.id: LISTENS})
ORG = Snapshot(
    "00D000000000001EAA",
    "67.0",
    datetime(2026, 1, 1, tzinfo=UTC),
    {
        "Account": {
            "label": "Account",
            "children": [],
            "fields": {"Gehoert__c": {"type": "double", "label": "Gehört", "custom": True}},
        }
    },
    {},
)
ENTRY = FieldMapping(
    "podcast_listens", ("churn",), "Account", Aggregate.VALUE, "Gehoert__c", LISTENS.id,
    known=Known.FIXED, because="counted before the contract",
)  # fmt: skip


def test_a_feature_added_to_the_vocabulary_goes_through_check_and_into_a_deployment():
    mapping = SchemaMapping("Nordlicht", (ENTRY,))
    assert check_mapping(mapping, ORG, WORDS) == ()
    (record,) = definitions(mapping, WORDS, own_kinds(mapping, ORG))
    assert record.values["Feature__c"] == LISTENS.id
    assert (record.values["Kind__c"], record.values["Unit__c"]) == ("Number", "count")
    with zipfile.ZipFile(io.BytesIO(deployable((record,), readable_fields(mapping, ORG)))) as made:
        assert any("Feature_Definition" in name and "podcast" in name for name in made.namelist())


def test_without_the_vocabularys_word_the_same_mapping_is_refused(tmp_path):
    file = tmp_path / "north.toml"
    file.write_text(mapping_text(SchemaMapping("Nordlicht", (ENTRY,)), WORDS), "utf-8")
    with pytest.raises(MappingError) as refused:
        read_mapping(file, vocabulary())
    assert LISTENS.id in " ".join(refused.value.problems)


def test_every_table_knows_the_tasks_that_the_package_has():
    shipped = {path.name.split(".")[1] for path in PACKAGE.glob("customMetadata/Model_Task__mdt.*")}
    assert set(TASKS) == shipped
    for table in (_PREFIXES, _ENTITIES, UNIT_OF_TASK, HIGH_IS_GOOD):
        assert set(table) == shipped


def test_what_the_tables_say_of_a_task_is_what_the_package_says():
    for task, sobject in _ENTITIES.items():
        said = (PACKAGE / f"customMetadata/Model_Task__mdt.{task}.md-meta.xml").read_text("utf-8")
        values = dict(re.findall(r"<field>(\w+)</field>\s*<value[^>]*>([^<]*)</value>", said))
        assert values["Entity_Object__c"] == sobject
        assert UNIT_OF_TASK[task] == sobject.lower()
        assert (values["Polarity__c"] == "HIGH_IS_GOOD") is HIGH_IS_GOOD[task]


def test_every_object_that_the_component_stands_on_has_a_record_page_with_it():
    offered = (PACKAGE / "lwc/fedcrmScoreExplainer/fedcrmScoreExplainer.js-meta.xml").read_text("utf-8")
    pages = {path.name: path.read_text("utf-8") for path in PACKAGE.glob("flexipages/*")}
    objects = set(re.findall(r"<object>(\w+)</object>", offered))
    assert objects == set(_ENTITIES.values())
    for sobject in objects:
        page = pages[f"FedCRM_{sobject}_Record_Page.flexipage-meta.xml"]
        assert "fedcrmScoreExplainer" in page
        assert f"<sobjectType>{sobject}</sobjectType>" in page
