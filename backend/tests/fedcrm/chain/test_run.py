"""What a chain refuses before it starts anything."""

from __future__ import annotations

import pytest

from fedcrm.chain import ChainOptions, run_chain, stop_chain
from fedcrm.errors import SettingsError


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"orgs": 2}, "at least 3"),
        ({"orgs": 10}, "the table has 9"),
        ({"tasks": ("churn", "happiness")}, "happiness"),
        ({"tasks": ()}, "none"),
    ],
)
def test_options_that_cannot_be_leave_nothing_behind(tmp_path, changed, words):
    with pytest.raises(SettingsError, match=words):
        run_chain(ChainOptions(tmp_path / "out", **changed))
    assert not (tmp_path / "out").exists()


def test_a_directory_of_something_else_is_not_written_into(tmp_path):
    (tmp_path / "demo.json").write_text("{}")
    with pytest.raises(SettingsError, match="holds no chain"):
        run_chain(ChainOptions(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_there_is_nothing_to_stop_where_there_is_no_chain(tmp_path):
    with pytest.raises(SettingsError, match="holds no chain"):
        stop_chain(tmp_path)
