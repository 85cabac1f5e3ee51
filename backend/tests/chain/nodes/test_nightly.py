"""The nightly work against a local org: from its records to scores in it, however often it is killed on the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
from typer.testing import CliRunner

from fedcrm.boosting import Settings
from fedcrm.cli import app
from fedcrm.errors import FedCRMError
from fedcrm.evaluation.simulation import Federation, train_private
from fedcrm.explanation import Calibration, prepare
from fedcrm.features import load_data_set, propose_schema, split
from fedcrm.federation import WeightSettings
from fedcrm.nodes import Night, Nightly, OrganisationNode, utc_text
from fedcrm.nodes.nightly_state import Step
from fedcrm.salesforce import Purpose, Retry
from fedcrm.service import ModelFacts, Privacy, Service

pytestmark = pytest.mark.slow
QUICK = Settings(main_rounds=2, free_rounds=1, pair_rounds=0, pair_signal=1e18)
ACCOUNTS = 150
ROOT = Path(__file__).resolve().parents[4]


def fedcrm(*words):
    """The `fedcrm` command: exit status, and what was said; a refusal as its one line."""
    done = CliRunner().invoke(app, [*map(str, words)])
    if isinstance(done.exception, FedCRMError):
        return done.exception.exit_status, str(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


class NodeCommand:
    """`fedcrm node ...` for one node, its directory and its org."""

    def __init__(self, packaged, directory):
        self.packaged, self.directory = packaged, directory

    def __call__(self, word, *words):
        return fedcrm("node", word, "--node", self.directory, *words)

    def night(self):
        return Night.read(self.directory / "nightly.json")


@pytest.fixture(scope="module")
def node(packaged, tmp_path_factory):
    """A node of the first org, paired; no night was run yet."""
    packaged.wipe()
    packaged.put_customers(ACCOUNTS)
    made = NodeCommand(packaged, tmp_path_factory.mktemp("nodes") / "north")
    place = ("--orgs", packaged.orgs)
    words = ("--organisation", "North", "--org", packaged.alias, "--task", "churn", "--task", "case_escalation")
    status, said = made("init", *words, "--epsilon-budget", 8, "--period", "2026", *place)
    assert status == 0, said
    assert fedcrm("org", "pair", packaged.alias, *place)[0] == 0
    return made


def publish(node):
    """Train on the node's own rows, shared out to three, and serve the model."""
    opened = OrganisationNode.open(node.directory)
    folder = opened.data("churn")
    data = load_data_set(folder, task="churn")
    names = np.array(["North", "South", "West"])[np.arange(len(data.label)) % 3]
    shared = dataclasses.replace(data, participant=names)
    federation = Federation(shared, split(shared, seed=0), propose_schema(shared), QUICK)
    model = train_private(federation, epsilon=30.0, delta=1e-5, weights=WeightSettings())
    table = federation.schema.encode(shared, np.arange(len(shared.label)))
    calibration = Calibration.fit(model.margin(table.X), table.y.astype(float))
    y = table.y.astype(np.float64)
    explainer = prepare(model, federation.schema, table.X, y, calibration, {}, better=-1, rng=np.random.default_rng(0))
    (run,) = node.packaged.rows(
        "SELECT Vocabulary__c, Vocabulary_Digest__c FROM Extraction_Run__c WHERE Task__c = 'churn' LIMIT 1"
    )
    columns = tuple(column["name"] for column in json.loads(run["Vocabulary__c"]))
    facts = ModelFacts(
        task="churn",
        origin="federated",
        round=3,
        trained_at="2026-11-20T02:00:00Z",
        withheld=False,
        vocabulary=columns,
        vocabulary_digest=run["Vocabulary_Digest__c"],
        polarity="HIGH_IS_BAD",
        privacy=Privacy(30.0, 1e-5, 3, 1.0),
    )
    service = Service.open(opened.service_settings())
    service.tenants.register(node.packaged.facts["org_id"], node.packaged.alias)
    version = service.registry.publish(node.packaged.facts["org_id"], facts, explainer, {"scope": "a test"}).version
    service.close()
    opened.close()
    return version


FIELDS = "Entity_Key__c, Score__c, Interval_Low__c, Model_Version__c, Scored_At__c, Explanation__c, Trend__c"
FAILED = "case_escalation, training: run case_escalation-training-"


def files(*folders):
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def scores(node):
    """Everything but the moment, by entity."""
    found = node.packaged.rows(f"SELECT {FIELDS} FROM Prediction__c")
    assert len({row["Entity_Key__c"] for row in found}) == len(found)
    return {
        row["Entity_Key__c"]: (row["Score__c"], row["Interval_Low__c"], row["Model_Version__c"], row["Explanation__c"])
        for row in found
    }


