"""When the disk or the server does not co-operate: one line, and everything as it was."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from fedcrm.errors import FedCRMError, LedgerCorrupted, SettingsError, StorageError
from fedcrm.privacy import Database, GaussianRelease, Ledger


def release(name: str) -> GaussianRelease:
    return GaussianRelease(1000.0, 1, 64.2, 100, name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "node.sqlite"
    with Ledger.create(made, organisation="Alpha", epsilon_budget=8.0).database.reading():
        pass
    return made


def test_a_ledgers_file_is_its_owners_alone(path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_commits_reach_the_disk_before_they_return(path):
    database = Database.open(path)
    with database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2  # FULL: fsync at every commit


def test_what_is_missing_is_not_made_by_opening_it(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        Ledger.open(tmp_path / "nowhere.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError):
        Ledger.create(tmp_path / "no" / "node.sqlite", organisation="Alpha", epsilon_budget=8.0)


def test_a_directory_is_no_ledger(tmp_path):
    with pytest.raises(SettingsError):
        Ledger.open(tmp_path)


@pytest.mark.parametrize(
    "contents", [b"not a database, but long enough to be one" * 50, b"SQLite format 3\x00" + bytes(80)]
)
def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path, contents):
    other = tmp_path / "node.sqlite"
    other.write_bytes(contents)
    with pytest.raises(StorageError) as refused:
        Ledger.open(other)
    assert "\n" not in str(refused.value)
    assert other.read_bytes() == contents


def test_an_empty_file_holds_no_ledger_but_can_become_one(tmp_path):
    empty = tmp_path / "node.sqlite"
    empty.touch()
    with pytest.raises(SettingsError, match="no ledger"):
        Ledger.open(empty)
    assert Ledger.create(empty, organisation="Alpha", epsilon_budget=8.0).organisation == "Alpha"


@pytest.mark.parametrize(
    "url", ["postgresql+nosuchdriver://x/y", "mysql://x/y", "://", "postgresql+psycopg://postgres@/x?host=/nowhere"]
)
def test_a_url_that_leads_nowhere_is_refused_in_one_line(url):
    with pytest.raises((SettingsError, StorageError)) as refused:
        Ledger.open(url)
    assert "\n" not in str(refused.value)


def test_a_password_is_not_repeated_in_an_error():
    with pytest.raises(FedCRMError) as refused:
        Ledger.open("postgresql+psycopg://user:secret@127.0.0.1:1/db")
    assert "secret" not in str(refused.value)


def charge_until_refused(ledger: Ledger, event: GaussianRelease) -> tuple[int, StorageError]:
    for made in range(10_000):
        try:
            ledger.charge(event, training="t", key=str(made))
        except StorageError as refused:
            return made, refused
    pytest.fail("the disk never filled")


def test_a_full_disk_refuses_the_charge_and_nothing_else(path, monkeypatch):
    ledger = Ledger.open(path)
    ledger.open_training("t", ledger.plan_training(8.0))
    with ledger.database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # of this connection, which the pool keeps
    made, refused = charge_until_refused(ledger, release("x" * 400))
    assert "\n" not in str(refused)
    assert len(ledger) == len(Ledger.open(path)) == made
    assert ledger.verify() == Ledger.open(path).verify()
    with ledger.database.reading() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 100}")
    # There is room again: the very charge that was refused goes through.
    assert not ledger.charge(release("x" * 400), training="t", key=str(made)).repeated


@pytest.mark.slow
def test_a_really_full_disk_is_one_line_too(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=False, capture_output=True
    )
    if mounted.returncode != 0:  # needs root; the test above covers the same refusal without it
        return
    try:
        ledger = Ledger.create(small / "node.sqlite", organisation="Alpha", epsilon_budget=8.0)
        ledger.open_training("t", ledger.plan_training(8.0))
        made, _ = charge_until_refused(ledger, release("x" * 4000))
        assert made > 5
        assert ledger.verify().sequence == made + 2
        (small / "node.sqlite").read_bytes()
        ledger.close()
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_read_only_ledger_cannot_be_charged(path):
    # As root, permissions do not bind: SQLite's own read-only mode stands in.
    ledger = Ledger.open(path)
    ledger.open_training("t", ledger.plan_training(8.0))
    with ledger.database.reading() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StorageError, match="readonly"):
        ledger.charge(release("x"), training="t", key="k")
    assert ledger.spent().charges == 0


def test_a_ledger_damaged_on_the_disk_is_reported_and_not_read_past(path):
    ledger = Ledger.open(path)
    ledger.open_training("t", ledger.plan_training(8.0))
    for i in range(200):
        ledger.charge(release(f"round {i}"), training="t", key=str(i))
    ledger.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle : middle + 4096] = bytes(4096)
    path.write_bytes(raw)
    with pytest.raises((StorageError, LedgerCorrupted)):
        Ledger.open(path)


def test_threads_may_share_a_ledger(path):
    ledger = Ledger.open(path)
    ledger.open_training("t", ledger.plan_training(8.0))
    threads = [
        threading.Thread(
            target=lambda name=name: [ledger.charge(release("x"), training="t", key=f"{name}/{i}") for i in range(20)]
        )
        for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger) == 80
    ledger.verify()


def test_a_block_that_raises_changes_nothing(path):
    database = Database.open(path)

    class Interrupted(BaseException):
        pass

    def write_half() -> None:
        with database.writing() as connection:
            connection.exec_driver_sql("CREATE TABLE half_written (x INTEGER)")
            raise Interrupted

    with pytest.raises(Interrupted):
        write_half()
    with database.reading() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'half_written'")
        assert found.scalar_one() == 0
