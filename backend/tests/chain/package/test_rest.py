"""What the node sends to the org's own REST resources, and what comes back, as documents."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from localorg.calls import RestCall

pytestmark = pytest.mark.slow


def call(workshop, method: str, path: str, body: object = None):
    content = b"" if body is None else json.dumps(body).encode()
    answer = workshop.engine.invoke_rest(
        workshop.admin,
        RestCall(method=method, path=path, headers={"content-type": "application/json"}, body=content),
    )
    return answer.status, json.loads(answer.body)


def test_a_key_is_handed_over_and_rotated(workshop):
    status, paired = call(workshop, "POST", "/fedcrm/pairing", {"key_id": "k2", "key": b64encode(bytes(32)).decode()})
    assert status == 200
    assert paired == {"org_id": workshop.org.org_id, "key_id": "k2", "is_paired": True, "message": None}
    assert call(workshop, "GET", "/fedcrm/pairing")[1] == paired
    status, refused = call(workshop, "POST", "/fedcrm/pairing", {"key_id": "k3", "key": "c2hvcnQ="})
    assert (status, refused["is_paired"]) == (400, False)
    assert call(workshop, "GET", "/fedcrm/pairing")[1]["key_id"] == "k2"


def test_a_run_is_started_and_found_again(workshop):
    status, run_id = call(workshop, "POST", "/fedcrm/extractions", {"task": "churn", "purpose": "Scoring"})
    assert status == 200
    assert call(workshop, "POST", "/fedcrm/extractions", {"task": "churn", "purpose": "Scoring"}) == (200, run_id)
    workshop.engine.run_pending_jobs()
    (run,) = workshop.query(f"SELECT Status__c FROM Extraction_Run__c WHERE Id = '{run_id}'")
    assert run["Status__c"] == "Completed"
    assert call(workshop, "POST", "/fedcrm/extractions", {"task": "churn", "purpose": "Fun"}) == (400, None)
