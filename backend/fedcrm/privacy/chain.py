"""An append-only, hash-chained list of entries in a node's database.

Each entry's hash covers its contents, its place and the hash before it, so a changed, missing, inserted or
reordered entry breaks the chain at that place. The last place and hash also stand in a row of their own, written in
the same transaction, so a tail that was cut off is noticed too. Triggers refuse UPDATE and DELETE to anybody who
goes through SQL. None of this stops an owner who rewrites the whole file and every hash in it: against that, hold
the head that `fedcrm budget verify` prints against one that was written down elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from fedcrm.errors import LedgerCorrupted, SettingsError
from fedcrm.privacy.database import Database

__all__ = ["Entry", "Head", "append", "create_chain", "entries_after", "has_chain", "head"]

_GENESIS = "0" * 64

_METADATA = sa.MetaData()
_ENTRY = sa.Table(
    "ledger_entry",
    _METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("key", sa.Text, unique=True),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
_HEAD = sa.Table(
    "ledger_head",
    _METADATA,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

_SQLITE_TRIGGERS = """
CREATE TRIGGER ledger_entry_no_update BEFORE UPDATE ON ledger_entry
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
;;
CREATE TRIGGER ledger_entry_no_delete BEFORE DELETE ON ledger_entry
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
;;
CREATE TRIGGER ledger_head_forward BEFORE UPDATE ON ledger_head WHEN NEW.sequence <> OLD.sequence + 1
    BEGIN SELECT RAISE(ABORT, 'the ledger only grows'); END
;;
CREATE TRIGGER ledger_head_no_delete BEFORE DELETE ON ledger_head
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
"""
_POSTGRESQL_TRIGGERS = """
CREATE OR REPLACE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$
;;
CREATE OR REPLACE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.sequence <> OLD.sequence + 1 THEN RAISE EXCEPTION 'the ledger only grows'; END IF;
    RETURN NEW; END $$
;;
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()
;;
CREATE TRIGGER ledger_entry_no_truncate BEFORE TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
;;
CREATE TRIGGER ledger_head_forward BEFORE UPDATE ON ledger_head
    FOR EACH ROW EXECUTE FUNCTION ledger_only_grows()
;;
CREATE TRIGGER ledger_head_no_delete BEFORE DELETE ON ledger_head
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only()
;;
CREATE TRIGGER ledger_head_no_truncate BEFORE TRUNCATE ON ledger_head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()
"""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends: its last entry's place, from 1, and hash in hex. Write it down elsewhere."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One link.

    sequence:    from 1, without gaps.
    key:         at most one entry has it; None where there is nothing to repeat.
    body:        canonical JSON.
    recorded_at: ISO 8601, UTC.
    previous:    hash of the entry before, 64 zeros for the first.
    """

    sequence: int
    kind: str
    key: str | None
    body: str
    recorded_at: str
    previous: str

    @property
    def hash(self) -> str:
        """SHA-256 over everything above, in hex."""
        fields = [self.sequence, self.kind, self.key, self.body, self.recorded_at, self.previous]
        return hashlib.sha256(json.dumps(fields, separators=(",", ":")).encode()).hexdigest()


def has_chain(connection: sa.Connection) -> bool:
    """Whether this database holds a chain."""
    inspector = sa.inspect(connection)
    return inspector.has_table("ledger_entry") and inspector.has_table("ledger_head")


def create_chain(connection: sa.Connection, database: Database, *, kind: str, body: str, recorded_at: str) -> Entry:
    """Make the tables and the first entry, all in the caller's transaction. Raises SettingsError where there is one."""
    if has_chain(connection):
        raise SettingsError(f"{database.name}: there is a ledger already")
    _METADATA.create_all(connection, checkfirst=False)
    triggers = _SQLITE_TRIGGERS if database.is_sqlite else _POSTGRESQL_TRIGGERS
    for statement in triggers.split(";;"):
        connection.exec_driver_sql(statement)
    first = Entry(1, kind, None, body, recorded_at, _GENESIS)
    connection.execute(_HEAD.insert().values(id=1, sequence=0, hash=_GENESIS))
    _write(connection, first)
    return first


def append(connection: sa.Connection, last: Head, *, kind: str, key: str | None, body: str, recorded_at: str) -> Entry:
    """Add an entry after the head that the caller has just read in the same writing transaction."""
    entry = Entry(last.sequence + 1, kind, key, body, recorded_at, last.hash)
    _write(connection, entry)
    return entry


def head(connection: sa.Connection) -> Head:
    """The head as anchored, unchecked. Raises LedgerCorrupted where it is missing."""
    row = connection.execute(sa.select(_HEAD.c.sequence, _HEAD.c.hash)).one_or_none()
    if row is None:
        raise LedgerCorrupted(sequence=1, reason="the record of where the chain ends is missing")
    return Head(row.sequence, row.hash)


def entries_after(connection: sa.Connection, known: Head | None) -> Iterator[Entry]:
    """Entries after a known head (None: from the beginning), each checked, and at the end the anchored head too.

    Raises LedgerCorrupted at the first entry that is changed, missing or out of order; the known one included.
    """
    last = known or Head(0, _GENESIS)
    anchored = head(connection)
    rows = iter(
        connection.execute(_ENTRY.select().where(_ENTRY.c.sequence >= last.sequence).order_by(_ENTRY.c.sequence)).all()
    )
    if known is not None:
        row = next(rows, None)
        if row is None or (row.sequence, row.hash) != (known.sequence, known.hash):
            raise LedgerCorrupted(sequence=known.sequence, reason="missing, or changed after it was read")
    for row in rows:
        expected = last.sequence + 1
        if row.sequence != expected:
            raise LedgerCorrupted(sequence=expected, reason="missing")
        entry = Entry(row.sequence, row.kind, row.key, row.body, row.recorded_at, row.previous)
        if entry.previous != last.hash:
            raise LedgerCorrupted(sequence=expected, reason="does not follow the entry before it")
        if entry.hash != row.hash:
            raise LedgerCorrupted(sequence=expected, reason="changed after it was written")
        last = Head(expected, row.hash)
        yield entry
    if last.sequence < anchored.sequence:
        raise LedgerCorrupted(sequence=last.sequence + 1, reason="missing from the end")
    if last != anchored:
        raise LedgerCorrupted(sequence=anchored.sequence + 1, reason="the chain does not end where it was left")


def _write(connection: sa.Connection, entry: Entry) -> None:
    connection.execute(
        _ENTRY.insert().values(
            sequence=entry.sequence,
            kind=entry.kind,
            key=entry.key,
            body=entry.body,
            recorded_at=entry.recorded_at,
            previous=entry.previous,
            hash=entry.hash,
        )
    )
    connection.execute(_HEAD.update().values(sequence=entry.sequence, hash=entry.hash))
