"""Seeds: the same facts in every org, never under the same names, and nothing out of time."""

from __future__ import annotations

import csv
import gzip
import json
import random

import pytest

from localorg.errors import SettingsError
from localorg.org import Org
from localorg.seed import dialect_of, plant, read_table


@pytest.fixture
def directory(tmp_path):
    rng = random.Random(1)
    folder = tmp_path / "set"
    folder.mkdir()
    about = {
        "name": "toy", "task": "churn", "label": "Churn", "positive": ["Yes"], "drop": ["id"], "missing": ["", "NA"],
        "numeric": "auto",
    }  # fmt: skip
    (folder / "dataset.json").write_text(json.dumps(about))
    with gzip.open(folder / "data.csv.gz", "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "MonthlyCharges", "Contract", "Partner", "Note", "Churn"])
        for n in range(120):
            writer.writerow([
                n, "" if n % 10 == 0 else round(rng.uniform(10, 90), 2), rng.choice(["Monthly", "One year", "Two"]),
                rng.choice(["Yes", "No"]), f"note {n}", rng.choice(["Yes", "No"]),
            ])  # fmt: skip
    with gzip.open(folder / "participants.csv.gz", "wt", newline="") as file:
        file.write("participant\n" + "".join(f"{'AB'[n % 2]}\n" for n in range(120)))
    return folder


def rows(org, soql):
    with org.transaction(org.admin_context()) as transaction:
        return [dict(record) for record in transaction.query(soql)]


def test_each_participant_gets_its_own_rows(directory):
    mine, theirs = (read_table(directory, participant=n, of=2) for n in (0, 1))
    assert len(mine.rows) == len(theirs.rows) == 60
    assert [column.name for column in mine.columns] == ["MonthlyCharges", "Contract", "Partner", "Note"]
    assert [column.kind for column in mine.columns] == ["number", "choice", "choice", "text"]
    assert mine.rows[0]["MonthlyCharges"] is None
    dealt = [read_table(directory, participant=n, of=3) for n in range(3)]
    assert sum(len(table.rows) for table in dealt) == 120


def test_a_directory_that_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="no data-set directory"):
        read_table(tmp_path, participant=0, of=1)


def test_orgs_name_the_same_fact_differently_and_the_same_org_always_alike(directory):
    table = read_table(directory, participant=0, of=2)
    dialects = [dialect_of(table, f"org{n}", 1) for n in range(1, 10)]
    names = [tuple((field.api_name, field.type) for field in dialect.fields) for dialect in dialects]
    assert len(set(names)) >= 6
    assert len({dialect.language for dialect in dialects}) >= 2
    assert {bool(dialect.satellite) for dialect in dialects} == {True, False}
    assert dialect_of(table, "org3", 1) == dialects[2]
    assert dialect_of(table, "org3", 2) != dialects[2]


def test_planted_values_are_the_tables_own(directory, org):
    table = read_table(directory, participant=0, of=2)
    planted = plant(org, table, seed=1)
    assert planted.counts["Account"] == 60
    for local in planted.dialect.fields:
        owner = planted.dialect.satellite if local.satellite else "Account"
        found = [row[local.api_name] for row in rows(org, f"SELECT {local.api_name} FROM {owner}")]
        given = [row[local.column.name] for row in table.rows]
        if local.type == "Number":
            expected = {round(float(value) * local.scale, 4) for value in given if value}
        else:
            expected = {local.values.get(value, value) for value in given if value}
        present = [value for value in found if value is not None]
        assert set(present) <= expected | ({False} if local.type == "Checkbox" else set())
        assert len(present) >= 0.5 * len([value for value in given if value])
    outcome = f"SELECT COUNT() FROM Account WHERE {planted.dialect.outcome} = true"
    with org.transaction(org.admin_context()) as transaction:
        assert transaction.query(outcome).total_size == sum(table.outcomes)


def test_nothing_happens_before_its_record_or_after_today(directory, org, clock):
    plant(org, read_table(directory, participant=0, of=2), seed=1)
    now = clock.now().strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    for child, parent in (("Contact", "Account"), ("Opportunity", "Account"), ("Case", "Account")):
        found = rows(org, f"SELECT CreatedDate, {parent}.CreatedDate FROM {child}")
        assert found
        for row in found:
            assert row[parent]["CreatedDate"] <= row["CreatedDate"] <= now
    for row in rows(org, "SELECT CreatedDate, CloseDate, IsClosed FROM Opportunity"):
        assert row["CloseDate"] >= row["CreatedDate"][:10]
        assert not row["IsClosed"] or row["CloseDate"] <= now[:10]


def test_planting_is_repeatable(directory, tmp_path, clock):
    table = read_table(directory, participant=0, of=2)
    seen = []
    for n in (1, 2):
        org = Org.create(tmp_path / str(n), alias="same", number=7, clock=clock)
        plant(org, table, seed=3)
        seen.append(
            rows(org, "SELECT Name, CreatedDate FROM Account") + rows(org, "SELECT Subject, ActivityDate FROM Task")
        )
        org.close()
    assert seen[0] == seen[1]
