"""The nightly work with a double in the org's place: the order of things, what a failure stops, what is kept."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field

import pytest
from typer.testing import CliRunner

from fedcrm.cli import app
from fedcrm.errors import BlockRefused, OrgUnreachable, RunRefused, SettingsError, StorageError
from fedcrm.evaluation.locking import only_one
from fedcrm.nodes import (
    Night,
    Nightly,
    NodeConfiguration,
    OrganisationNode,
    Scores,
    WrittenVectors,
    planned_steps,
    status_of,
)
from fedcrm.nodes.nightly_state import STEPS
from fedcrm.salesforce import Orgs, Purpose, RegisteredOrg, RowFailure, Secret, SessionToken, WriteReport
from fedcrm.salesforce.blocks import TransportKey
from fedcrm.salesforce.pairing import Pairing
from fedcrm.salesforce.staging import OrgRun, Status
from fedcrm.service import ModelFacts, ScoredRun, Service

ORG_ID = "00D010000000001EAA"
PAIRING = Pairing(ORG_ID, None, (TransportKey("k1", b"x" * 32),))
TASKS = ("churn", "case_escalation")
NOW = dt.datetime(2026, 11, 24, 1, 30, tzinfo=dt.UTC)


@dataclass
class Double:
    """An org that does as it is told. trouble: by (task, purpose, what it is asked), what it answers with."""

    said: list[str] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    trouble: dict[tuple[str, str, str], Exception] = field(default_factory=dict)
    failed: tuple[RowFailure, ...] = ()
    refused: int = 0
    alias: str = "north"
    org_id: str = ORG_ID
    pairing: Pairing = PAIRING

    def say(self, line):
        self.said.append(line)

    def staging(self, task, purpose):
        return DoubleStaging(self, task, purpose)

    def note(self, task, purpose, what):
        self.asked.append((task, purpose.value.lower(), what))
        if (wrong := self.trouble.get(self.asked[-1])) is not None:
            raise wrong

    def write_training(self, task, out, organisation):
        self.note(task, Purpose.TRAINING, "write")
        out.mkdir(exist_ok=True)
        return WrittenVectors("run", 5, 3)

    def score(self, registry, task, *, scored_at, change, top, failures):
        self.note(task, Purpose.SCORING, "score")
        done = ScoredRun(
            7, self.refused, ("another vocabulary.",) if self.refused else (), WriteReport(7, 7, self.failed)
        )
        return Scores("v1", "personal", done)


@dataclass
class DoubleStaging:
    org: Double
    task: str
    purpose: Purpose

    def start(self):
        self.org.note(self.task, self.purpose, "start")
        return self.find(f"{self.task} {self.purpose.value}")

    def find(self, run_id):
        return OrgRun(run_id, "key", Status.COMPLETED, "", 1, 1, "", "", "", "", "", "", "")

    def wait(self, run, patience):
        assert run.id == f"{self.task} {self.purpose.value}"
        assert patience == 6 * 3600
        self.org.note(self.task, self.purpose, "wait")
        return run

    def fetch(self):
        self.org.note(self.task, self.purpose, "fetch")

    def tidy(self):
        self.org.note(self.task, self.purpose, "tidy")


@pytest.fixture
def node(tmp_path):
    orgs = Orgs.create(tmp_path / "orgs")
    orgs.add(RegisteredOrg("north", "https://north.example.com", SessionToken(Secret("t"))))
    orgs.pairing("north").write(PAIRING)
    budgets = {"account": 8.0, "case": 8.0}
    configuration = NodeConfiguration("North", "north", tmp_path / "orgs", TASKS, "2026", budgets)
    made = OrganisationNode.create(tmp_path / "node", configuration)
    yield made
    made.close()


@pytest.fixture
def org(monkeypatch):
    double = Double()
    monkeypatch.setattr("fedcrm.nodes.nightly.OwnOrg.open", lambda *_, **__: double)
    return double


@pytest.fixture
def served(node, monkeypatch):
    """Both tasks have a model in the node's service."""
    service = Service.open(node.service_settings())
    monkeypatch.setattr("fedcrm.service.registry.pack", lambda explainer: b"")
    service.tenants.register(ORG_ID, "north")
    for task in TASKS:
        facts = ModelFacts(task, "personal", 3, "2026-11-20T02:00:00Z", False, (), "", "HIGH_IS_BAD", None)
        service.registry.publish(ORG_ID, facts, None, {})
    service.close()


