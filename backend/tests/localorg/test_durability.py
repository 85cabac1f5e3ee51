import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

import localorg
from localorg.errors import OrgError
from localorg.org import Org
from localorg.schema import FieldType, custom_field

BACKEND = str(Path(localorg.__file__).parents[1])


def test_many_threads_write_and_read_one_org_without_losing_a_row(org):
    problems = []

    def work(number):
        try:
            for turn in range(5):
                with org.transaction(org.admin_context()) as transaction:
                    results = transaction.insert("Account", [{"Name": f"{number}.{turn}.{row}"} for row in range(20)])
                    assert all(result.success for result in results)
                with org.snapshot(org.admin_context()) as transaction:
                    assert len(
                        list(transaction.query(f"SELECT Id FROM Account WHERE Name LIKE '{number}.%'"))
                    ) == 20 * (turn + 1)
        except BaseException as problem:  # noqa: BLE001 -- a thread's failure must reach the test
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with org.snapshot(org.admin_context()) as transaction:
        ids = [record["Id"] for record in transaction.query("SELECT Id FROM Account")]
    assert len(ids) == len(set(ids)) == 800


def test_a_writer_elsewhere_does_not_hold_up_readers_and_what_they_see_is_committed(org):
    with org.transaction(org.admin_context()) as writing:
        writing.insert("Account", [{"Name": "not yet"}])
        seen = []

        def read():
            with org.snapshot(org.admin_context()) as transaction:
                seen.append(transaction.query("SELECT COUNT() FROM Account").total_size)

        thread = threading.Thread(target=read)
        thread.start()
        thread.join(5)
    assert seen == [0]


def test_a_transaction_that_only_read_has_no_lock(org):
    with org.transaction(org.admin_context()) as reading:
        assert reading.query("SELECT COUNT() FROM Account").total_size == 0
        with org.transaction(org.admin_context()) as writing:
            writing.insert("Account", [{"Name": "a"}])
        assert reading.query("SELECT COUNT() FROM Account").total_size == 1
        reading.insert("Account", [{"Name": "b"}])
        assert reading.query("SELECT COUNT() FROM Account").total_size == 2


def test_a_writer_kept_waiting_too_long_is_told_so(org, monkeypatch):
    monkeypatch.setattr("localorg.store.database._LOCK_SECONDS", 0.05)
    with org.transaction(org.admin_context()) as first:
        first.insert("Account", [{"Name": "a"}])
        refused = []

        def second():
            try:
                with org.transaction(org.admin_context()) as transaction:
                    transaction.insert("Account", [{"Name": "b"}])
            except OrgError as error:
                refused.append(error.code)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert refused == ["UNABLE_TO_LOCK_ROW"]


def test_writers_that_follow_each_other_begin_with_the_others_schema(org):
    problems = []

    def work(number):
        try:
            for turn in range(4):
                with org.transaction(org.admin_context().in_system_mode()) as transaction:
                    transaction.save_field("Account", custom_field(f"F{number}x{turn}__c", FieldType.DATE))
        except BaseException as problem:  # noqa: BLE001 -- a thread's failure must reach the test
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sum(field.custom for field in org.schema.object("Account")) == 24


def test_a_query_whose_field_goes_before_it_is_read_says_so(org):
    context = org.admin_context().in_system_mode()
    with org.transaction(context) as work:
        work.save_field("Account", custom_field("Gone__c", FieldType.DATE))
    with org.snapshot(context) as reading:
        result = reading.query("SELECT Gone__c FROM Account")
        with org.transaction(context) as work:
            work.drop_field("Account", "Gone__c")
        with pytest.raises(OrgError) as refused:
            list(result)
    assert refused.value.code == "INVALID_FIELD"


def test_rows_changed_while_they_are_read_turn_up_once(org):
    with org.transaction(org.admin_context()) as work:
        work.insert("Account", [{"Name": f"{i:03}"} for i in range(300)])
        seen = 0
        for record in work.query("SELECT Id, ParentId FROM Account WHERE ParentId = null"):
            work.update("Account", [{"Id": record["Id"], "ParentId": record["Id"]}])
            work.insert("Account", [{"Name": "new"}])
            seen += 1
        assert seen == 300


def test_two_orgs_of_one_directory_have_no_id_in_common(tmp_path, clock):
    ids = set()
    for number, alias in enumerate(("a", "b", "c"), 1):
        org = Org.create(tmp_path, alias=alias, number=number, clock=clock)
        with org.transaction(org.admin_context()) as transaction:
            ids |= {result.id for result in transaction.insert("Account", [{"Name": "x"}] * 50)}
            ids.add(org.org_id)
            ids.add(org.admin_id)
        org.close()
    assert len(ids) == 3 * 52


@pytest.mark.slow
def test_what_was_committed_survives_kill_9_in_the_middle_of_writing(tmp_path):
    """The child says each number once it is committed; none that it said may be missing afterwards."""
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from localorg.org import Org
        org = Org.create(Path(sys.argv[1]), alias="killed", number=1)
        for turn in range(100000):
            with org.transaction(org.admin_context()) as work:
                work.insert("Account", [{"Name": f"{turn}.{row}"} for row in range(50)])
            print(turn, flush=True)
        """
    )
    environment = {**os.environ, "PYTHONPATH": BACKEND}
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    said = [int(child.stdout.readline()) for _ in range(20)]
    time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    said += [int(line) for line in child.stdout.read().split()]
    child.wait()
    org = Org.open(tmp_path, "killed")
    with org.transaction(org.admin_context()) as work:
        rows = work.query("SELECT COUNT() FROM Account").total_size
        assert rows % 50 == 0
        assert rows >= 50 * (max(said) + 1)
        [saved] = work.insert("Account", [{"Name": "after"}])
        assert saved.success
        assert work.query(f"SELECT COUNT() FROM Account WHERE Id = '{saved.id}'").total_size == 1
    org.close()


@pytest.mark.slow
def test_a_million_rows_are_paged_through_without_being_held(tmp_path):
    org = Org.create(tmp_path, alias="large", number=1)
    connection = org.store.begin()
    connection.execute(
        "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 999999) "
        "INSERT INTO Account (Id, IsDeleted, OwnerId, Name, AnnualRevenue) "
        "SELECT format('001010%09dAAA', i), 0, ?, 'account ' || i, i * 0.5 FROM n",
        (org.admin_id,),
    )
    org.store.commit()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with org.snapshot(org.admin_context()) as work:
        result = work.query("SELECT Id, Name, AnnualRevenue FROM Account")
        assert result.total_size == 1_000_000
        pages = 0
        last = ""
        while page := result.take(2000):
            assert page[0]["Id"] > last
            last = page[-1]["Id"]
            pages += 1
        assert pages == 500
        lines = sum(1 for _ in work.query("SELECT Id, Name, AnnualRevenue FROM Account").csv_lines())
        assert lines == 1_000_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 40, f"{grown} MB more"
    org.close()
