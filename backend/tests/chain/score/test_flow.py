"""A record is scored because it was saved: the flow's later path, the callout, the stored rows."""

from __future__ import annotations

import pytest

from .conftest import PACKAGE, TASK

pytestmark = pytest.mark.slow


def test_a_saved_opportunity_is_scored_behind_the_save(world):
    made = world.new_deal(LeadSource="Partner Referral")
    world.settled()
    stored = world.prediction(made)
    assert stored["Score__c"] == world.asked_directly(made, stored["As_Of__c"])["score"]
    assert stored["Status__c"] == "Current"
    [row] = world.org.query(f"SELECT FedCRM_Score__c FROM Opportunity WHERE Id = '{made}'")
    assert row["FedCRM_Score__c"] is None  # nobody has opted in


def test_where_the_admin_opted_in_the_score_is_a_field_of_the_record(world):
    name = f"Model_Task__mdt.{TASK}.md"
    shipped = (PACKAGE / f"customMetadata/{name}-meta.xml").read_text("utf-8")
    field = '<field>Write_Back__c</field>\n        <value xsi:type="xsd:boolean">{}</value>'
    changed = shipped.replace(field.format("false"), field.format("true"))
    assert changed != shipped
    world.org.change("CustomMetadata", f"customMetadata/{name}", changed)
    try:
        made = world.new_deal()
        world.settled()
        stored = world.prediction(made)
        fields = "FedCRM_Score__c, FedCRM_Confidence__c"
        [row] = world.org.query(f"SELECT {fields} FROM Opportunity WHERE Id = '{made}'")
        assert row["FedCRM_Score__c"] == stored["Score__c"]
        assert row["FedCRM_Confidence__c"] is not None
    finally:
        world.org.change("CustomMetadata", f"customMetadata/{name}", shipped)


def test_a_closed_opportunity_is_saved_and_not_scored(world):
    made = world.new_deal(StageName="Closed Won")
    world.settled()
    assert world.prediction(made) is None
