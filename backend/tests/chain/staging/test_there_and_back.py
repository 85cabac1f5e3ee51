"""Extracted, trained, scored, written back: an org's records become a federation's rows, and scores in the org."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fedcrm.boosting import Settings
from fedcrm.cli import app
from fedcrm.evaluation.simulation import Federation, train_private
from fedcrm.explanation import Calibration, prepare
from fedcrm.features import DataSet, Part, load_data_set, propose_schema, split
from fedcrm.federation import WeightSettings
from fedcrm.service import ModelFacts, Privacy, Service, read_settings

pytestmark = pytest.mark.slow
QUICK = Settings(main_rounds=3, free_rounds=1, pair_rounds=0, pair_signal=1e18)
ACCOUNTS = 900
NAMES = ["North", "South", "West"]


@pytest.fixture(scope="module")
def trained(tracked, tmp_path_factory):
    """(data set directory, federation, model): the org's rows shared out to three organisations, trained privately."""
    packaged = tracked
    packaged.wipe()
    packaged.put_customers(ACCOUNTS)
    folder = tmp_path_factory.mktemp("there") / "churn"
    place = ["--orgs", str(packaged.orgs)]
    assert CliRunner().invoke(app, ["org", "pair", packaged.alias, *place]).exit_code == 0
    words = ["extract", "--org", packaged.alias, "--task", "churn", "--wait", "--out", str(folder), *place]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (done.output, done.exception)

    with gzip.open(folder / "data.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.reader(file)) - 1
    names = NAMES * rows
    with gzip.open(folder / "participants.csv.gz", "wt", encoding="utf-8") as file:
        file.write("participant\n" + "\n".join(names[:rows]) + "\n")
    description = json.loads((folder / "dataset.json").read_text())
    description["participants"] = {name: names[:rows].count(name) for name in NAMES}
    (folder / "dataset.json").write_text(json.dumps(description))
    data = load_data_set(folder, task="churn")
    federation = Federation(data, split(data, seed=0), propose_schema(data), QUICK)
    model = train_private(federation, epsilon=30.0, delta=1e-5, weights=WeightSettings())
    return folder, federation, model


def test_an_extracted_data_set_trains_and_the_model_finds_what_was_put_in(trained):
    _, federation, model = trained
    data = federation.data
    rows = np.concatenate([federation.split.rows(name, Part.TEST, Part.VALIDATION) for name in NAMES])
    table = federation.schema.encode(data, rows)
    margin = model.margin(table.X)
    ones, zeros = margin[table.y == 1], margin[table.y == 0]
    assert len(ones) > 10
    assert len(zeros) > 10
    assert np.mean(ones[:, None] > zeros[None, :]) > 0.6


def test_scores_come_back_to_the_org_and_a_second_time_changes_nothing(packaged, fedcrm, trained, tmp_path):
    _, federation, model = trained
    (run,) = packaged.rows("SELECT Vocabulary__c, Vocabulary_Digest__c FROM Extraction_Run__c LIMIT 1")
    columns = tuple(column["name"] for column in json.loads(run["Vocabulary__c"]))
    table = federation.schema.encode(federation.data, np.arange(len(federation.data.label)))
    calibration = Calibration.fit(model.margin(table.X), table.y.astype(float))
    explainer = prepare(
        model,
        federation.schema,
        table.X,
        table.y.astype(np.float64),
        calibration,
        {},
        better=-1,
        rng=np.random.default_rng(0),
    )
    settings = read_settings(data=tmp_path / "service", log_level="error")
    Service.make_storage_key(settings)
    service = Service.open(settings)
    org_id = packaged.facts["org_id"]
    service.tenants.register(org_id, packaged.alias)
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
    version = service.registry.publish(org_id, facts, explainer, {"scope": "a test"}).version
    service.close()

    words = ("score", "--org", packaged.alias, "--task", "churn", "--data", tmp_path / "service")
    status, said = fedcrm(*words)
    assert status == 0, said
    assert f"{ACCOUNTS} scored by federated model {version}, {ACCOUNTS} written ({ACCOUNTS} new)" in said
    fields = "Entity_Key__c, Score__c, Baseline__c, Other_Points__c, Explanation__c, Trend__c, Model_Version__c"
    found = {row["Entity_Key__c"]: row for row in packaged.rows(f"SELECT {fields} FROM Prediction__c")}
    assert len(found) == ACCOUNTS

    raw, key = packaged.raw("churn"), "{}:churn"
    ids = [row["Id"] for row in packaged.rows("SELECT Id FROM Account")]
    (night,) = packaged.rows("SELECT As_Of__c FROM Extraction_Run__c WHERE Purpose__c = 'Scoring'")
    as_of = dt.datetime.strptime(night["As_Of__c"], "%Y-%m-%dT%H:%M:%S.%f%z")
    texts = [raw.vector({"Id": one}, as_of) for one in ids]
    vectors = {name: [row[n] for row in texts] for n, name in enumerate(columns)}
    probability = calibration.probability(model.margin(encoded(federation, vectors)))
    for one, expected in zip(ids, probability, strict=True):
        row = found[key.format(raw.pseudonym(one))]
        assert float(row["Score__c"]) == pytest.approx(100 * expected, abs=0.051)
        assert row["Model_Version__c"] == version
        parts = json.loads(row["Explanation__c"])["attributions"]
        total = float(row["Baseline__c"]) + float(row["Other_Points__c"]) + sum(part["points"] for part in parts)
        assert total == pytest.approx(float(row["Score__c"]), abs=1e-6)

    status, said = fedcrm(*words)
    assert status == 0, said
    assert "0 written (0 new)" in said
    assert "stale" not in said

    # One grew old, one could not be renewed once, one is of an entity that only an earlier model has scored.
    packaged.apex(
        "List<Prediction__c> two = [SELECT Id FROM Prediction__c ORDER BY Entity_Key__c LIMIT 2];"
        "two[0].Scored_At__c = System.now().addDays(-6);"
        "two[0].Applied_At__c = System.now();"
        "two[1].Status__c = 'Stale';"
        "update two;"
        "insert new Prediction__c(Entity_Key__c = 'of-one-long-closed:churn', Task__c = 'churn', Score__c = 3,"
        " Model_Version__c = 'an-earlier-one', Scored_At__c = System.now());"
    )
    status, said = fedcrm(*words)
    assert status == 0, said
    assert "2 written (0 new)" in said
    assert "1 marked stale" in said
    told = packaged.rows("SELECT Entity_Key__c, Status__c, Applied_At__c, Score__c FROM Prediction__c")
    assert [row["Entity_Key__c"] for row in told if row["Status__c"] != "Current"] == ["of-one-long-closed:churn"]
    assert all(row["Applied_At__c"] is None for row in told)
    assert {float(row["Score__c"]) for row in told if row["Status__c"] == "Stale"} == {3.0}

    status, said = fedcrm(*words)
    assert status == 0, said
    assert "0 written (0 new)" in said
    assert "stale" not in said


def encoded(federation, columns):
    """Texts by feature as the model's input, by way of a data set of their own."""
    description = federation.data.description
    rows = len(next(iter(columns.values())))
    names = (NAMES * rows)[:rows]
    more = {
        "label": ["0", "1"] * (rows // 2),
        "label_source": ["inferred"] * rows,
        "as_of": ["2026-01-01T00:00:00Z"] * rows,
        "pseudonym": [f"{n:032x}" for n in range(rows)],
    }
    data = DataSet.from_columns(description, {**columns, **more}, names)
    return federation.schema.encode(data, np.arange(rows)).X
