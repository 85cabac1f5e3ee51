"""What was read of an org's runs, kept sealed."""

from __future__ import annotations

import os
import stat

import pytest

from fedcrm.errors import BlockRefused, SecretsLocked, SettingsError
from fedcrm.salesforce import Bookmark, Purpose
from fedcrm.salesforce.block_store import BlockStore, KeptRun
from fedcrm.salesforce.blocks import FeatureColumn, Run, Vector
from fedcrm.secrets import KeyFile, SecretBox

COLUMNS = (FeatureColumn("a", "number", "count", 0, None), FeatureColumn("own.b", "category", "", 0, "North"))
BEGAN = "2026-01-01T00:00:00.000+0000"


def run(key="churn-training-20260101000000000"):
    return Run("00D000000000001EAA", key, "churn", "Training", "d" * 64, COLUMNS)


def vector(n, cells=("1", 'red, "quoted"\n')):
    return Vector(f"{n:032x}", "2026-01-01T00:00:00Z", "1", "inferred", cells)


@pytest.fixture
def box(tmp_path):
    (tmp_path / "key").write_bytes(os.urandom(32))
    return SecretBox(KeyFile(tmp_path / "key"))


@pytest.fixture
def store(tmp_path, box):
    return BlockStore(tmp_path / "store", box, "north")


def test_what_was_put_in_comes_out_and_runs_stand_in_the_order_of_time(store):
    late, early = run("churn-training-20260301000000000"), run()
    store.keep_run(KeptRun(late, "2026-03-01T00:00:00.000+0000", BEGAN, whole=False))
    store.keep_run(KeptRun(early, BEGAN, "", whole=True))
    store.put(late.key, 2, [vector(3)])
    store.put(late.key, 1, [vector(1), vector(2)])
    assert [kept.run for kept in store.runs()] == [early, late]
    assert store.run(late.key) == KeptRun(late, "2026-03-01T00:00:00.000+0000", BEGAN, whole=False)
    assert store.sequences(late.key) == {1, 2}
    assert list(store.vectors(late.key)) == [vector(1), vector(2), vector(3)]


def test_nothing_of_a_vector_can_be_read_on_disk(store):
    store.keep_run(KeptRun(run(), BEGAN, "", whole=True))
    store.put(run().key, 1, [vector(1, ("1", "very secret"))])
    for path in store.directory.rglob("*"):
        if path.is_file():
            assert b"very secret" not in path.read_bytes()
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_block_in_anothers_place_does_not_open(store, tmp_path, box):
    store.keep_run(KeptRun(run(), BEGAN, "", whole=True))
    store.put(run().key, 1, [vector(1)])
    folder = store.directory / run().key
    (folder / "000002").write_bytes((folder / "000001").read_bytes())
    with pytest.raises(SecretsLocked):
        list(store.vectors(run().key))
    with pytest.raises(SecretsLocked):
        list(BlockStore(store.directory, box, "south").vectors(run().key))


def test_a_key_that_is_no_runs_key_never_becomes_a_path(store):
    for key in ("../../etc", "", "churn-training-2026", "churn-training-20260101000000000/.."):
        with pytest.raises(BlockRefused):
            store.run(key)


def test_the_bookmark_is_kept_and_one_that_cannot_be_read_is_none(store):
    store.keep_run(KeptRun(run(), BEGAN, "", whole=False))
    assert store.bookmark(run().key) is None
    mark = Bookmark("bulk2", "750", "locator", 7)
    store.keep_bookmark(run().key, mark)
    assert store.bookmark(run().key) == mark
    (store.directory / run().key / "bookmark").write_text("{")
    assert store.bookmark(run().key) is None
    store.keep_bookmark(run().key, None)
    store.keep_bookmark(run().key, None)
    assert store.bookmark(run().key) is None


def test_a_dropped_run_leaves_nothing(store):
    store.keep_run(KeptRun(run(), BEGAN, "", whole=True))
    store.put(run().key, 1, [vector(1)])
    store.drop(run().key)
    assert store.runs() == ()
    assert list(store.directory.iterdir()) == []


def test_two_extractions_of_one_task_do_not_write_at_once(store, box):
    other = BlockStore(store.directory, box, "north")
    with store.held(), pytest.raises(SettingsError, match="another extraction of this task is under way"), other.held():
        pass
    with other.held():
        pass


def test_purposes_are_called_as_the_org_calls_them():
    assert [purpose.value for purpose in Purpose] == ["Training", "Scoring"]
