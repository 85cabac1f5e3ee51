"""What a crash left in the middle: nothing hangs, nothing is done twice."""

from __future__ import annotations

import time

import pytest

from localorg.http.deploy_documents import pending_document
from localorg.http.jobs import fresh_id
from localorg.http.resuming import resume
from localorg.http.server import Server
from localorg.metadata import DeployOptions

NOW = "2026-11-24T12:00:00.000Z"


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    made.create_org("org1")
    yield made
    made.close()


def document(server, state, **more):
    (entry,) = server.registry.entries()
    return {
        "id": fresh_id("750"), "state": state, "createdById": entry.user_id, "columnDelimiter": "COMMA",
        "lineEnding": "LF", "object": "Account", **more,
    }  # fmt: skip


def wait_for(server, org_id, job, kind):
    for _ in range(500):
        found = server.jobs.get(org_id, job, kind)
        if found.state not in ("UploadComplete", "InProgress"):
            return found
        time.sleep(0.01)
    raise AssertionError(found)


def test_a_query_runs_again(server):
    (entry,) = server.registry.entries()
    begun = document(server, "InProgress", operation="query")
    server.jobs.add(begun["id"], entry.org_id, "query", begun, soql="SELECT Id FROM User")
    resume(server)
    job = wait_for(server, entry.org_id, begun["id"], "query")
    assert (job.state, job.document["numberRecordsProcessed"]) == ("JobComplete", 1)


@pytest.mark.parametrize(("state", "ends"), [("UploadComplete", "JobComplete"), ("InProgress", "Failed")])
def test_a_load_that_had_not_begun_begins_and_one_cut_off_fails(server, state, ends):
    (entry,) = server.registry.entries()
    begun = document(server, state, operation="insert")
    job = server.jobs.add(begun["id"], entry.org_id, "ingest", begun)
    (job.folder / "upload.csv").write_text("Name\nOnce\n")
    resume(server)
    assert wait_for(server, entry.org_id, begun["id"], "ingest").state == ends


def test_waiting_batches_and_deployments_fail(server):
    (entry,) = server.registry.entries()
    batch = document(server, "Open", operation="insert")
    server.jobs.add(
        batch["id"],
        entry.org_id,
        "bulk1",
        batch,
        batches=[{"id": "751", "state": "Queued"}, {"id": "752", "state": "Completed"}],
    )
    deployment = fresh_id("0Af")
    pending = pending_document(deployment, entry.user_id, NOW, DeployOptions())
    server.jobs.add(deployment, entry.org_id, "deploy", {"state": "Pending", "result": pending})
    resume(server)
    states = [b["state"] for b in server.jobs.get(entry.org_id, batch["id"], "bulk1").private["batches"]]
    assert states == ["Failed", "Completed"]
    result = server.jobs.get(entry.org_id, deployment, "deploy").document["result"]
    assert (result["done"], result["status"]) == (True, "Failed")


def test_a_job_is_kept_for_a_week(server):
    import datetime as dt

    (entry,) = server.registry.entries()
    old = document(server, "JobComplete", operation="query")
    server.jobs.add(old["id"], entry.org_id, "query", old)
    assert server.jobs.get(entry.org_id, old["id"], "query") is not None
    server.clock.move(dt.timedelta(days=8))
    assert server.jobs.get(entry.org_id, old["id"], "query") is None
    folder = server.directory / "results" / entry.org_id[:15] / old["id"]
    assert folder.exists()
    resume(server)
    assert not folder.exists()
