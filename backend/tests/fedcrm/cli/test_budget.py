"""`fedcrm budget`, as a privacy officer and a script see it."""

from __future__ import annotations

import io
import json
import math
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fedcrm import cli
from fedcrm.federation import Node, NodeSettings
from fedcrm.privacy import GaussianRelease, PureRelease


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Epsilon 8 a period; a training of 4 has spent its counts and 10 of 20 equal rounds."""
    directory = tmp_path / "nodes" / "Alpha"
    directory.parent.mkdir()
    made = Node.create(directory, NodeSettings("Alpha & Söhne", 8.0, 1e-5, "lead", "2026"))
    ledger = made.ledger
    budget = ledger.plan_training(4.0)
    ledger.open_training("churn-1", budget)
    ledger.charge(PureRelease(budget.pure_epsilon, 1, "counts"), training="churn-1", key="counts")
    for i in range(10):
        event = GaussianRelease(math.sqrt(20) / budget.learning_mu, 1, 64.2, 3000, f"round {i}")
        ledger.charge(event, training="churn-1", key=f"round {i}")
    made.close()
    return directory


@pytest.fixture
def fedcrm(monkeypatch, capsys):
    """Runs the command in this process: (status, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fedcrm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def tamper(node: Path, *statements: str) -> None:
    with sqlite3.connect(node / "node.sqlite") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


def test_show_speaks_json_with_the_promised_keys_first(node, fedcrm):
    status, out, _ = fedcrm("budget", "show", "--node", node, "--json")
    shown = json.loads(out)
    assert status == 0
    assert list(shown)[:6] == ["organisation", "epsilon_budget", "epsilon_spent", "delta", "charges", "intact"]
    ledger = Node.open(node).ledger
    assert shown["organisation"] == "Alpha & Söhne"
    assert (shown["epsilon_budget"], shown["delta"], shown["charges"], shown["intact"]) == (8.0, 1e-5, 11, True)
    assert shown["epsilon_spent"] == pytest.approx(ledger.spent().epsilon)
    assert shown["trainings"] == [
        {"training": "churn-1", "epsilon_budget": 4.0, "epsilon_spent": shown["epsilon_spent"], "charges": 11}
    ]
    assert shown["all_time"]["charges"] == 11


def test_show_in_words_names_the_organisation_the_unit_and_what_is_spent(node, fedcrm):
    status, out, _ = fedcrm("budget", "show", "--node", node)
    spent = Node.open(node).ledger.spent().epsilon
    assert status == 0
    for word in ("Alpha & Söhne", "lead", f"{spent:.3f}", "churn-1", "2026", "intact"):
        assert word in out


def test_verify_says_where_the_chain_ends(node, fedcrm):
    status, out, _ = fedcrm("budget", "verify", "--node", node)
    head = Node.open(node).ledger.verify()
    assert status == 0
    assert f"{head.sequence} {head.hash}" in out
    status, out, _ = fedcrm("budget", "verify", "--node", node, "--json")
    assert (status, json.loads(out)["head"], json.loads(out)["intact"]) == (0, head.hash, True)


@pytest.mark.parametrize(
    "statements",
    [
        pytest.param(("UPDATE ledger_entry SET body = replace(body, '64.2', '64.1') WHERE sequence = 6",), id="change"),
        pytest.param(("DELETE FROM ledger_entry WHERE sequence = 6",), id="gap"),
        pytest.param(("DELETE FROM ledger_entry WHERE sequence = 13",), id="cut tail"),
        pytest.param(
            (
                "UPDATE ledger_entry SET sequence = 99 WHERE sequence = 6",
                "UPDATE ledger_entry SET sequence = 6 WHERE sequence = 7",
                "UPDATE ledger_entry SET sequence = 7 WHERE sequence = 99",
            ),
            id="reordering",
        ),
    ],
)
def test_verify_ends_non_zero_on_any_change_gap_or_reordering(node, fedcrm, statements):
    tamper(node, *statements)
    status, out, err = fedcrm("budget", "verify", "--node", node)
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "ledger entry" in err
    status, out, _ = fedcrm("budget", "verify", "--node", node, "--json")
    assert status == 1
    assert json.loads(out)["intact"] is False


def test_show_of_a_broken_ledger_says_so_and_claims_nothing_about_what_was_spent(node, fedcrm):
    tamper(node, "DELETE FROM ledger_entry WHERE sequence = 6")
    _, out, _ = fedcrm("budget", "show", "--node", node, "--json")
    shown = json.loads(out)
    assert (shown["intact"], shown["epsilon_spent"], shown["charges"]) == (False, None, None)
    _, out, _ = fedcrm("budget", "show", "--node", node)
    assert "NOT intact" in out


def test_forecast_says_what_still_fits(node, fedcrm):
    status, out, _ = fedcrm("budget", "forecast", "--node", node, "--json")
    forecast = json.loads(out)
    assert status == 0
    assert forecast["under_way"][0]["rounds_like_the_last"] == 10
    # Counts are the scarce part: 0.16 of 0.32 are spent, a training of epsilon 1 takes 0.04.
    by_epsilon = {one["epsilon"]: one for one in forecast["trainings"]}
    assert (by_epsilon[1.0]["fit"], by_epsilon[1.0]["limited_by"]) == (4, "counts and statistics")
    assert (by_epsilon[4.0]["fit"], by_epsilon[8.0]["fit"]) == (1, 0)
    assert forecast["largest_training"] == 4.0
    _, words, _ = fedcrm("budget", "forecast", "--node", node, "--epsilon", 2)
    assert "2 times" in words
    assert "10 more rounds" in words


def test_what_is_forecast_can_really_be_opened_and_nothing_larger(node, fedcrm):
    _, out, _ = fedcrm("budget", "forecast", "--node", node, "--epsilon", 1, "--json")
    ledger = Node.open(node).ledger
    for i in range(json.loads(out)["trainings"][0]["fit"]):
        budget = ledger.plan_training(1.0)
        ledger.open_training(f"more-{i}", budget)
        ledger.charge(PureRelease(budget.pure_epsilon, 1, "counts"), training=f"more-{i}", key=f"more-{i}")
    _, out, _ = fedcrm("budget", "forecast", "--node", node, "--json")
    assert json.loads(out)["largest_training"] == 0
    assert all(one["fit"] == 0 for one in json.loads(out)["trainings"])


def test_a_new_period_starts_from_nothing_and_the_sum_since_the_beginning_goes_on(node, fedcrm):
    before = Node.open(node).ledger
    spent, total = before.spent(), before.all_time()
    status, out, _ = fedcrm("budget", "renew", "--node", node, "--period", "2027", "--epsilon", 2, "--yes")
    assert status == 0
    assert f"{spent.epsilon:.3f} of 8" in out
    _, out, _ = fedcrm("budget", "show", "--node", node, "--json")
    shown = json.loads(out)
    assert (shown["period"], shown["epsilon_budget"], shown["epsilon_spent"], shown["intact"]) == (
        "2027",
        2.0,
        0.0,
        True,
    )
    ledger = Node.open(node).ledger
    assert (ledger.all_time().cost, ledger.all_time().charges) == (total.cost, total.charges)
    # A training under way goes on under its own limit and pays from the new period.
    budget = ledger.budget("churn-1")
    event = GaussianRelease(math.sqrt(20) / budget.learning_mu, 1, 64.2, 3000, "round 10")
    ledger.charge(event, training="churn-1", key="round 10")
    assert 0 < ledger.spent().epsilon < ledger.spent("churn-1").epsilon
    assert ledger.all_time().charges == total.charges + 1


def test_a_period_has_the_nodes_first_limit_unless_another_is_given(node, fedcrm):
    fedcrm("budget", "renew", "--node", node, "--period", "2027", "--yes")
    ledger = Node.open(node).ledger
    assert (ledger.period, ledger.epsilon_budget, ledger.delta) == ("2027", 8.0, 1e-5)


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_without_a_yes_no_period_begins(node, fedcrm, monkeypatch, answer):
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    head = Node.open(node).ledger.verify()
    status, out, _ = fedcrm("budget", "renew", "--node", node, "--period", "2027")
    assert status == 1
    assert "Begin it?" in out
    assert Node.open(node).ledger.verify() == head


def test_a_yes_typed_begins_it(node, fedcrm, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert fedcrm("budget", "renew", "--node", node, "--period", "2027")[0] == 0
    assert Node.open(node).ledger.period == "2027"


@pytest.mark.parametrize("wrong", [("--period", "2026"), ("--period", " "), ("--period", "2027", "--epsilon", "0")])
def test_a_period_that_cannot_be_is_refused_in_one_line_and_changes_nothing(node, fedcrm, wrong):
    head = Node.open(node).ledger.verify()
    status, _, err = fedcrm("budget", "renew", "--node", node, "--yes", *wrong)
    assert (status, len(err.splitlines())) == (2, 1)
    assert Node.open(node).ledger.verify() == head


@pytest.mark.parametrize("command", ["show", "verify", "forecast", "renew"])
def test_a_directory_that_is_no_node_is_refused_in_one_line(tmp_path, fedcrm, command):
    more = ("--period", "2027", "--yes") if command == "renew" else ()
    status, out, err = fedcrm("budget", command, "--node", tmp_path / "nowhere", *more)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"organisation": 1', "\udcff"])
def test_a_node_whose_settings_cannot_be_read_is_refused_in_one_line(node, fedcrm, content):
    (node / "node.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    status, _, err = fedcrm("budget", "show", "--node", node)
    assert status == 2
    assert len(err.splitlines()) == 1


def test_a_node_without_its_database_is_refused_and_none_is_made(node, fedcrm):
    for file in node.glob("node.sqlite*"):
        file.unlink()
    status, _, err = fedcrm("budget", "verify", "--node", node)
    assert (status, len(err.splitlines())) == (2, 1)
    assert not list(node.glob("node.sqlite*"))


@pytest.mark.parametrize("epsilon", ["0", "-1", "9", "nan"])
def test_an_epsilon_that_cannot_be_a_training_is_refused(node, fedcrm, epsilon):
    status, _, err = fedcrm("budget", "forecast", "--node", node, f"--epsilon={epsilon}")
    assert (status, len(err.splitlines())) == (2, 1)


def test_a_full_disk_nobody_had_a_word_for_is_one_line_too(monkeypatch, fedcrm, node):
    def full(_path: Path) -> NodeSettings:
        raise OSError(28, "No space left on device", "/some/file")

    monkeypatch.setattr(NodeSettings, "read", staticmethod(full))
    status, _, err = fedcrm("budget", "show", "--node", node)
    assert (status, err) == (1, "fedcrm: /some/file: No space left on device\n")


@pytest.mark.slow
def test_the_installed_command_does_the_same(node):
    command = [sys.executable, "-c", "from fedcrm.cli import main; main()", "budget", "show", "--json", "--node", node]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert json.loads(ended.stdout)["intact"] is True
