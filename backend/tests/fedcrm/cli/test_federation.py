"""`fedcrm federation run`: nodes named in a row, one line when it cannot be, and a table that says who is out."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from fedcrm.cli import app
from fedcrm.cli.federation import print_outcomes
from fedcrm.errors import ParticipantsMissing
from fedcrm.nodes import FederationResult, Outcome, State


@pytest.mark.parametrize("words", [["--nodes", "a", "b", "c"], ["--nodes", "a", "--nodes", "b", "--nodes", "c"]])
def test_nodes_are_named_in_a_row_or_one_by_one(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["federation", "run", *words, "--task", "churn", "--out", "out"])
    assert isinstance(done.exception, ParticipantsMissing)
    assert list(done.exception.missing) == ["a", "b", "c"]
    assert "0 participants where 3 are needed; a is out (before the training: a is no organisation's node" in str(
        done.exception
    )


def test_the_table_names_who_is_out_since_when_and_why():
    outcomes = (
        Outcome("North", Path("north"), State.IN, epsilon=8.0, spent=7.5, version="churn-r6-0001"),
        Outcome("South [x]", Path("south"), State.OUT, "round 4", "south: No space left on device"),
    )
    console = Console(width=160)
    with console.capture() as shown:
        print_outcomes(console, FederationResult("churn 1", outcomes, (), "", {"training": 3.0}), Path("out"))
    text = shown.get()
    assert "7.500 of 8" in text
    assert "out, since round 4: south: No space left on device" in text
    assert "South [x]" in text
    assert "out/participants.json" in text
