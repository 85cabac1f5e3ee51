import pytest
import sqlalchemy as sa

from fedcrm.errors import StorageError
from fedcrm.privacy import Database
from fedcrm.service import Scope, Tenants, tables
from fedcrm.service.migrations import HEAD, migrate, revision_of
from fedcrm.service.migrations.versions import STEPS, Step


@pytest.fixture
def database(place, tmp_path):
    opened = Database.open(place or tmp_path / "service.sqlite", create=not place)
    yield opened
    opened.close()


def shape(database):
    """Every table with its columns, types, keys and constraints, as the database itself tells them."""
    with database.reading() as connection:
        inspect = sa.inspect(connection)
        return {
            name: (
                sorted((c["name"], str(c["type"]), c["nullable"]) for c in inspect.get_columns(name)),
                inspect.get_pk_constraint(name)["constrained_columns"],
                sorted(str(f["constrained_columns"]) + f["referred_table"] for f in inspect.get_foreign_keys(name)),
                sorted(str(u["column_names"]) for u in inspect.get_unique_constraints(name)),
            )
            for name in inspect.get_table_names()
            if name.startswith("service_") and name != "service_revision"
        }


def test_up_down_and_up_again_leave_what_one_way_up_does(database):
    assert revision_of(database) == 0
    assert migrate(database) == 0
    first = shape(database)
    assert set(first) == {t.name for t in tables.metadata.sorted_tables}
    assert migrate(database, 0) == HEAD
    assert shape(database) == {}
    assert revision_of(database) == 0
    migrate(database)
    assert shape(database) == first


def test_the_steps_lead_to_the_tables_the_program_uses(database, tmp_path):
    migrate(database)
    plain = Database.open(tmp_path / "plain.sqlite", create=True)
    with plain.writing() as connection:
        tables.metadata.create_all(connection)
    if database.is_sqlite:
        assert shape(database) == shape(plain)
    else:
        names = {n: [c[0] for c in columns] for n, (columns, *_) in shape(database).items()}
        assert names == {n: [c[0] for c in columns] for n, (columns, *_) in shape(plain).items()}
    plain.close()


def test_what_is_stored_survives_being_migrated_again(database):
    migrate(database)
    tenants = Tenants(database)
    tenants.register("00D000000000001EAA", "One")
    key = tenants.new_key("00D000000000001EAA", Scope.PREDICT, "flow").key.reveal()
    assert migrate(database) == HEAD
    assert tenants.caller_of(key) is not None


def test_a_step_that_fails_leaves_everything_as_it_was(database, monkeypatch):
    migrate(database)
    before = shape(database)

    def half(op):
        op.create_table("service_half", sa.Column("a", sa.Integer))
        op.drop_table("service_of_nobody")

    from fedcrm.service import migrations

    monkeypatch.setattr(migrations, "STEPS", (*STEPS, Step("half", half, half)))
    monkeypatch.setattr(migrations, "HEAD", HEAD + 1)
    with pytest.raises(StorageError):
        migrate(database, HEAD + 1)
    assert shape(database) == before
    assert revision_of(database) == HEAD


def test_a_database_of_a_newer_program_is_left_alone(database):
    migrate(database)
    with database.writing() as connection:
        connection.execute(sa.text(f"UPDATE service_revision SET revision = {HEAD + 1}"))
    with pytest.raises(StorageError, match="newer"):
        migrate(database)


def test_a_revision_that_does_not_exist_is_refused(database):
    with pytest.raises(ValueError, match="revision"):
        migrate(database, HEAD + 1)