def night_of(node, org, *tasks, now=NOW):
    return Nightly(node, org.said.append, tasks, now=lambda: now).run()


def whole(node, org, task, purpose):
    return Night.read(node.directory / "nightly.json").job(task, purpose).done == STEPS[purpose]


def test_every_run_is_asked_for_before_the_first_is_waited_for(node, org, served):
    assert night_of(node, org).failures == ()
    kinds = [what for _, _, what in org.asked]
    assert kinds[:4] == ["start"] * 4
    assert "start" not in kinds[4:]
    assert [one for one in org.asked if one[0] == "churn"][2:] == [
        ("churn", "training", "wait"),
        ("churn", "training", "fetch"),
        ("churn", "training", "write"),
        ("churn", "training", "tidy"),
        ("churn", "scoring", "wait"),
        ("churn", "scoring", "fetch"),
        ("churn", "scoring", "score"),
        ("churn", "scoring", "tidy"),
    ]
    for task in TASKS:
        assert all(whole(node, org, task, purpose) for purpose in Purpose)


def test_without_a_model_nothing_is_asked_for_scoring(node, org):
    assert night_of(node, org).failures == ()
    assert {purpose for _, purpose, _ in org.asked} == {"training"}
    assert [line for line in org.said if "no model serves this task yet" in line]


TROUBLE = {
    "an org that is down": (
        "start",
        OrgUnreachable("north", "no answer", "look at the network"),
        "look at the network",
    ),
    "a run that was stopped": (
        "wait",
        RunRefused("north", run="r", status="Stopped", reason="no field"),
        "do what it says",
    ),
    "a block that was changed": ("fetch", BlockRefused("run r: the MAC does not hold"), "the MAC does not hold"),
    "a full disk": ("write", OSError(28, "No space left on device", "/x/data"), "make room or mend the disk"),
    "a database that is read-only": ("tidy", StorageError("/x: read-only"), "make room or mend the disk"),
}


@pytest.mark.parametrize("case", TROUBLE)
def test_what_fails_stops_its_own_job_and_is_done_anew_by_the_next_run(node, org, served, case):
    what, error, remedy = TROUBLE[case]
    org.trouble = {("churn", "training", what): error}
    night = night_of(node, org)
    ((task, purpose, failure),) = night.failures
    assert (task, purpose) == ("churn", Purpose.TRAINING)
    assert remedy in failure.line
    assert "\n" not in failure.line
    for other in (("churn", Purpose.SCORING), *((TASKS[1], each) for each in Purpose)):
        assert whole(node, org, *other)

    org.trouble, org.asked = {}, []
    assert night_of(node, org, now=NOW + dt.timedelta(hours=2)).failures == ()
    assert {each[:2] for each in org.asked} == {("churn", "training")}
    assert org.asked[0] == ("churn", "training", "start")


def test_a_night_that_went_well_is_followed_by_a_new_one(node, org, served):
    night_of(node, org)
    org.asked = []
    night_of(node, org, now=NOW + dt.timedelta(minutes=1))
    assert [what for _, _, what in org.asked].count("start") == 4


