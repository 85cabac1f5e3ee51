"""Each permission set is enough for what it is for, and for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from localorg.apex.runtime.services import OutgoingResponse
from localorg.errors import OrgError

pytestmark = pytest.mark.slow

REPLY = Path(__file__).parents[2] / "fixtures" / "predictions" / "reply.json"


def answer(request):
    reply = json.loads(REPLY.read_text())
    asked = json.loads(request.body)["records"]
    reply["results"] = [{**reply["results"][0], "pseudonym": record["pseudonym"]} for record in asked]
    return OutgoingResponse(200, "OK", {"Content-Type": "application/json"}, json.dumps(reply).encode())


@pytest.fixture(scope="module")
def staged(workshop):
    """A run of an extractor who is nobody else."""
    workshop.insert("Account", [{"Name": f"a{n}", "OwnerId": workshop.admin.user_id} for n in range(20)])
    extractor = workshop.user("Standard User", "FedCRM_Extractor")
    outcome = workshop.engine.execute_anonymous(
        workshop.org.context_for(extractor), "ExtractionRuns.start('churn', 'Scoring');"
    )
    assert outcome.success, outcome.exception
    workshop.engine.run_pending_jobs()
    (run,) = workshop.query("SELECT Id, Run_Key__c, Status__c, Message__c, Running_User__c FROM Extraction_Run__c")
    assert run["Running_User__c"] == extractor
    return run


def test_the_extractor_needs_no_more_than_its_permission_set(workshop, staged):
    assert staged["Status__c"] == "Completed", staged["Message__c"]
    assert len(workshop.vectors(staged)) == 20


def test_the_node_reads_blocks_writes_predictions_and_sees_no_record_of_the_crm(workshop, staged):
    node = workshop.org.context_for(workshop.user("Minimum Access - Salesforce", "FedCRM_Integration"))
    with workshop.org.transaction(node) as transaction:
        assert len(list(transaction.query("SELECT Block_Key__c, Payload__c, Mac__c FROM Feature_Block__c"))) == 1
        for soql in ("SELECT Id FROM Account", "SELECT Id FROM Lead", "SELECT Account__c FROM Prediction__c"):
            with pytest.raises(OrgError):
                list(transaction.query(soql))
        prediction = {
            "Entity_Key__c": "0" * 32 + ":churn",
            "Task__c": "churn",
            "Score__c": 50.1,
            "Applied_At__c": None,
            "Explanation__c": "{}",
        }
        assert transaction.upsert("Prediction__c", "Entity_Key__c", [prediction])[0].success
        acknowledged = {"Id": staged["Id"], "Acknowledged_At__c": "2026-11-24T00:00:00.000+0000"}
        assert transaction.update("Extraction_Run__c", [acknowledged])[0].success
        assert not transaction.update("Extraction_Run__c", [{"Id": staged["Id"], "Message__c": "x"}])[0].success


def test_a_scoring_user_scores_a_record(workshop):
    workshop.engine.services = replace(workshop.engine.services, callout=answer)
    user = workshop.user("Standard User", "FedCRM_Scoring_User")
    (own,) = workshop.insert("Account", [{"Name": "own", "OwnerId": user}])
    context = workshop.org.context_for(user)
    (result,) = workshop.engine.invoke_action(context, "ScoreRecordAction", [{"recordId": own}])
    assert (result.success, result.outputs["isScored"], result.outputs["score"]) == (True, True, 61.8)
    (stored,) = workshop.query(f"SELECT Score__c FROM Prediction__c WHERE Account__c = '{own}'")
    assert stored["Score__c"] == 61.8


def test_a_viewer_may_not_even_call_the_action(workshop):
    viewer = workshop.org.context_for(workshop.user("Standard User", "FedCRM_Viewer"))
    with pytest.raises(OrgError, match="ScoreRecordAction"):
        workshop.engine.invoke_action(viewer, "ScoreRecordAction", [{"recordId": "001000000000001"}])
