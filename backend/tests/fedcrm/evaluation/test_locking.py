import os
import signal
import subprocess
import sys

import pytest

from fedcrm.errors import SettingsError, StorageError
from fedcrm.evaluation.locking import only_one


def test_whoever_comes_second_is_told_where_and_goes_without(tmp_path):
    lock = tmp_path / ".lock"
    with only_one(lock, tmp_path / "out"), pytest.raises(SettingsError, match=r"at work in .*out"):  # noqa: SIM117 - the inner one is what is tried
        with only_one(lock, tmp_path / "out"):
            pytest.fail("two were let in")
    with only_one(lock, tmp_path / "out"):
        pass  # the first is done


def test_a_lock_whose_holder_was_killed_is_free(tmp_path):
    lock = tmp_path / ".lock"
    holding = (
        "import sys, time; from pathlib import Path; from fedcrm.evaluation.locking import only_one\n"
        "with only_one(Path(sys.argv[1]), Path('x')):\n print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", holding, lock], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(SettingsError), only_one(lock, tmp_path):
        pytest.fail("two were let in")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with only_one(lock, tmp_path):
        pass


def test_a_place_where_no_lock_can_be_made_is_refused(tmp_path):
    with pytest.raises(StorageError), only_one(tmp_path / "nowhere" / ".lock", tmp_path):
        pytest.fail("there is no lock")
