"""What a server does first after the last one ended, however it ended: unfinished jobs go on or fail, none hangs."""

from __future__ import annotations

from localorg.http import bulk2_ingest, bulk2_query
from localorg.http.server import Server

__all__ = ["resume"]


def resume(server: Server) -> None:
    """Queries run again; loads not begun begin; loads cut off, batches and deployments fail, since to repeat them
    could do a thing twice."""
    server.remove_expired()
    server.jobs.remove_old()
    bulk2_query.resume(server)
    bulk2_ingest.resume(server)
    for entry in server.registry.entries():
        for job in server.jobs.all(entry.org_id, "bulk1"):
            waiting = [batch for batch in job.private["batches"] if batch["state"] in ("Queued", "InProgress")]
            for batch in waiting:
                batch.update(state="Failed", stateMessage="InternalServerError : the server ended during the batch")
            if waiting:
                server.jobs.save(job)
        for job in server.jobs.all(entry.org_id, "deploy"):
            if job.state != "Done":
                result = {**job.document["result"], "done": True, "status": "Failed", "success": False}
                result["errorMessage"] = "UNKNOWN_EXCEPTION: the server ended during the deployment"
                job.document.update(state="Done", result=result)
                server.jobs.save(job)