def test_what_failed_yesterday_is_no_part_of_today_but_what_succeeded_is_remembered(node, org, served):
    night_of(node, org)
    org.trouble = {("churn", "training", "wait"): OrgUnreachable("north", "no answer", "look")}
    tomorrow = night_of(node, org, now=NOW + dt.timedelta(days=1))
    assert tomorrow.job("churn", Purpose.TRAINING).data.at == "2026-11-24T01:30:00Z"
    assert tomorrow.job("churn", Purpose.SCORING).scores.at == "2026-11-25T01:30:00Z"
    org.trouble, org.asked = {}, []
    assert night_of(node, org, now=NOW + dt.timedelta(days=2)).failures == ()
    assert len(org.asked) == 2 * (5 + 5)


def test_only_the_tasks_named_are_worked_on(node, org, served):
    night_of(node, org, "churn")
    assert {task for task, _, _ in org.asked} == {"churn"}
    with pytest.raises(SettingsError, match="'lead_conversion' is no task of this node"):
        night_of(node, org, "lead_conversion")


def test_two_runs_at_once_are_refused(node, org):
    place = node.directory
    with only_one(place / "nightly.lock", place), pytest.raises(SettingsError, match=r"at work in .*; wait for it$"):
        night_of(node, org)
    assert org.asked == []


def test_scores_that_the_org_refused_are_a_failure_and_those_it_took_are_scores(node, org, served):
    org.failed = (RowFailure("k", "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", ()),)
    night = night_of(node, org, "churn")
    ((_, _, failure),) = night.failures
    assert "the org refused 1 scores, the first with FIELD_CUSTOM_VALIDATION_EXCEPTION no" in failure.line
    assert night.job("churn", Purpose.SCORING).scores.scored == 7


def test_vectors_that_do_not_fit_the_model_are_a_failure_with_a_remedy(node, org, served):
    org.refused = 2
    ((_, _, failure),) = night_of(node, org, "churn").failures
    assert failure.line.startswith("2 vectors were not scored: another vocabulary.")
    assert "train again" in failure.line


def test_a_disk_that_is_full_for_the_state_itself_is_told(node, org, served, monkeypatch):
    def full(*_, **__):
        raise StorageError("/x: No space left on device")

    monkeypatch.setattr("fedcrm.nodes.nightly_state.write_atomically", full)
    with pytest.raises(StorageError, match="No space left"):
        night_of(node, org)
    assert any("how the night stands cannot be kept" in line for line in org.said)
    monkeypatch.undo()


def test_what_stays_in_its_own_systems_is_logged_as_that_and_once(node, org, served):
    night_of(node, org)
    night_of(node, org, now=NOW + dt.timedelta(days=1))
    lines = list(node.outgoing)
    assert [line.what.split(",")[0] for line in lines] == [
        "transport key k1",
        *(f"scores of {task} with their reasons" for task in (*TASKS, *TASKS)),
    ]
    assert all("stay" in line.to and "inside its own systems" in line.to for line in lines)
    assert all(line.charge is None for line in lines)


def test_a_dry_run_asks_nobody_and_writes_nothing(node, served, monkeypatch):
    def asked(*_, **__):
        raise AssertionError("the org was asked")

    monkeypatch.setattr("requests.Session.send", asked)
    before = {path: path.read_bytes() for path in node.directory.parent.rglob("*") if path.is_file()}
    lines = planned_steps(node, now=NOW)
    assert {path: path.read_bytes() for path in node.directory.parent.rglob("*") if path.is_file()} == before
    assert len(lines) == 4
    assert "score by personal model churn-r3-0001 and write back to north what is new or has moved" in lines[1]


def test_a_state_that_cannot_be_read_is_told_and_not_taken_for_none(node, org):
    path = node.directory / "nightly.json"
    for text in ("{", "[]", '{"began": "yesterday", "ended": null, "jobs": []}', '{"began": 1}'):
        path.write_text(text)
        with pytest.raises(StorageError, match="remove it, and the next night begins anew"):
            night_of(node, org)


