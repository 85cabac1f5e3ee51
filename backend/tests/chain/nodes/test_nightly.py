"""The nightly work against a local org: from its records to scores in it, however often it is killed on the way."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import random

import numpy as np
import pytest
from typer.testing import CliRunner

from fedcrm.boosting import Settings
from fedcrm.cli import app
from fedcrm.errors import FedCRMError
from fedcrm.evaluation.simulation import Federation, train_private
from fedcrm.explanation import Calibration, prepare
from fedcrm.features import load_data_set, propose_schema, split
from fedcrm.federation import WeightSettings
from fedcrm.nodes import Night, OrganisationNode
from fedcrm.service import ModelFacts, Privacy, Service

pytestmark = pytest.mark.slow
QUICK = Settings(main_rounds=2, free_rounds=1, pair_rounds=0, pair_signal=1e18)
ACCOUNTS = 150


def fill(packaged):
    """Accounts of which the small ones fall silent."""
    rng, now = random.Random(4), dt.datetime.now(dt.UTC)

    def ago(days):
        return (now - dt.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    sizes = [rng.randint(1, 1000) for _ in range(ACCOUNTS)]
    rows = [
        {
            "Name": f"A{n}",
            "NumberOfEmployees": size,
            "Industry": rng.choice(("Energy", "Banking")),
            "CreatedDate": ago(900),
        }
        for n, size in enumerate(sizes)
    ]
    tasks = []
    for account, size in zip(packaged.put("Account", rows), sizes, strict=True):
        days = range(5 if rng.random() < (0.85 if size > 400 else 0.2) else 290, 460, 60)
        tasks += [
            {"WhatId": account, "Subject": "Call", "Status": "Completed", "CreatedDate": ago(day)} for day in days
        ]
    packaged.put("Task", tasks)


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
    fill(packaged)
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


def test_first(node):
    print(node("run", "--dry-run"))
    print(node("run"))
    print(node("status"))
    print(publish(node))
    print(node("run", "--dry-run"))
    print(node("run"))
    print(node("status"))
    print(node("outgoing"))
    assert 0
