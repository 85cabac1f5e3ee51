"""A node's database: SQLite in one file, or PostgreSQL by URL, behind the same two kinds of transaction.

Durable means on the disk: SQLite runs in WAL mode with synchronous = FULL, so a commit that returned survives
`kill -9` and power loss; PostgreSQL's synchronous_commit is on by default and set again here. Writers are
serialised: SQLite by BEGIN IMMEDIATE, PostgreSQL by one advisory lock, so that what is checked in a writing
transaction still holds when it commits.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy import exc

from fedcrm.errors import SettingsError, StorageError

__all__ = ["Database"]

_WAIT_SECONDS = 60.0
# Any constant will do, as long as every writer of FedCRM takes the same.
_ADVISORY_LOCK = 0x66656463726D


class Database:
    """Transactions over SQLite or PostgreSQL. Other tables of the node may live beside the ledger's."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine, self.name = engine, name

    @classmethod
    def open(cls, url_or_path: str | Path, *, create: bool = False) -> Database:
        """Open a database.

        url_or_path: a file, or a URL that SQLAlchemy knows (postgresql+psycopg://...).
        create:      make the file where it is missing, readable by its owner only.

        Raises SettingsError where the file is missing or the URL makes no sense, StorageError where it cannot be
        opened, is no database or is read-only.
        """
        text = str(url_or_path)
        if "://" in text:
            return cls._open_url(text)
        return cls._open_file(Path(text), create=create)

    @classmethod
    def _open_file(cls, path: Path, *, create: bool) -> Database:
        if not path.exists():
            if not create:
                raise SettingsError(f"{path}: there is no such file")
            try:
                # Readable by its owner only, from the first moment.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as refused:
                raise StorageError(f"{path}: cannot be created ({refused.strerror})") from refused
        if not path.is_file():
            raise SettingsError(f"{path}: not a file")
        engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)),
            connect_args={"timeout": _WAIT_SECONDS, "isolation_level": None},
        )
        sa_event.listen(engine, "connect", _prepare_sqlite)
        database = cls(engine, str(path))
        with database.reading() as connection:  # fails here, in one line, on what is no database
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        return database

    @classmethod
    def _open_url(cls, text: str) -> Database:
        try:
            url = sa.make_url(text)
            if url.get_backend_name() == "sqlite":
                return cls._open_file(Path(url.database or ""), create=False)
            engine = sa.create_engine(url, pool_pre_ping=True)
        except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as refused:
            raise SettingsError(f"{text.split('@')[-1]}: not a database URL that can be used ({refused})") from refused
        if engine.dialect.name != "postgresql":
            raise SettingsError(f"{engine.dialect.name}: only SQLite and PostgreSQL can keep a ledger")
        database = cls(engine, url.render_as_string(hide_password=True))
        with database.reading() as connection:
            connection.exec_driver_sql("SELECT 1")
        return database

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite; PostgreSQL otherwise."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction that nobody else's writing overlaps; on disk when the block has ended.

        Rolled back, whole, where the block raises. Raises StorageError where the database refuses.
        """
        begin = "BEGIN IMMEDIATE" if self.is_sqlite else f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"
        with self._transaction(begin) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One transaction that sees a single state of the database and changes nothing."""
        begin = "BEGIN" if self.is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        with self._transaction(begin) as connection:
            yield connection

    def close(self) -> None:
        """Give back files and connections. Closing twice is harmless."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql(begin)
                try:
                    yield connection
                    if self.is_sqlite:
                        connection.exec_driver_sql("COMMIT")
                    connection.commit()
                except BaseException:
                    if self.is_sqlite and connection.connection.in_transaction:
                        connection.exec_driver_sql("ROLLBACK")
                    connection.rollback()
                    raise
        except exc.DBAPIError as refused:
            raise StorageError(f"{self.name}: {_one_line(refused)}") from refused


def _prepare_sqlite(connection: Any, _record: object) -> None:  # Any: sqlite3's connection, or a proxy of it
    try:
        connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_SECONDS * 1000)}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what a closed round deletes does not linger in free pages
    except sqlite3.Error:
        connection.close()
        raise


def _one_line(refused: exc.DBAPIError) -> str:
    return " ".join(str(refused.orig).split())
