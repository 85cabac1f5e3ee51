"""What an extraction costs: the package deployed into a local org, its Apex run by the interpreter, its blocks read.

`rows(sizes)` serves an org in a thread of this process; seconds are CPU of both sides together.

    python -m bench.staging_bench [ACCOUNTS...]      prints the rows as JSON
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fedcrm.salesforce import (
    Client,
    JwtBearer,
    Orgs,
    OrgSession,
    Purpose,
    Secret,
    Staging,
    TokenEndpoint,
    deploy,
    pair,
)
from localorg.http.serving import connection_document, served_in_thread
from localorg.metadata import zip_source
from localorg.org import Org
from localorg.runtimes import Runtimes

__all__ = ["rows", "tables"]

PACKAGE = Path(__file__).resolve().parents[2] / "force-app" / "main" / "default"
PERMISSION_SETS = "'FedCRM_Admin', 'FedCRM_Extractor', 'FedCRM_Integration'"
FEATURES = 40
SHIPPED = 22  # of the task churn


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"extraction": rows(2_500, 10_000)}


def rows(*sizes: int) -> list[dict[str, Any]]:
    """One row for the deployment, and one for each number of accounts."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        with served_in_thread(place / "orgs", prepare=Runtimes.install) as (server, url):
            document = connection_document(server, url)
            (facts,) = document["orgs"]  # type: ignore[misc]  # a list of one mapping
            key = Secret(Path(facts["key_file"]).read_text())
            grant = JwtBearer(facts["consumer_key"], facts["username"], key, None)
            endpoint = TokenEndpoint("org1", url, grant, ca_file=str(document["ca_file"]))
            client = Client(OrgSession(endpoint, ca_file=str(document["ca_file"]), reserve=0.0))
            org = server.registry.org(facts["org_id"])
            if org is None:
                raise RuntimeError("the org that was just made is not there")
            found = [_deployment(client)]
            _more_features(org)
            orgs = Orgs.create(place / "node")
            pairing = pair(client, orgs.pairing("org1"))
            there = 0
            for size in sizes:
                _fill(org, size - there)
                there = size
                # Another purpose would be incremental as well: each size has a run that reads everything.
                _withdraw(org)
                staging = Staging(
                    client, pairing, orgs.blocks("org1", "churn", Purpose.SCORING), "churn", Purpose.SCORING
                )
                found.append(_extraction(staging, size))
            client.session.close()
    return found


def _deployment(client: Client) -> dict[str, Any]:
    began, wall = time.process_time(), time.monotonic()
    components = deploy(client, zip_source(PACKAGE, skip={"connectedApps"})).components
    row = {"what": "deployment", "components": components, **_seconds(began, wall)}
    for one in client.query(f"SELECT Id FROM PermissionSet WHERE Name IN ({PERMISSION_SETS})"):  # noqa: S608 - our own
        assigned = {"PermissionSetId": one["Id"], "AssigneeId": client.session.token.user_id}
        client.session.post(f"{client.base}/sobjects/PermissionSetAssignment", json=assigned)
    return row


def _extraction(staging: Staging, size: int) -> dict[str, Any]:
    began, wall = time.process_time(), time.monotonic()
    staging.wait(staging.start(), 3600)
    row = {"what": "run in the org", "accounts": size, "features": FEATURES, **_seconds(began, wall)}
    began, wall = time.process_time(), time.monotonic()
    staging.fetch()
    run, vectors = staging.vectors()
    if (len(vectors), len(run.columns)) != (size, FEATURES):
        raise RuntimeError(f"{len(vectors)} vectors of {len(run.columns)} features came out")
    read = _seconds(began, wall)
    return {**row, "read and opened, CPU s": read["CPU s"], "CPU ms an account": 1000 * row["CPU s"] / size}


def _seconds(cpu: float, wall: float) -> dict[str, float]:
    return {"CPU s": time.process_time() - cpu, "wall s": time.monotonic() - wall}


def _more_features(org: Org) -> None:
    """Definitions until there are forty: other windows over the same sources."""
    with org.transaction(org.admin_context().as_platform()) as transaction:
        made = [
            {
                "DeveloperName": f"churn_own_{number}",
                "MasterLabel": f"Own {number}",
                "Task__c": "churn",
                "Feature__c": f"own.{number}",
                "Block__c": "Bench",
                "Active__c": True,
                "Kind__c": "Number",
                "Decimals__c": 0,
                "Source_Object__c": ("Task", "Case", "Contact")[number % 3],
                "Source_Key__c": "AccountId",
                "Aggregate__c": "Count",
                "Date_Field__c": "CreatedDate",
                "Window_Days__c": 30 * (1 + number),
                "As_Of_Rule__c": "Dated",
                "Null_Policy__c": "Zero",
            }
            for number in range(FEATURES - SHIPPED)
        ]
        transaction.insert("Feature_Definition__mdt", made, all_or_none=True)


def _fill(org: Org, accounts: int) -> None:
    """Accounts, each with five tasks, two contacts, a case and an opportunity."""
    now = datetime.now(UTC)

    def ago(days: int) -> str:
        return (now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    for first in range(0, accounts, 1_000):
        count = min(1_000, accounts - first)
        with org.transaction(org.admin_context().as_platform()) as transaction:
            saved = transaction.insert(
                "Account", [{"Name": "A", "NumberOfEmployees": n, "CreatedDate": ago(900)} for n in range(count)]
            )
            ids = [one.id for one in saved]
            about = [(n, one) for n, one in enumerate(ids)]
            transaction.insert(
                "Task",
                [
                    {"WhatId": i, "Subject": "C", "CreatedDate": ago(n % 90 + 60 * k)}
                    for n, i in about
                    for k in range(5)
                ],
            )
            transaction.insert("Contact", [{"LastName": "C", "AccountId": i, "CreatedDate": ago(500)} for i in ids * 2])
            transaction.insert(
                "Case", [{"AccountId": i, "Status": "New", "CreatedDate": ago(n % 400)} for n, i in about]
            )
            deal = {"Name": "D", "StageName": "Prospecting", "Amount": 10, "CloseDate": "2030-01-01"}
            transaction.insert("Opportunity", [{**deal, "AccountId": i} for i in ids])


def _withdraw(org: Org) -> None:
    with org.transaction(org.admin_context().as_platform()) as transaction:
        runs = [row["Id"] for row in transaction.query("SELECT Id FROM Extraction_Run__c")]
        transaction.update("Extraction_Run__c", [{"Id": one, "Status__c": "Withdrawn"} for one in runs])


if __name__ == "__main__":
    print(json.dumps(rows(*(map(int, sys.argv[1:]) if len(sys.argv) > 1 else (2_500, 10_000))), indent=1))  # noqa: T201 - the output
