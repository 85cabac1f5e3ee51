"""Labels and as-of times of training runs, worked out a second time: outcomes, keyed draws, landmarks."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.slow

DAY = timedelta(days=1)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def moment_of(text: object) -> datetime:
    return datetime.fromisoformat(str(text).replace("Z", "+00:00").replace("+0000", "+00:00"))


def change(workshop, name: str, rows: list[dict[str, object]]) -> None:
    with workshop.org.transaction(workshop.admin.in_system_mode()) as transaction:
        results = transaction.update(name, rows)
    assert all(result.success for result in results), [r.errors for r in results if not r.success][:3]


def training(workshop, task: str) -> dict[str, dict[str, str]]:
    run = workshop.extract(task, "Training")
    assert run["Status__c"] == "Completed", run["Message__c"]
    return workshop.vectors(run)


def test_an_opportunity_is_looked_at_from_a_keyed_draw_between_creation_and_closing(workshop):
    rng = random.Random(3)
    created = [now() - timedelta(seconds=rng.randrange(86400, 300 * 86400)) for _ in range(80)]
    rows = [
        {"Name": "o", "StageName": "Prospecting", "CloseDate": "2030-01-01", "Amount": 100 + n, "CreatedDate": stamp(m)}
        for n, m in enumerate(created)
    ]
    ids = workshop.insert("Opportunity", rows)
    won = {key: rng.random() < 0.5 for key in ids[:60]}
    change(
        workshop,
        "Opportunity",
        [{"Id": k, "StageName": "Closed Won" if w else "Closed Lost", "Amount": 1} for k, w in won.items()],
    )
    vectors = training(workshop, "opportunity_win")
    assert len(vectors) == 60, "the open ones are censored"
    closed = {
        row["OpportunityId"]: moment_of(row["CreatedDate"])
        for row in workshop.query("SELECT OpportunityId, CreatedDate FROM OpportunityHistory ORDER BY CreatedDate")
    }
    for n, (key, begun) in enumerate(zip(ids[:60], created[:60], strict=True)):
        row = vectors[workshop.pseudonym(key)]
        seconds = int((closed[key] - begun).total_seconds())
        drawn = int(workshop.keyed("as-of", key)[:12], 16) >> 16
        expected = begun + timedelta(seconds=(drawn * seconds) >> 32)
        assert moment_of(row["as_of"]) == expected
        assert begun <= expected < closed[key]
        assert (row["label"], row["label_source"]) == ("1" if won[key] else "0", "definitive")
        assert row["opportunity.amount"] == f"{100 + n}.00", "closing changed it, later"
        assert row["opportunity.stage_count"] == "1"
        assert row["opportunity.age_days"] == str((expected - begun) // DAY)


def test_a_case_is_escalated_when_its_priority_rises_within_the_horizon(workshop):
    cases = {  # days ago, priority at first and at last: what the label is
        (5, "Low", "High"): "1",
        (5, "High", "Low"): None,
        (20, "Low", "High"): "0",
        (20, "High", "High"): "0",
        (5, "Medium", "Medium"): None,
    }
    keys = list(cases)
    ids = workshop.insert(
        "Case", [{"Status": "New", "Priority": p, "CreatedDate": stamp(now() - days * DAY)} for days, p, _ in keys]
    )
    change(workshop, "Case", [{"Id": i, "Priority": last} for i, (_, _, last) in zip(ids, keys, strict=True)])
    vectors = training(workshop, "case_escalation")
    for case_id, key in zip(ids, keys, strict=True):
        row = vectors.get(workshop.pseudonym(case_id))
        assert (row and row["label"]) == cases[key], key
        if row:
            assert row["case.priority"] == key[1], "as it was when the case was created"


def test_an_account_is_lost_when_it_falls_silent_after_its_landmark(workshop):
    rng = random.Random(5)
    ids = workshop.insert("Account", [{"Name": f"a{n}", "CreatedDate": stamp(now() - 1500 * DAY)} for n in range(100)])
    moments = {
        key: [now() - timedelta(seconds=rng.randrange(700 * 86400)) for _ in range(rng.randrange(4))] for key in ids
    }
    tasks = [
        {"WhatId": key, "Subject": "Call", "Status": "Completed", "Priority": "Normal", "CreatedDate": stamp(moment)}
        for key, times in moments.items()
        for moment in times
    ]
    workshop.insert("Task", tasks)
    run = workshop.extract("churn", "Training")
    (row,) = workshop.query(f"SELECT Started_At__c FROM Extraction_Run__c WHERE Id = '{run['Id']}'")
    vectors = workshop.vectors(run)
    begun = int(moment_of(row["Started_At__c"]).timestamp() * 1000)
    period, horizon = 91 * 86_400_000, 180 * 86_400_000
    labels = []
    for key in ids:
        phase = int(workshop.keyed("landmark", key)[:12], 16) % (period // 1000) * 1000
        landmark = datetime.fromtimestamp((phase + (begun - horizon - phase) // period * period) / 1000, UTC)
        alive = any(landmark - 180 * DAY < m <= landmark for m in moments[key])
        silent = not any(landmark < m <= landmark + 180 * DAY for m in moments[key])
        found = vectors.get(workshop.pseudonym(key))
        if not alive:
            assert found is None
            continue
        assert found is not None
        assert moment_of(found["as_of"]) == landmark
        assert (found["label"], found["label_source"]) == ("1" if silent else "0", "inferred")
        labels.append(silent)
    assert 10 < sum(labels) < len(labels) - 10, "both labels occur"
