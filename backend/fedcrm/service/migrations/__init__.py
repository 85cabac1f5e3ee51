"""Steps between the shapes of the service's database, each with its way back.

The steps are alembic operations, run in one transaction together with the number that says where the database stands:
a step that fails leaves everything as it was, on SQLite too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from fedcrm.errors import StorageError
from fedcrm.privacy import Database
from fedcrm.service.migrations.versions import STEPS

__all__ = ["HEAD", "migrate", "revision_of"]

HEAD = len(STEPS)
"""The newest revision; 0 is an empty database."""

_standing = sa.Table("service_revision", sa.MetaData(), sa.Column("revision", sa.Integer, primary_key=True))


def revision_of(database: Database) -> int:
    """Where a database stands, 0 for one without the service's tables."""
    with database.reading() as connection:
        return _revision(connection)


def migrate(database: Database, to: int = HEAD) -> int:
    """Step up or down to a revision, in one transaction. Returns where the database stood before.

    Raises StorageError for a database of a newer program, and ValueError for a revision that does not exist.
    """
    if not 0 <= to <= HEAD:
        raise ValueError(f"there is no revision {to}; the newest is {HEAD}")
    with database.writing() as connection:
        before = _revision(connection)
        if before > HEAD:
            raise StorageError(f"{database.name} is of a newer program (revision {before}, this one knows {HEAD})")
        operations = Operations(MigrationContext.configure(connection))
        for number in range(before, to):
            STEPS[number].up(operations)
        for number in range(before - 1, to - 1, -1):
            STEPS[number].down(operations)
        if before != to:
            _standing.create(connection, checkfirst=True)
            connection.execute(sa.delete(_standing))
            if to:
                connection.execute(sa.insert(_standing).values(revision=to))
    return before


def _revision(connection: sa.Connection) -> int:
    if not sa.inspect(connection).has_table(_standing.name):
        return 0
    found = connection.execute(sa.select(_standing.c.revision)).scalar()
    return int(found) if found is not None else 0
