"""Accounts with too many rows: set aside, run again in smaller scopes, at last alone; named where that is too much."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from localorg.metadata.deploy import deploy
from localorg.metadata.source_format import zip_source

pytestmark = pytest.mark.slow

RECORD = "customMetadata/Extraction_Setting__mdt.Default.md-meta.xml"


def allow(workshop, folder, rows: int) -> None:
    """Deploy the settings anew, with another number of rows a transaction may read."""
    text = (workshop.package / RECORD).read_text()
    assert ">10000.0<" in text
    (folder / RECORD).parent.mkdir(exist_ok=True)
    (folder / RECORD).write_text(text.replace(">10000.0<", f">{rows}.0<"))
    assert deploy(workshop.org, zip_source(folder)).success


def test_crowded_accounts_get_the_same_vectors_and_only_the_impossible_one_is_left_out(workshop, tmp_path):
    ids = workshop.insert("Account", [{"Name": f"a{n}"} for n in range(60)])
    counts = {key: 3 + (n % 5) for n, key in enumerate(ids)} | {ids[7]: 300}
    day_ago = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    row = {"Subject": "Call", "Status": "Completed", "Priority": "Normal", "CreatedDate": day_ago}
    workshop.insert("Task", [{**row, "WhatId": key} for key, count in counts.items() for _ in range(count)])
    roomy = workshop.vectors(workshop.extract("churn", "Scoring"))
    assert len(roomy) == 60
    workshop.run("ExtractionRuns.withdrawAll(null);")
    allow(workshop, tmp_path, 100)
    run = workshop.extract("churn", "Scoring")
    assert run["Status__c"] == "Completed", run["Message__c"]
    crowded = workshop.vectors(run)
    left_out = set(roomy) - set(crowded)
    assert left_out == {workshop.pseudonym(ids[7])}
    assert ids[7] in str(run["Message__c"])
    for key, found in crowded.items():
        assert found["activity.count_90d"] == roomy[key]["activity.count_90d"]
    assert sorted(int(found["activity.count_90d"]) for found in crowded.values()) == sorted(
        count for key, count in counts.items() if key != ids[7]
    )
