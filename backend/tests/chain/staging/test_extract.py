"""Pairing and extracting: from an org's records to a data set on the node's disk, and every way that can fail."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import shutil

import pytest

from fedcrm.errors import AccessDenied
from fedcrm.features import load_data_set

pytestmark = pytest.mark.slow
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)


def days_ago(days):
    return (NOW - dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def seed(packaged, count=40):
    """Accounts that were active a year ago, every other one until now; entered an hour ago."""
    packaged.org.clock.move(dt.timedelta(hours=-1))
    try:
        return enter(packaged, count)
    finally:
        packaged.org.clock.reset()


def enter(packaged, count):
    accounts = packaged.put(
        "Account",
        [
            {
                "Name": f"Account {n}",
                "Industry": ("Energy", "Banking", "Shipping")[n % 3],
                "NumberOfEmployees": 10 + n,
                "CreatedDate": days_ago(1000),
            }
            for n in range(count)
        ],
    )
    packaged.put(
        "Task",
        [
            {"WhatId": account, "Subject": "Call", "Status": "Completed", "CreatedDate": days_ago(days)}
            for n, account in enumerate(accounts)
            for days in range(10 if n % 2 else 280, 700, 30)
        ],
    )
    return accounts


@pytest.fixture
def seeded(packaged, fedcrm):
    """The org with forty accounts, paired, five vectors a block, nothing extracted."""
    packaged.wipe()
    shutil.rmtree(packaged.orgs / f"{packaged.alias}.blocks", ignore_errors=True)
    assert fedcrm("org", "pair", packaged.alias)[0] == 0
    packaged.set_block_size(5)
    packaged.accounts = seed(packaged)
    yield packaged
    packaged.set_block_size(400)


@pytest.fixture
def extract(seeded, fedcrm, tmp_path):
    """Extract churn; exit status and what was said."""

    def run(*more):
        words = ("extract", "--org", seeded.alias, "--task", "churn", "--wait", "--out", tmp_path / "churn")
        return fedcrm(*words, *more)

    return run


def fingerprint(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def lines_of(directory):
    return gzip.open(directory / "data.csv.gz", "rt", encoding="utf-8").read().splitlines()


def runs(packaged):
    return packaged.rows("SELECT Id, Run_Key__c, Status__c, Blocks__c, Acknowledged_At__c FROM Extraction_Run__c")


def test_a_paired_orgs_run_becomes_a_data_set_that_training_reads(seeded, extract, tmp_path):
    status, said = extract()
    assert status == 0, said
    data = load_data_set(tmp_path / "churn", task="churn")
    assert set(data.label) == {0, 1}
    (run,) = runs(seeded)
    assert run["Status__c"] == "Completed"
    assert run["Acknowledged_At__c"] is not None
    assert f"{int(float(run['Blocks__c']))} of {int(float(run['Blocks__c']))} blocks read" in said


def test_extracting_twice_repeats_nothing_and_gives_the_same_bytes(seeded, extract, tmp_path):
    assert extract()[0] == 0
    before = fingerprint(tmp_path / "churn")
    status, said = extract()
    assert status == 0, said
    assert "0 of 0 blocks read" in said
    assert fingerprint(tmp_path / "churn") == before


def test_a_later_run_replaces_what_moved_and_keeps_the_rest(seeded, extract, tmp_path):
    assert extract()[0] == 0
    before = lines_of(tmp_path / "churn")
    seeded.change("Account", [{"Id": seeded.accounts[1], "NumberOfEmployees": 123_456}])
    status, said = extract()
    assert status == 0, said
    assert "1 of 1 blocks read, 1 vectors in all" in said
    after = lines_of(tmp_path / "churn")
    assert len(after) == len(before)
    assert [",123456," in line for line in after].count(True) == 1
    assert len(set(after) - set(before)) == 1


def test_acknowledged_blocks_may_be_purged_and_the_data_set_stays(seeded, extract, tmp_path):
    assert extract()[0] == 0
    before = fingerprint(tmp_path / "churn")
    seeded.apex("Database.executeBatch(new ExtractionPurgeBatch(), ExtractionPurgeBatch.SCOPE);")
    seeded.finish_jobs()
    assert seeded.rows("SELECT Id FROM Feature_Block__c") == []
    shutil.rmtree(tmp_path / "churn")
    assert extract()[0] == 0
    assert fingerprint(tmp_path / "churn") == before


def test_rotation_overlaps_and_a_run_under_the_older_key_is_still_read(seeded, fedcrm, extract, tmp_path):
    first = seeded.rows_of_setting()["Transport_Key_Id__c"]
    seeded.apex("ExtractionRuns.start('churn', 'Training');")
    seeded.finish_jobs()
    status, said = fedcrm("org", "pair", seeded.alias, "--rotate")
    assert status == 0, said
    second = seeded.rows_of_setting()["Transport_Key_Id__c"]
    assert first != second
    assert fedcrm("org", "pair", seeded.alias) == (0, said)  # again is harmless
    assert {row["Key_Id__c"] for row in seeded.rows("SELECT Key_Id__c FROM Feature_Block__c")} == {first}
    status, said = extract()
    assert status == 0, said
    assert len(load_data_set(tmp_path / "churn", task="churn").label) > 10


def flipped(text):
    return text[:30] + ("A" if text[30] != "A" else "B") + text[31:]


DEFECTS = {
    "a payload that was changed": (lambda one, _: {"Payload__c": flipped(one["Payload__c"])}, "MAC does not hold"),
    "a MAC that was changed": (lambda one, _: {"Mac__c": "0" * 64}, "MAC does not hold"),
    "another block's content": (
        lambda _, two: {"Payload__c": two["Payload__c"], "Mac__c": two["Mac__c"]},
        "MAC does not hold",
    ),
    "another place": (lambda _, __: {"Sequence__c": 77}, "stands where block 77"),
    "another vocabulary": (lambda _, __: {"Vocabulary_Digest__c": "f" * 64}, "another vocabulary"),
    "another key": (lambda _, __: {"Key_Id__c": "stranger"}, "a key that this node does not have"),
    "another purpose": (lambda _, __: {"Purpose__c": "Scoring"}, "not Training of churn"),
    "another count": (lambda _, __: {"Entity_Count__c": 4}, "MAC does not hold"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_block_with_a_defect_is_refused_and_what_was_read_before_stays(seeded, extract, tmp_path, defect):
    assert extract()[0] == 0
    before = fingerprint(tmp_path / "churn")
    seeded.change("Account", [{"Id": one, "AnnualRevenue": 5} for one in seeded.accounts])
    seeded.apex("ExtractionRuns.start('churn', 'Training');")
    seeded.finish_jobs()
    fields = "Id, Payload__c, Mac__c, Sequence__c, Vocabulary_Digest__c, Key_Id__c, Purpose__c, Entity_Count__c"
    (latest,) = seeded.rows("SELECT Id FROM Extraction_Run__c ORDER BY Run_Key__c DESC LIMIT 1")
    blocks = seeded.rows(f"SELECT {fields} FROM Feature_Block__c WHERE Run__c = '{latest['Id']}' ORDER BY Sequence__c")
    change, words = DEFECTS[defect]
    broken = change(blocks[2], blocks[1])
    seeded.change("Feature_Block__c", [{"Id": blocks[2]["Id"], **broken}])

    status, said = extract()
    assert status == 1
    assert words in said
    assert "\n" not in said
    assert fingerprint(tmp_path / "churn") == before
    (row,) = seeded.rows(f"SELECT Acknowledged_At__c FROM Extraction_Run__c WHERE Id = '{latest['Id']}'")
    assert row["Acknowledged_At__c"] is None

    seeded.change("Feature_Block__c", [{"Id": blocks[2]["Id"], **{name: blocks[2][name] for name in broken}}])
    status, said = extract()
    assert status == 0, said
    assert fingerprint(tmp_path / "churn") != before


def test_a_missing_block_is_refused(seeded, extract):
    seeded.apex("ExtractionRuns.start('churn', 'Training');")
    seeded.finish_jobs()
    (gone,) = seeded.rows("SELECT Id FROM Feature_Block__c WHERE Sequence__c = 2")
    seeded.remove([gone["Id"]])
    status, said = extract()
    assert status == 1
    assert "these do not fit: 2" in said


CLOSES = {
    "a block dropped and the total with it": lambda new, old: {"Blocks__c": int(float(new["Blocks__c"])) - 1},
    "another number of vectors": lambda new, old: {"Entities_Staged__c": 1},
    "what changed for the whole": lambda new, old: {"Watermark__c": None},
    "an older run's close": lambda new, old: {name: old[name] for name in ("Run_Mac__c", "Blocks__c")},
    "no close": lambda new, old: {"Run_Mac__c": None},
}


@pytest.mark.parametrize("defect", CLOSES)
def test_a_run_that_is_not_as_it_was_closed_is_refused_before_a_block_is_read(seeded, extract, tmp_path, defect):
    assert extract()[0] == 0
    before = fingerprint(tmp_path / "churn")
    seeded.change("Account", [{"Id": one, "AnnualRevenue": 5} for one in seeded.accounts])
    seeded.apex("ExtractionRuns.start('churn', 'Training');")
    seeded.finish_jobs()
    fields = "Id, Run_Key__c, Blocks__c, Entities_Staged__c, Watermark__c, Run_Mac__c"
    old, new = seeded.rows(f"SELECT {fields} FROM Extraction_Run__c ORDER BY Run_Key__c")
    if "dropped" in defect:
        soql = f"SELECT Id FROM Feature_Block__c WHERE Run__c = '{new['Id']}' ORDER BY Sequence__c DESC LIMIT 1"
        seeded.remove([row["Id"] for row in seeded.rows(soql)])
    broken = CLOSES[defect](new, old)
    seeded.change("Extraction_Run__c", [{"Id": new["Id"], **broken}])

    status, said = extract()
    assert status == 1
    assert f"run {new['Run_Key__c']} was changed after the org closed it: its MAC does not hold" in said
    assert fingerprint(tmp_path / "churn") == before
    (row,) = seeded.rows(f"SELECT Acknowledged_At__c FROM Extraction_Run__c WHERE Id = '{new['Id']}'")
    assert row["Acknowledged_At__c"] is None

    later = [run["Id"] for run in runs(seeded) if run["Id"] != old["Id"]]  # the refused command began one more
    seeded.change("Extraction_Run__c", [{"Id": one, "Status__c": "Withdrawn"} for one in later])
    status, said = extract()
    assert status == 0, said
    assert fingerprint(tmp_path / "churn") != before


def test_a_failed_run_that_is_called_completed_is_refused(seeded, extract):
    seeded.apex("ExtractionRuns.start('churn', 'Training');")
    seeded.apex("FedCrmSwitch.setPaused(true, 'in the middle');")
    seeded.finish_jobs()
    seeded.apex("FedCrmSwitch.setPaused(false, null);")
    (run,) = runs(seeded)
    assert run["Status__c"] == "Failed"
    seeded.change("Extraction_Run__c", [{"Id": run["Id"], "Status__c": "Completed"}])
    status, said = extract()
    assert status == 1
    assert "its MAC does not hold" in said


def test_a_connection_cut_in_the_middle_costs_only_what_was_not_read(seeded, extract, tmp_path, monkeypatch):
    monkeypatch.setattr("fedcrm.salesforce.staging._BLOCK_ROWS", 1)
    monkeypatch.setattr("fedcrm.salesforce.staging._PAGE_ROWS", 3)
    fault = {"kind": "error", "path": "/results", "status": 400, "code": "INVALIDJOB", "message": "no", "times": 1}
    seeded.plant([{"kind": "delay", "path": "/results", "delay": 0, "times": 1}, fault])
    status, said = extract()
    assert status == 1, said
    kept = len(list((seeded.orgs / f"{seeded.alias}.blocks").rglob("[0-9]" * 6)))
    assert kept == 3
    status, said = extract()
    assert status == 0, said
    (first, _) = sorted(runs(seeded), key=lambda run: run["Run_Key__c"])
    blocks = int(float(first["Blocks__c"]))
    assert f"{blocks - kept} of {blocks} blocks read" in said


def test_results_that_the_org_has_dropped_are_asked_for_again(seeded, extract, monkeypatch):
    monkeypatch.setattr("fedcrm.salesforce.staging._PAGE_ROWS", 3)
    seeded.plant(
        [
            {"kind": "delay", "path": "/results", "delay": 0, "times": 1},
            {"kind": "lose_locator", "path": "/results", "times": 1},
        ]
    )
    status, said = extract()
    assert status == 0, said


def test_a_paused_org_says_so_and_nothing_was_read(seeded, extract, tmp_path):
    seeded.apex("FedCrmSwitch.setPaused(true, 'the audit');")
    try:
        status, said = extract()
    finally:
        seeded.apex("FedCrmSwitch.setPaused(false, null);")
    assert status == 1
    assert "the audit" in said
    assert "\n" not in said
    assert not (tmp_path / "churn").exists()
    assert extract()[0] == 0


def test_a_mapping_that_names_a_deleted_field_stops_the_run_before_it_reads(seeded, extract):
    with seeded.field_deleted():
        status, said = extract()
    assert status == 1
    assert "churn_own_gone: there is no field Account.Gone__c, or it was deleted" in said
    assert [run["Status__c"] for run in runs(seeded)] == ["Stopped"]
    assert extract()[0] == 0


def test_a_run_aborted_in_the_org_is_told_and_the_next_one_takes_its_records(seeded, extract, fedcrm, tmp_path):
    with seeded.jobs_held():
        seeded.apex("ExtractionRuns.start('churn', 'Training');")
        (run,) = seeded.rows("SELECT Job_Id__c FROM Extraction_Run__c")
        seeded.apex(f"System.abortJob('{run['Job_Id__c']}');")
        words = ("extract", "--org", seeded.alias, "--task", "churn", "--out", tmp_path / "churn")
        status, said = fedcrm(*words)  # finds the dead run, and begins another
        assert status == 0, said
        assert "the same command later reads it" in said
        started = [run for run in runs(seeded) if run["Status__c"] == "Running"]
        (job,) = seeded.rows(f"SELECT Job_Id__c FROM Extraction_Run__c WHERE Id = '{started[0]['Id']}'")
        seeded.apex(f"System.abortJob('{job['Job_Id__c']}');")
    status, said = extract()
    assert status == 0, said
    assert sorted(run["Status__c"] for run in runs(seeded)) == ["Completed", "Failed", "Failed"]
    assert len(load_data_set(tmp_path / "churn", task="churn").label) > 10


def test_rows_that_the_org_withdraws_are_forgotten_here_too(seeded, extract, tmp_path):
    assert extract()[0] == 0
    before = len(load_data_set(tmp_path / "churn", task="churn").label)
    gone = seeded.accounts[:10]
    inputs = [{"recordId": one} for one in gone]
    seeded.remove(gone)
    answers = seeded.post("/actions/custom/apex/DataSubjectDeletion", {"inputs": inputs})
    assert all(one["isSuccess"] for one in answers), answers
    status, said = extract()
    assert status == 0, said
    assert "withdrawn in the org, and forgotten here" in said
    assert len(load_data_set(tmp_path / "churn", task="churn").label) == before - 10


def test_what_is_kept_on_the_nodes_disk_is_sealed(seeded, extract):
    assert extract()[0] == 0
    kept = [path for path in (seeded.orgs / f"{seeded.alias}.blocks").rglob("*") if path.is_file()]
    assert len(kept) > 5
    key = seeded.rows_of_setting()["Transport_Key__c"].encode()
    for path in [*kept, seeded.orgs / f"{seeded.alias}.pairing"]:
        content = path.read_bytes()
        assert b"Banking" not in content
        assert key not in content


def test_an_org_that_was_never_paired_is_told_how(packaged_orgs, fedcrm, tmp_path):
    other = packaged_orgs[2]
    other.register(other.orgs)
    assert fedcrm("extract", "--org", other.alias, "--task", "churn", "--out", tmp_path / "x") == (
        2,
        "org3 is not paired with this node: `fedcrm org pair org3`",
    )
    status, said = fedcrm("org", "pair", other.alias)  # no package in it
    assert status == 1
    assert "may not call the FedCRM package's pairing, or it does not exist" in said


def test_the_nodes_own_user_asks_for_runs_and_reads_them_but_sees_no_record(seeded, command_of, tmp_path):
    node = seeded.node_user(tmp_path / "orgs")
    with pytest.raises(AccessDenied):
        list(node.connect("node").query("SELECT Id, Industry FROM Account"))
    command = command_of(tmp_path / "orgs")
    assert command("org", "pair", "node")[0] == 0
    words = ("extract", "--org", "node", "--task", "churn", "--out", tmp_path / "churn")
    for _ in range(2):
        status, said = command(*words)
        assert status == 0, said
        assert "is requested; the same command later reads it" in said
    assert [run["Status__c"] for run in runs(seeded)] == ["Requested"]
    seeded.apex("ExtractionRuns.startRequested();")  # what the scheduled job does at night
    seeded.finish_jobs()
    status, said = command(*words)
    assert status == 0, said
    assert len(load_data_set(tmp_path / "churn", task="churn").label) > 10
    assert sorted(run["Status__c"] for run in runs(seeded)) == ["Completed", "Requested"]


def test_a_node_that_lost_what_it_had_read_does_not_take_the_rest_for_the_whole(seeded, extract, tmp_path):
    assert extract()[0] == 0
    before = fingerprint(tmp_path / "churn")
    shutil.rmtree(seeded.orgs / f"{seeded.alias}.blocks")
    seeded.change("Account", [{"Id": seeded.accounts[0], "NumberOfEmployees": 3}])
    status, said = extract()
    assert status == 1
    assert "holds only what changed since a run that is not here" in said
    assert fingerprint(tmp_path / "churn") == before
    seeded.change("Extraction_Run__c", [{"Id": run["Id"], "Status__c": "Withdrawn"} for run in runs(seeded)])
    status, said = extract()
    assert status == 0, said
    assert len(load_data_set(tmp_path / "churn", task="churn").label) == 40


def test_a_vocabulary_that_was_changed_in_the_org_is_refused(seeded, extract):
    seeded.apex("ExtractionRuns.start('churn', 'Training');")
    seeded.finish_jobs()
    (run,) = seeded.rows("SELECT Id, Vocabulary__c FROM Extraction_Run__c")
    seeded.change(
        "Extraction_Run__c", [{"Id": run["Id"], "Vocabulary__c": run["Vocabulary__c"].replace("days", "years")}]
    )
    status, said = extract()
    assert status == 1
    assert "is not the one that its digest names" in said


def test_forgetting_an_org_forgets_its_keys_and_what_was_read(seeded, extract, fedcrm):
    assert extract()[0] == 0
    assert fedcrm("org", "remove", seeded.alias)[0] == 0
    assert [path.name for path in seeded.orgs.iterdir() if path.name.startswith(f"{seeded.alias}.")] == []
    seeded.register(seeded.orgs)
