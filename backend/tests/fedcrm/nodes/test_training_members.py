"""Who can take part: every node that cannot is named with its reason, and the others are not disturbed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import ExitStack

import pytest

from fedcrm.evaluation.locking import only_one
from fedcrm.features import schema_of
from fedcrm.nodes import OrganisationNode
from fedcrm.nodes.training_members import agree_on_systems, assemble
from fedcrm.nodes.training_record import State
from fedcrm.privacy import PureRelease
from fedcrm.salesforce import FeatureColumn

from .organisations import COMMON, NAMES, make_node, make_nodes, write_data


@pytest.fixture
def nodes(tmp_path):
    return make_nodes(tmp_path, 3, rows=120)


@pytest.fixture
def assembled():
    with ExitStack() as stack:
        yield lambda directories, epsilon=8.0: assemble(
            directories, "churn", "spring", epsilon=epsilon, seed=1, stack=stack
        )


def only_reason(assembled, directories, *, out):
    members, absences = assembled(directories)
    assert len(members) == len(directories) - 1
    [absence] = absences
    assert (absence.directory, absence.when) == (out, "before the training")
    return absence


def test_every_member_brings_its_own_columns_and_no_two_share_a_row(nodes, assembled):
    members, absences = assembled(nodes)
    assert absences == []
    assert tuple(members) == NAMES[:3]
    for name, member in members.items():
        assert member.holding.data.participants == (name,)
        assert member.epsilon == 8.0
        assert member.records.unit_rows == 1


def test_a_directory_that_is_no_node_is_left_as_it_is(nodes, assembled, tmp_path):
    (tmp_path / "empty").mkdir()
    absence = only_reason(assembled, [*nodes, tmp_path / "empty"], out=tmp_path / "empty")
    assert "is no organisation's node" in absence.why
    assert absence.name == "empty"
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_node_without_data_of_the_task_is_out(nodes, assembled):
    (nodes[1] / "data" / "churn").rename(nodes[1] / "data" / "elsewhere")
    assert "no data set was extracted for churn yet" in only_reason(assembled, nodes, out=nodes[1]).why


def test_a_damaged_data_set_is_named_with_its_file(nodes, assembled):
    path = nodes[0] / "data" / "churn" / "data.csv.gz"
    path.write_bytes(path.read_bytes()[:100])
    assert "data.csv.gz" in only_reason(assembled, nodes, out=nodes[0]).why


def test_too_few_examples_are_not_counted_aloud(nodes, assembled, tmp_path):
    small = make_node(tmp_path, 3, rows=60)
    absence = only_reason(assembled, [*nodes, small], out=small)
    assert absence.why == "too few examples: fewer than 50 to train on"
    assert absence.state is State.SMALL  # a rule, no failure


def test_a_corrupt_ledger_keeps_its_node_out_and_no_other(nodes, assembled):
    database = sqlite3.connect(nodes[2] / "units" / "account" / "node.sqlite")
    for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f"DROP TRIGGER {trigger}")
    [(table,)] = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%recorded_at%'"
    ).fetchall()
    database.execute(f"UPDATE {table} SET body = replace(body, '8.0', '9.0')")
    database.commit()
    database.close()
    assert "ledger entry 1" in only_reason(assembled, nodes, out=nodes[2]).why


def test_a_task_that_is_not_the_nodes_is_a_reason(tmp_path, nodes, assembled):
    path = nodes[0] / "node.toml"
    path.write_text(path.read_text("utf-8").replace('["churn"]', '["lead_conversion"]').replace("account =", "lead ="))
    assert "lead" in only_reason(assembled, nodes, out=nodes[0]).why


def test_rows_of_somebody_else_are_not_trained_on(nodes, assembled):
    (nodes[0] / "data" / "churn").rename(nodes[0] / "data" / "own")
    (nodes[1] / "data" / "churn").rename(nodes[0] / "data" / "churn")
    (nodes[0] / "data" / "own").rename(nodes[1] / "data" / "churn")
    members, absences = assembled(nodes)
    assert tuple(members) == (NAMES[2],)
    assert [f"of {NAMES[1]}, not of {NAMES[0]}" in absences[0].why, "alone" in absences[1].why] == [True, True]


def test_a_vocabulary_that_its_digest_does_not_name_is_refused(nodes, assembled):
    path = nodes[0] / "data" / "churn" / "dataset.json"
    raw = json.loads(path.read_text())
    raw["vocabulary"]["columns"][0]["unit"] = "days"
    path.write_text(json.dumps(raw))
    assert "extract anew" in only_reason(assembled, nodes, out=nodes[0]).why


def spend(directory, epsilon):
    node = OrganisationNode.open(directory)
    ledger = node.books("churn").ledger
    budget = ledger.plan_training(epsilon)
    ledger.open_training("winter", budget)
    event = PureRelease(budget.pure_epsilon, 1, "made up")
    ledger.charge(event, training="winter", key="winter")
    node.close()


def test_a_spent_budget_keeps_its_node_out_and_a_half_spent_one_pays_what_is_left(nodes, assembled):
    spend(nodes[0], 8.0)
    spend(nodes[1], 5.0)
    members, [absence] = assembled(nodes)
    assert absence.name == NAMES[0]
    assert "the budget of period 2026 is used up" in absence.why
    assert members[NAMES[1]].epsilon == pytest.approx(3.0, abs=0.01)
    assert members[NAMES[2]].epsilon == 8.0


def test_a_node_that_another_training_holds_is_out(nodes, assembled):
    with only_one(nodes[1] / "training.lock", nodes[1]):
        assert "another process is at work" in only_reason(assembled, nodes, out=nodes[1]).why


def test_one_organisation_takes_part_once(nodes, assembled, tmp_path):
    twin = make_node(tmp_path / "elsewhere", 0, rows=120)
    assert f"is {NAMES[0]}'s node already" in only_reason(assembled, [*nodes, twin], out=twin).why


def test_who_contradicts_the_others_is_out_and_blocks_follow_who_has_them(assembled, tmp_path):
    directories = make_nodes(tmp_path, 5, rows=120)
    node = OrganisationNode.open(directories[4])
    odd = FeatureColumn("activity.count_90d", "number", "days", 0, None)
    write_data(node, 4, rows=120, columns=(odd, *COMMON[1:]))
    node.close()
    members, _ = assembled(directories)
    staying, joined, [absence] = agree_on_systems(members, "churn")
    assert tuple(staying) == NAMES[:4]
    assert absence.name == NAMES[4]
    assert absence.why == "it counts 'activity.count_90d' in days where the others count it in count"
    with pytest.warns(match=r"own\.mood"):
        assert schema_of(joined.systems).blocks == ("block of product.usage_level",)