def moments(node):
    """When the scores say they were made, and by how many points their histories are."""
    found = node.packaged.rows(f"SELECT {FIELDS} FROM Prediction__c")
    return {row["Scored_At__c"] for row in found}, {len(json.loads(row["Trend__c"])) for row in found}


def yesterday(node):
    """The last night becomes one of yesterday, so that the next run begins a new one."""
    night = node.night()
    began = dt.datetime.fromisoformat(night.began) - dt.timedelta(days=1)
    dataclasses.replace(night, began=utc_text(began)).write(node.directory / "nightly.json")


def test_a_night_without_a_model_keeps_the_data_set_and_says_what_is_left_out(node):
    before = files(node.directory, node.packaged.orgs)
    status, said = node("run", "--dry-run")
    assert status == 0, said
    assert "churn, training: ask org1 for a training run; wait for it, read it, acknowledge it, write" in said
    assert files(node.directory, node.packaged.orgs) == before
    assert node.packaged.rows("SELECT Id FROM Extraction_Run__c") == []

    status, said = node("run")
    assert status == 1  # no case of this org was ever escalated
    assert "churn, scoring: no model serves this task yet" in said
    assert f"fedcrm: {FAILED}" in said
    data = load_data_set(node.directory / "data" / "churn", task="churn")
    assert len(data.label) == ACCOUNTS
    assert set(data.participant) == {"North"}
    (churn,) = node.packaged.rows(
        "SELECT Acknowledged_At__c FROM Extraction_Run__c WHERE Task__c = 'churn' AND Purpose__c = 'Training'"
    )
    assert churn["Acknowledged_At__c"] is not None


def test_killed_after_every_step_and_every_answer_the_scores_are_those_of_a_quiet_night(node):
    version = publish(node)
    yesterday(node)
    steps = [Step.ASK, Step.READ, Step.TIDY], [Step.ASK, Step.READ, Step.SCORE, Step.TIDY]
    with Killer(node) as killer:
        kills = 0
        while (night := node.night()).ended is None or kills == 0 or night.began < killer.began:
            for when in ("before", "after"):
                answer = killer(when, 1)
                assert answer["signal"] == signal.SIGKILL, answer
                kills += 1
            assert kills < 40
        assert kills >= 2 * sum(map(len, steps))
        for purpose, wanted in zip(Purpose, steps, strict=True):
            assert list(node.night().job("churn", purpose).done) == wanted

        killed = scores(node)
        assert len(killed) == ACCOUNTS
        assert {each[2] for each in killed.values()} == {version}
        assert [len(found) for found in moments(node)] == [1, 1]
        assert moments(node)[1] == {1}

        node.packaged.empty("Prediction__c")
        yesterday(node)
        number = -2
        while True:  # killed at the first answer, then at the fourth ...: each run comes a little further
            number += 3
            answer = killer("request", number)
            if not answer["signal"]:
                break
            assert number < 60
        assert number > 5
        assert scores(node) == killed
        assert moments(node)[1] == {1}

        node.packaged.empty("Prediction__c")
        yesterday(node)
        answer = killer("never", 0)
        assert f"fedcrm: {FAILED}" in answer["said"]
        assert answer["exit"] == 1
        assert scores(node) == killed

    opened = OrganisationNode.open(node.directory)
    assert len(opened.books("churn").ledger) == 0
    sent = list(opened.outgoing)
    opened.close()
    assert len({line.key for line in sent}) == len(sent)
    assert [line.what for line in sent].count("scores of churn with their reasons") == 3


def test_scores_that_did_not_move_are_not_written_again(node):
    before = moments(node)
    yesterday(node)
    status, said = node("run", "--task", "churn")
    assert status == 0, said
    assert f"{ACCOUNTS} scored by federated model" in said
    assert ", 0 written (0 new), 0 refused" in said
    assert moments(node) == before
    status, said = node("status", "--json")
    (churn, _) = json.loads(said)["tasks"]
    assert churn["fresh"] is True
    assert churn["data"]["rows"] == ACCOUNTS


def test_a_mapping_that_names_a_deleted_field_stops_its_own_job_only(node):
    before = node.night()
    yesterday(node)
    with node.packaged.field_deleted():
        status, said = node("run")
    assert status == 1
    assert "there is no field Account.Gone__c, or it was deleted" in said
    assert "do what it says, then extract again" in said
    assert FAILED in said
    assert node.night().job("churn", Purpose.TRAINING).data == before.job("churn", Purpose.TRAINING).data
    status, said = node("status", "--check")
    assert status == 1
    assert "! churn, scoring: org1: run " in said
    status, said = node("run", "--task", "churn")  # the same night again, and all is well
    assert status == 0, said


