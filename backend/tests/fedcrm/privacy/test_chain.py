"""What happens to somebody who edits the ledger: through SQL they are refused, past SQL they are found out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

import psycopg
import pytest

from fedcrm.errors import LedgerCorrupted, SettingsError
from fedcrm.privacy import GaussianRelease, Ledger
from fedcrm.privacy.chain import Entry


def sql(place: str, *statements: str, unguarded: bool) -> None:
    """Run statements as an intruder: through SQL, or (unguarded) with the triggers out of the way."""
    if "://" not in place:
        with sqlite3.connect(place) as connection:
            if unguarded:
                names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
                for (name,) in names:
                    connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return
    name, host = place.split("/")[3].split("?")[0], place.split("host=")[1]
    with psycopg.connect(f"host={host} user=postgres dbname={name}") as connection:
        if unguarded:
            connection.execute("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def written(ledger: Ledger) -> Ledger:
    """Entries 1 (ledger), 2 (training) and 3 to 8 (charges)."""
    for i in range(6):
        ledger.charge(GaussianRelease(4.0, 1, 64.2, 100, f"round {i}"), training="t", key=str(i))
    return ledger


SWAP = (
    "UPDATE ledger_entry SET sequence = 1000 WHERE sequence = 4",
    "UPDATE ledger_entry SET sequence = 4 WHERE sequence = 5",
    "UPDATE ledger_entry SET sequence = 5 WHERE sequence = 1000",
)


@pytest.mark.parametrize(
    ("statements", "sequence"),
    [
        pytest.param(("UPDATE ledger_entry SET body = replace(body, '4.0', '9.0') WHERE sequence = 5",), 5, id="body"),
        pytest.param(("UPDATE ledger_entry SET key = 'x' WHERE sequence = 6",), 6, id="key"),
        pytest.param(("UPDATE ledger_entry SET kind = 'period' WHERE sequence = 4",), 4, id="kind"),
        pytest.param(("UPDATE ledger_entry SET recorded_at = '2020-01-01' WHERE sequence = 3",), 3, id="time"),
        pytest.param(("UPDATE ledger_entry SET hash = 'ff' WHERE sequence = 7",), 7, id="hash"),
        pytest.param(("UPDATE ledger_entry SET previous = 'ff' WHERE sequence = 7",), 7, id="previous"),
        pytest.param(
            ("UPDATE ledger_entry SET body = replace(body, '8.0', '80.0') WHERE sequence = 1",), 1, id="limits"
        ),
        pytest.param(("DELETE FROM ledger_entry WHERE sequence = 5",), 5, id="gap"),
        pytest.param(("DELETE FROM ledger_entry WHERE sequence = 1",), 1, id="no beginning"),
        pytest.param(("DELETE FROM ledger_entry WHERE sequence > 6",), 7, id="cut tail"),
        pytest.param(("DELETE FROM ledger_entry",), 1, id="emptied"),
        pytest.param(SWAP, 4, id="reordered"),
        pytest.param(("UPDATE ledger_head SET hash = 'ff'",), 9, id="head hash"),
        pytest.param(("UPDATE ledger_head SET sequence = 9",), 9, id="head ahead"),
        pytest.param(("DELETE FROM ledger_head",), 1, id="no head"),
        pytest.param(
            (
                "DELETE FROM ledger_entry WHERE sequence > 6",
                "UPDATE ledger_head SET sequence = 5, hash = (SELECT hash FROM ledger_entry WHERE sequence = 5)",
            ),
            6,
            id="head behind",
        ),
    ],
)
def test_a_change_a_gap_or_a_reordering_is_found_where_it_is(written, place, statements, sequence):
    sql(place, *statements, unguarded=True)
    for look in (written.verify, lambda: Ledger.open(place)):
        with pytest.raises(LedgerCorrupted) as found:
            look()
        assert found.value.sequence == sequence


def test_a_tail_cut_off_with_its_anchor_is_found_by_whoever_knew_the_head(written, place):
    known = written.verify()
    sql(
        place,
        "DELETE FROM ledger_entry WHERE sequence > 6",
        "UPDATE ledger_head SET sequence = 6, hash = (SELECT hash FROM ledger_entry WHERE sequence = 6)",
        unguarded=True,
    )
    with pytest.raises(LedgerCorrupted) as found:
        written.verify()
    assert found.value.sequence == 7
    # A process that did not know it cannot see it: docs/privacy.md says so, and to write the head down.
    assert Ledger.open(place).verify() != known


def test_nothing_is_charged_on_a_broken_chain(written, place):
    sql(place, "DELETE FROM ledger_entry WHERE sequence = 8", unguarded=True)
    with pytest.raises(LedgerCorrupted):
        written.charge(GaussianRelease(4.0, 1, 64.2, 100, "next"), training="t", key="next")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET body = '{}' WHERE sequence = 5",
        "DELETE FROM ledger_entry WHERE sequence = 8",
        "UPDATE ledger_head SET sequence = 3",
        "UPDATE ledger_head SET sequence = 8",
        "DELETE FROM ledger_head",
    ],
)
def test_the_database_itself_refuses_to_change_or_delete(written, place, statement):
    before = written.verify()
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match="ledger"):
        sql(place, statement, unguarded=False)
    assert Ledger.open(place).verify() == before


def forge(place: str, edit: Callable[[dict], None]) -> None:
    """Rewrite the last charge and every hash, as an intruder who knows the format would."""
    if "://" in place:
        pytest.fail("SQLite only")
    with sqlite3.connect(place) as connection:
        row = connection.execute(
            "SELECT sequence, kind, key, body, recorded_at, previous FROM ledger_entry ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        body = json.loads(row[3])
        edit(body)
        entry = Entry(row[0], row[1], row[2], json.dumps(body), row[4], row[5])
    sql(
        place,
        f"UPDATE ledger_entry SET body = '{entry.body}', hash = '{entry.hash}' WHERE sequence = {entry.sequence}",
        f"UPDATE ledger_head SET hash = '{entry.hash}'",
        unguarded=True,
    )


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda body: body["event"].update(noise_multiplier=0.01), id="beyond the limit"),
        pytest.param(lambda body: body["event"].update(noise_multiplier=-4.0), id="negative"),
        pytest.param(lambda body: body["event"].update(kind="free"), id="unknown kind"),
        pytest.param(lambda body: body.pop("event"), id="no event"),
        pytest.param(lambda body: body.update(training="nobody"), id="unknown training"),
        pytest.param(lambda body: body.update(period="2025"), id="another period"),
        pytest.param(lambda body: body.update(reserve="yes"), id="reserve no bool"),
    ],
)
def test_entries_that_hash_right_but_make_no_sense_are_found_too(written, place, edit):
    forge(place, edit)
    with pytest.raises(LedgerCorrupted) as found:
        Ledger.open(place)
    assert found.value.sequence == 8


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_ledger_of_a_newer_format_is_not_guessed_at(place):
    Ledger.create(place, organisation="Alpha", epsilon_budget=1.0).close()
    forge(place, lambda body: body.update(format=2))
    with pytest.raises(LedgerCorrupted, match="newer"):
        Ledger.open(place)


def test_a_database_without_a_ledger_is_refused_and_left_alone(place):
    sql(place, "CREATE TABLE something (x INTEGER)", unguarded=False)
    with pytest.raises(SettingsError, match="no ledger"):
        Ledger.open(place)
    # A node's database may hold other tables before its ledger is created.
    Ledger.create(place, organisation="Alpha", epsilon_budget=1.0).close()
    assert Ledger.open(place).organisation == "Alpha"
