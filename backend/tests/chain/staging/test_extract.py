"""Pairing and extracting: from an org's records to a data set on the node's disk."""

from __future__ import annotations

import pytest

from fedcrm.features import load_data_set

pytestmark = pytest.mark.slow

DAY = "2026-{month:02d}-{day:02d}T09:00:00.000+0000"


def seed(packaged, count=40):
    """Accounts that were active a year ago, half of them until now."""
    accounts = packaged.put(
        "Account",
        [
            {
                "Name": f"Account {n}",
                "Industry": ("Energy", "Banking", "Shipping")[n % 3],
                "NumberOfEmployees": 10 + n,
                "CreatedDate": "2023-01-01T00:00:00Z",
            }
            for n in range(count)
        ],
    )
    tasks = []
    for n, account in enumerate(accounts):
        months = range(1, 23) if n % 2 else range(1, 9)
        for month in months:
            day = f"{2025 + month // 12}-{month % 12 + 1:02d}-10"
            created = f"{day}T09:00:00Z"
            tasks.append(
                {
                    "WhatId": account,
                    "Subject": "Call",
                    "Status": "Completed",
                    "ActivityDate": day,
                    "CreatedDate": created,
                }
            )
    packaged.put("Task", tasks)
    return accounts


def test_a_paired_orgs_run_becomes_a_data_set_that_training_reads(packaged, fedcrm, tmp_path):
    status, said = fedcrm("org", "pair", packaged.alias)
    assert status == 0, said
    seed(packaged)
    status, said = fedcrm("extract", "--org", packaged.alias, "--task", "churn", "--wait", "--out", tmp_path / "churn")
    assert status == 0, said
    print(said)
    data = load_data_set(tmp_path / "churn", task="churn")
    assert set(data.label) == {0, 1}
