"""A record is saved, its flow calls the node after the commit, and the score is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from localorg.apex.runtime.services import CalloutRefused, OutgoingResponse
from localorg.flow import FlowEngine

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[2] / "fixtures" / "predictions"


class Node:
    """Answers as the fixture does; keeps what was asked."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.is_away = False

    def __call__(self, request):
        if self.is_away:
            raise CalloutRefused("Read timed out")
        assert request.url == "callout:FedCRM_Node/v1/predictions"
        self.asked.append(json.loads(request.body))
        reply = json.loads((FIXTURES / "reply.json").read_text())
        reply["task"] = self.asked[-1]["task"]
        reply["results"] = [
            {**reply["results"][0], "pseudonym": record["pseudonym"]} for record in self.asked[-1]["records"]
        ]
        return OutgoingResponse(200, "OK", {"Content-Type": "application/json"}, json.dumps(reply).encode())


@pytest.fixture(scope="module")
def world(workshop):
    node = Node()
    workshop.engine.services = replace(workshop.engine.services, callout=node)
    return workshop, node, FlowEngine(workshop.org, workshop.engine)


def save(workshop, name, rows, *, update=False):
    with workshop.org.transaction(workshop.admin.in_system_mode()) as transaction:
        results = (transaction.update if update else transaction.insert)(name, rows)
    assert all(result.success for result in results), [r.errors for r in results]
    return [result.id for result in results]


@pytest.mark.parametrize(
    ("name", "row", "task"),
    [
        ("Opportunity", {"Name": "o", "StageName": "Prospecting", "CloseDate": "2030-01-01"}, "opportunity_win"),
        ("Lead", {"LastName": "l", "Company": "c"}, "lead_conversion"),
        ("Case", {"Status": "New"}, "case_escalation"),
    ],
)
def test_a_new_record_is_scored_after_the_commit_and_many_share_one_call(world, name, row, task):
    workshop, node, flows = world
    node.asked.clear()
    ids = save(workshop, name, [dict(row) for _ in range(5)])
    assert node.asked == [], "saving waits for nobody"
    flows.run_pending()
    assert [(each["task"], len(each["records"])) for each in node.asked] == [(task, 5)]
    assert not any(record_id in json.dumps(node.asked) for record_id in ids)
    stored = workshop.query(f"SELECT {name}__c, Score__c FROM Prediction__c WHERE Task__c = '{task}'")
    assert {each[f"{name}__c"]: each["Score__c"] for each in stored} == dict.fromkeys(ids, 61.8)


def test_a_case_is_scored_again_for_its_new_owner_only(world):
    workshop, node, flows = world
    (case,) = save(workshop, "Case", [{"Status": "New"}])
    flows.run_pending()
    node.asked.clear()
    save(workshop, "Case", [{"Id": case, "Subject": "changed"}], update=True)
    flows.run_pending()
    assert node.asked == []
    other = workshop.user("Standard User")
    save(workshop, "Case", [{"Id": case, "OwnerId": other}], update=True)
    flows.run_pending()
    assert [each["task"] for each in node.asked] == ["case_escalation"]


def test_a_review_is_scored_and_its_request_cleared(world):
    workshop, node, flows = world
    (account,) = save(workshop, "Account", [{"Name": "a"}])
    flows.run_pending()
    node.asked.clear()
    save(workshop, "Account", [{"Id": account, "Review_Requested__c": True}], update=True)
    flows.run_pending()
    assert [each["task"] for each in node.asked] == ["churn"]
    (row,) = workshop.query(f"SELECT Review_Requested__c FROM Account WHERE Id = '{account}'")
    assert row["Review_Requested__c"] is False


def test_a_record_is_saved_and_its_last_score_stays_while_the_node_is_away(world):
    workshop, node, flows = world
    (case,) = save(workshop, "Case", [{"Status": "New"}])
    flows.run_pending()
    before = workshop.query(f"SELECT Score__c, Scored_At__c FROM Prediction__c WHERE Case__c = '{case}'")
    node.is_away = True
    other = workshop.user("Standard User")
    save(workshop, "Case", [{"Id": case, "OwnerId": other}], update=True)
    flows.run_pending()
    node.is_away = False
    assert workshop.query(f"SELECT Score__c, Scored_At__c FROM Prediction__c WHERE Case__c = '{case}'") == before
