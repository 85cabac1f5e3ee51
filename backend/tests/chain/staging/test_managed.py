"""The whole way, in an org with the package unmanaged and in one where it is installed as `fedcrm__`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from localorg.apex.runtime.services import OutgoingResponse

pytestmark = pytest.mark.slow
REPLY = Path(__file__).parents[2] / "fixtures" / "predictions" / "reply.json"


def answering(asked):
    """A node that gives every record the fixture's score."""

    def answer(request):
        question = json.loads(request.body)
        asked.append(question)
        reply = json.loads(REPLY.read_text())
        reply["task"] = question["task"]
        reply["results"] = [{**reply["results"][0], "pseudonym": one["pseudonym"]} for one in question["records"]]
        return OutgoingResponse(200, "OK", {"Content-Type": "application/json"}, json.dumps(reply).encode())

    return answer


@pytest.mark.parametrize("namespace", [None, "fedcrm"], ids=["unmanaged", "managed"])
def test_deploy_pair_flow_extract_and_the_score_is_on_the_record(two_orgs, command_of, tmp_path, namespace):
    org = two_orgs[namespace]
    org.register(org.orgs)
    command, p = command_of(org.orgs), f"{namespace}__" if namespace else ""
    status, said = command("org", "pair", org.alias, *(["--namespace", namespace] if namespace else []))
    assert status == 0, said

    engine, asked = org.runtimes.apex_of(org.org), []
    engine.services = dataclasses.replace(engine.services, callout=answering(asked))
    deal = {"Name": "Deal", "StageName": "Prospecting", "CloseDate": "2030-01-01", "Amount": 10}
    ids = [org.post("/sobjects/Opportunity", deal)["id"] for _ in range(3)]
    org.runtimes.run_pending(org.org)
    scored = org.rows(f"SELECT {p}Opportunity__c, {p}Score__c FROM {p}Prediction__c")
    assert {row[f"{p}Opportunity__c"]: float(row[f"{p}Score__c"]) for row in scored} == dict.fromkeys(ids, 61.8)
    assert sum(len(one["records"]) for one in asked) == len(ids)
    assert not any(one in json.dumps(asked) for one in ids)

    words = ("extract", "--org", org.alias, "--task", "opportunity_win", "--purpose", "scoring", "--wait")
    status, said = command(*words, "--out", tmp_path / "deals")
    assert status == 0, said
    (run,) = org.rows(f"SELECT {p}Status__c, {p}Entities_Staged__c, {p}Acknowledged_At__c FROM {p}Extraction_Run__c")
    assert run[f"{p}Status__c"] == "Completed"
    assert float(run[f"{p}Entities_Staged__c"]) == len(ids)
    assert run[f"{p}Acknowledged_At__c"] is not None
