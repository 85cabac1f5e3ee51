"""A node's directory: whole or not there, opened by what its file and its ledgers say together."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from fedcrm.errors import LedgerCorrupted, SettingsError, StorageError
from fedcrm.nodes import UNIT_OF_TASK, NightlySettings, NodeConfiguration, OrganisationNode, ServicePlace
from fedcrm.privacy import PureRelease
from fedcrm.schema.definitions import _ENTITIES
from fedcrm.secrets import KeyFile

CONFIGURATION = NodeConfiguration(
    organisation='Müller "& Söhne"\\',
    org="north",
    orgs=Path("/var/lib/orgs"),
    tasks=("churn", "case_escalation"),
    period="2026",
    epsilon_budgets={"account": 8.0, "case": 4.0},
    nightly=NightlySettings(top=10),
    service=ServicePlace(port=9000),
)


@pytest.fixture
def node(tmp_path):
    made = OrganisationNode.create(tmp_path / "node", CONFIGURATION)
    yield made
    made.close()


def rewrite(node, before, after):
    path = node.directory / "node.toml"
    text = path.read_text("utf-8")
    assert text.count(before) == 1, before
    path.write_text(text.replace(before, after), "utf-8")


def test_a_file_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "node.toml"
    for wanted in (CONFIGURATION, dataclasses.replace(CONFIGURATION, nightly=NightlySettings())):
        path.write_text(wanted.to_toml(), "utf-8")
        assert NodeConfiguration.read(path) == wanted
        assert tomllib.loads(path.read_text("utf-8"))["budget"]["case"] == 4


def test_a_tasks_unit_is_the_record_that_the_package_scores():
    assert {task: entity.lower() for task, entity in _ENTITIES.items()} == UNIT_OF_TASK


def test_a_new_node_has_a_ledger_for_each_unit_and_a_storage_key(node):
    for task, unit, epsilon in (("churn", "account", 8.0), ("case_escalation", "case", 4.0)):
        ledger = node.books(task).ledger
        assert (ledger.unit, ledger.epsilon_budget, ledger.period) == (unit, epsilon, "2026")
        assert node.books(task) is node.books(task)
        assert node.models(task).is_dir()
    assert len(KeyFile(node.service / "storage.key").key()) == 32
    assert sorted(path.name for path in (node.directory / "units").iterdir()) == ["account", "case"]


def test_making_a_node_where_one_is_changes_nothing(node):
    before = {path: path.read_bytes() for path in node.directory.rglob("*") if path.is_file()}
    with pytest.raises(SettingsError, match="exists already"):
        OrganisationNode.create(node.directory, CONFIGURATION)
    assert {path: path.read_bytes() for path in node.directory.rglob("*") if path.is_file()} == before


def test_a_node_that_cannot_be_finished_is_not_there(tmp_path):
    def spent(count):
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        OrganisationNode.create(tmp_path / "node", CONFIGURATION, random_bytes=spent)
    assert list(tmp_path.iterdir()) == []


WRONG = {
    "an unknown line": ('org = "north"', 'organ = "north"', "organ: no such line"),
    "an unknown task": ('["churn", ', '["churns", ', "tasks: 'churns' is no task"),
    "a task twice": ('["churn", "case_escalation"]', '["churn", "churn"]', "tasks: one of them is named twice"),
    "no task": ('["churn", "case_escalation"]', "[]", "tasks: name at least one"),
    "a text for a number": ("account = 8.0", 'account = "8"', "budget.account: a number is meant"),
    "a budget without an end": ("account = 8.0", "account = inf", "budget.account: "),
    "a budget below zero": ("account = 8.0", "account = -1.0", "budget.account: "),
    "a unit that is none": ("account = 8.0", "accounts = 8.0", "budget.accounts: no such line"),
    "a unit without a budget": ("account = 8.0\n", "", "budget.account: missing"),
    "a period without a name": ('period = "2026"', 'period = " "', "budget.period: a period has a name"),
    "a delta of one": ("delta = 1e-05", "delta = 1", "budget.account: "),
    "a port beyond all ports": ("port = 9000", "port = 90000", "service.port: 90000 is no port"),
    "a truth for a number": ("port = 9000", "port = true", "service.port: a whole number is meant"),
    "no patience": ("patience_hours = 6.0", "patience_hours = 0", "nightly.patience_hours: 0 is out of range"),
    "an alias with a slash": ('org = "north"', 'org = "../north"', "org: '../north' is no alias"),
    "no TOML": ("[budget]", "[budget", "not TOML: "),
    "another budget": ("account = 8.0", "account = 80.0", "fedcrm budget renew --node"),
    "another period": ('period = "2026"', 'period = "2027"', "--period 2027 --epsilon 8`"),
    "another delta": ("delta = 1e-05", "delta = 1e-06", "budget.delta: it says 1e-06, the ledger of account 1e-05"),
    "another organisation": ("Müller", "Maier", "organisation: it says"),
    "a unit whose ledger was never made": (
        '["churn", "case_escalation"]',
        '["churn", "case_escalation", "lead_conversion"]',
        "budget.lead: missing",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_line_is_refused_in_one_line_that_names_it(node, case):
    before, after, words = WRONG[case]
    rewrite(node, before, after)
    with pytest.raises(SettingsError) as refused:
        OrganisationNode.open(node.directory)
    assert words in str(refused.value)
    assert str(node.directory / "node.toml") in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_new_period_is_begun_in_every_ledger_and_then_written_into_the_file(node):
    for task, epsilon in (("churn", 8.0), ("case_escalation", 2.0)):
        node.books(task).ledger.start_period("2027", epsilon_budget=epsilon)
    with pytest.raises(SettingsError, match=r"budget\.period: it says '2026'"):
        OrganisationNode.open(node.directory)
    rewrite(node, 'period = "2026"', 'period = "2027"')
    rewrite(node, "case = 4.0", "case = 2.0")
    opened = OrganisationNode.open(node.directory)
    assert opened.books("case_escalation").ledger.epsilon_budget == 2.0
    opened.close()


def test_a_ledger_that_is_gone_is_not_made_anew(node, tmp_path):
    (node.directory / "units" / "case").rename(tmp_path / "away")
    with pytest.raises(SettingsError, match="units/case is missing; bring it back"):
        OrganisationNode.open(node.directory)


def test_a_broken_ledger_stops_its_own_tasks_only(node):
    ledger = node.books("case_escalation").ledger
    with ledger.database.writing() as connection:
        for trigger in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").all():
            connection.exec_driver_sql(f'DROP TRIGGER "{trigger[0]}"')
        connection.exec_driver_sql("UPDATE ledger_entry SET body = replace(body, '2026', '2027')")
    opened = OrganisationNode.open(node.directory)
    assert opened.books("churn").ledger.unit == "account"
    with pytest.raises(LedgerCorrupted):
        opened.books("case_escalation")
    opened.close()


def test_a_task_of_somebody_else_is_refused(node):
    for ask in (node.books, node.models, node.data):
        with pytest.raises(SettingsError, match="'lead_conversion' is no task of this node"):
            ask("lead_conversion")


def test_what_left_is_written_down_with_its_charge(node):
    ledger = node.books("churn").ledger
    ledger.open_training("t", ledger.plan_training(1.0))
    receipt = ledger.charge(PureRelease(0.01, 2, "counts of examples"), training="t", key="t/counts")
    node.note_outgoing("noisy counts", "the coordinator", task="churn", charge=receipt.charge)
    node.note_outgoing("a transport key", "its own org")
    first, second = node.outgoing
    assert (first.charge.unit, first.charge.sequence) == ("account", receipt.charge.sequence)
    assert first.charge.epsilon == pytest.approx(0.02)
    assert first.charge.purpose == "counts of examples"
    assert (second.task, second.charge) == (None, None)


def test_a_line_torn_by_a_kill_takes_no_other_with_it(node):
    node.note_outgoing("one", "the coordinator")
    path = node.directory / "outgoing.jsonl"
    whole = path.read_bytes()
    for kept in range(len(whole) + 1):
        path.write_bytes(whole + whole[:kept])
        node.note_outgoing("two", "the coordinator")
        said = [sent.what for sent in node.outgoing]
        assert said[0] == "one"
        assert said[-1] == "two"


def test_a_charge_is_written_down_once_however_often_it_is_told(node):
    ledger = node.books("churn").ledger
    ledger.open_training("t", ledger.plan_training(1.0))
    for count in (1, 2):
        ledger.charge(PureRelease(0.01, count, "counts"), training="t", key=f"t/{count}")
    again = OrganisationNode.open(node.directory)
    for opened in (node, again):
        for charge in ledger:
            opened.note_outgoing("noisy counts", "the coordinator", task="churn", charge=charge)
    again.note_outgoing("scores", "its own org", key="scores of a night")
    again.note_outgoing("scores", "its own org", key="scores of a night")
    again.close()
    assert [sent.charge and sent.charge.sequence for sent in node.outgoing] == [3, 4, None]