def test_an_org_that_is_down_fails_every_job_and_loses_nothing(node, monkeypatch):
    yesterday(node)
    before, known = node.night(), files(node.directory / "data")
    monkeypatch.setattr("requests.Session.send", unreachable)
    opened = OrganisationNode.open(node.directory)
    night = Nightly(opened, lambda _: None, retry=Retry(attempts=1)).run()
    opened.close()
    monkeypatch.undo()
    assert [(task, purpose) for task, purpose, _ in night.failures] == [
        ("churn", Purpose.TRAINING),
        ("churn", Purpose.SCORING),
        ("case_escalation", Purpose.TRAINING),
    ]
    assert files(node.directory / "data") == known
    assert night.job("churn", Purpose.SCORING).scores == before.job("churn", Purpose.SCORING).scores
    assert node("run", "--task", "churn")[0] == 0


def unreachable(self, request, **_):
    raise requests.ConnectionError("no route to host")


class Killer:
    """Runs of the nightly work that are killed; see killed_runs.py."""

    def __init__(self, node):
        self._words = [
            sys.executable,
            Path(__file__).with_name("killed_runs.py"),
            "node",
            "run",
            "--node",
            node.directory,
        ]
        self.began = utc_text(dt.datetime.now(dt.UTC))

    def __enter__(self):
        self._process = subprocess.Popen(
            [*map(str, self._words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __call__(self, when, number):
        self._process.stdin.write(f"{when} {number}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)


@pytest.fixture
def task_of(node, cci_program, tmp_path):
    """(name, option=value ...) -> exit status and lines of a CumulusCI task.

    Its `fedcrm` notes what it is asked, and leaves `node run` and `federation run` out: others run those.
    """
    program, asked = tmp_path / "fedcrm", tmp_path / "asked"
    line = [sys.executable, "-c", "from fedcrm.cli import main; main()"]
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {shlex.quote(str(asked))}\n[ "$2" = run ] && exit 0\n'
        f'export PYTHONPATH={shlex.quote(str(ROOT / "backend"))}\nexec {shlex.join(line)} "$@"\n'
    )
    program.chmod(0o700)

    def run(name, **options):
        client = node.packaged.client()
        client.limits()
        given = {
            "root": str(ROOT),
            "name": name,
            "options": {"node": str(node.directory), "command": str(program), **options},
            "url": node.packaged.facts["instance_url"],
            "token": client.session.token.value.reveal(),
            "ca_file": node.packaged.ca_file,
        }
        words = [cci_program.with_name("python"), Path(__file__).with_name("cci_tasks.py")]
        done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True, check=False)
        client.session.close()
        return done.returncode, done.stdout + done.stderr

    run.asked = lambda: asked.read_text("utf-8").splitlines()
    return run


def test_a_round_by_cumulusci_is_two_nights_and_a_training_with_made_up_peers_between(node, task_of):
    status, said = task_of("RunRound", epsilon="4")
    assert status == 0, said
    peers = [node.directory.with_name(f"north-peer{number}") for number in (1, 2)]
    nights = [line for line in task_of.asked() if line.startswith("node run")]
    assert nights == [f"node run --node {node.directory} --task churn"] * 2
    (training,) = (line for line in task_of.asked() if line.startswith("federation run"))
    listed = " ".join(f"--nodes {place}" for place in (node.directory, *peers))
    assert training.startswith(f"federation run {listed} --task churn --out {node.directory}-round --epsilon 4 --fast")
    own = load_data_set(node.directory / "data" / "churn", task="churn")
    for peer in peers:
        made = load_data_set(peer / "data" / "churn", task="churn")
        assert list(made.columns) == list(own.columns)
        assert len(made.participants) == 1
        assert 0.2 < made.label.mean() < 0.8
    status, said = task_of("RunRound", epsilon="4")  # the peers are there
    assert status == 0, said
    assert len([line for line in task_of.asked() if line.startswith("node init")]) == len(peers)


def test_cumulusci_finds_fresh_scores_of_the_model_that_serves_or_says_what_is_missing(node, task_of):
    status, said = task_of("CheckScores")
    assert status == 0, said
    assert f"churn: {ACCOUNTS} scores of churn-r3-0001" in said
    status, said = task_of("CheckScores", tasks="case_escalation")
    assert status == 1
    assert "refused: case_escalation: no model serves it; run fedcrm_run_round first." in said
    node.packaged.empty("Prediction__c")
    status, said = task_of("CheckScores")
    assert status == 1
    assert "refused: churn: the org has no score of churn-r3-0001, which serves" in said