def test_status_says_what_failed_how_old_scores_are_and_what_is_left(node, org, served):
    org.trouble = {("churn", "training", "wait"): OrgUnreachable("north", "no answer", "look at the network")}
    night_of(node, org)
    ledger = node.books("churn").ledger
    found = status_of(node, NOW + dt.timedelta(hours=35))
    assert found.problems == ("churn, training: north: no answer; look at the network",)
    churn, case = found.tasks
    assert (churn.data, case.data.rows) == (None, 5)
    assert (churn.score_hours, churn.fresh) == (35.0, True)
    assert churn.serving.version == "churn-r3-0001"
    assert found.units[0].largest_training == ledger.epsilon_budget
    stale = status_of(node, NOW + dt.timedelta(hours=37))
    assert sum("scores are 37 hours old; run `fedcrm node run" in line for line in stale.problems) == 2


# --- the command -----------------------------------------------------------------------------------


def command(*words):
    done = CliRunner().invoke(app, [*map(str, words)])
    return done.exit_code, done.output, done.exception


INIT = ("--organisation", "South", "--org", "north", "--task", "churn", "--task", "case_escalation", "--period", "2026")


def test_init_says_what_to_do_next_and_twice_says_that_it_is_there(node, tmp_path):
    place = tmp_path / "south"
    words = ("node", "init", "--node", place, *INIT, "--epsilon-budget", "8", "--epsilon-budget", "case=2")
    status, said, _ = command(*words, "--orgs", tmp_path / "orgs")
    assert status == 0, said
    assert f"1. fedcrm org pair north --orgs {tmp_path / 'orgs'}" in said
    opened = OrganisationNode.open(place)
    assert [opened.books(task).ledger.epsilon_budget for task in TASKS] == [8.0, 2.0]
    opened.close()
    _, _, refused = command(*words, "--orgs", tmp_path / "orgs")
    assert isinstance(refused, SettingsError)
    assert "exists already" in str(refused)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--org", "east", "no org of the alias 'east'; known: north"),
        ("--epsilon-budget", "much", "a number is meant"),
        ("--epsilon-budget", "nan", "a finite number is meant"),
        ("--epsilon-budget", "dog=3", "budget.dog: no such line"),
        ("--task", "weather", "'weather' is no task"),
        ("--organisation", " ", "organisation: "),
    ],
)
def test_init_refuses_in_one_line_and_leaves_nothing(node, tmp_path, option, value, words):
    place = tmp_path / "south"
    given = (
        "node",
        "init",
        "--node",
        place,
        *INIT,
        "--epsilon-budget",
        "8",
        "--orgs",
        tmp_path / "orgs",
        option,
        value,
    )
    _, _, refused = command(*given)
    assert isinstance(refused, SettingsError)
    assert words in str(refused)
    assert not place.exists()


def test_run_ends_with_a_line_a_failure_and_status_shows_it(node, org, served):
    org.trouble = {(task, "training", "wait"): OrgUnreachable("north", "no answer", "look") for task in TASKS}
    status, said, _ = command("node", "run", "--node", node.directory)
    assert status == 1
    assert [line for line in said.splitlines() if line.startswith("fedcrm: ")] == [
        f"fedcrm: {task}, training: north: no answer; look" for task in TASKS
    ]
    status, said, _ = command("node", "status", "--node", node.directory, "--json")
    assert status == 0
    assert json.loads(said)["problems"] == [f"{task}, training: north: no answer; look" for task in TASKS]
    assert command("node", "status", "--node", node.directory, "--check")[0] == 1
    status, said, _ = command("node", "status", "--node", node.directory)
    assert "! churn, training: north: no answer; look" in said
    status, said, _ = command("node", "outgoing", "--node", node.directory, "--json")
    assert len(json.loads(said)) == 3


def test_a_directory_that_is_no_node_is_told(tmp_path):
    for word in ("run", "status", "outgoing"):
        _, _, refused = command("node", word, "--node", tmp_path)
        assert str(refused) == f"{tmp_path} is no organisation's node: `fedcrm node init` makes one"
