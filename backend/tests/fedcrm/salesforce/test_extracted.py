"""An org's vectors as a data set that training reads."""

from __future__ import annotations

import pytest

from fedcrm.errors import BlockRefused
from fedcrm.features import load_data_set, split
from fedcrm.salesforce.blocks import FeatureColumn, Run, Vector, vocabulary_digest
from fedcrm.salesforce.extracted import write_data_set

COLUMNS = (
    FeatureColumn("account.industry", "category", "", 0, None),
    FeatureColumn("support.open_cases", "number", "count", 0, None),
    FeatureColumn("stakeholder.executive", "flag", "", 0, None),
)
RUN = Run("00D000000000001EAA", "churn-7", "churn", "Training", vocabulary_digest("churn", COLUMNS), COLUMNS)


def vectors(count=60):
    for n in range(count):
        cells = (("Bank, retail", "Shipping", "")[n % 3], str(n % 7) if n % 5 else "", str(n % 2))
        yield Vector(f"{n:032x}", f"2026-{1 + n % 12:02d}-01T00:00:00Z", str(int(n % 4 == 0)), "inferred", cells)


def test_the_rows_come_out_as_a_data_set_with_the_vocabulary_as_its_schema(tmp_path):
    unlabelled = Vector("f" * 32, "2026-12-01T00:00:00Z", "", "", ("", "", ""))
    assert write_data_set(tmp_path / "churn", "Nordlicht", RUN, [*vectors(), unlabelled]) == 60
    data = load_data_set(tmp_path / "churn", task="churn")
    assert tuple(data.columns) == tuple(c.name for c in COLUMNS)
    assert data.description.numeric == ("support.open_cases", "stakeholder.executive")
    assert data.label.sum() == 15
    parts = split(data, seed=1).parts["Nordlicht"]
    assert sum(len(rows) for rows in parts.values()) == 60


def test_the_same_rows_are_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_data_set(tmp_path / name, "Nordlicht", RUN, vectors())
    assert (tmp_path / "one/data.csv.gz").read_bytes() == (tmp_path / "two/data.csv.gz").read_bytes()


def test_a_later_extraction_replaces_the_earlier_one_whole(tmp_path):
    write_data_set(tmp_path / "churn", "Nordlicht", RUN, vectors())
    write_data_set(tmp_path / "churn", "Nordlicht", RUN, vectors(40))
    assert load_data_set(tmp_path / "churn").description.participants == {"Nordlicht": 40}
    assert [p.name for p in tmp_path.iterdir()] == ["churn"]


def test_a_run_without_outcomes_leaves_what_was_there(tmp_path):
    write_data_set(tmp_path / "churn", "Nordlicht", RUN, vectors())
    with pytest.raises(BlockRefused, match="no row with an outcome"):
        write_data_set(tmp_path / "churn", "Nordlicht", RUN, [])
    assert load_data_set(tmp_path / "churn").description.participants == {"Nordlicht": 60}


def test_a_data_set_says_what_its_columns_were_declared_to_be(tmp_path):
    write_data_set(tmp_path / "churn", "Nordlicht", RUN, vectors())
    vocabulary = load_data_set(tmp_path / "churn", "churn").description.vocabulary
    assert vocabulary.digest == RUN.digest
    assert [(c.name, c.kind, c.unit, c.decimals, c.block or None) for c in vocabulary.columns] == [
        (c.name, c.kind, c.unit, c.decimals, c.block) for c in RUN.columns
    ]
