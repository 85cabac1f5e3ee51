"""The results file: what it says, what it refuses, and going on where a comparison was stopped."""

import json

import pytest

from fedcrm.errors import SettingsError
from fedcrm.evaluation.runs import Comparison, Method, Run, SetRuns

PROTOCOL = {"version": "1", "epsilon": [8.0]}


def run(method=Method.LOCAL, seed=0, values=(0.6, 0.8), epsilon=None, **more):
    return Run(method, epsilon, seed, dict(zip("ab", values, strict=True)), **more)


def comparison():
    return Comparison(PROTOCOL, (SetRuns("churn", "auc", ("a", "b", "c")),))


def always(_found):
    return True


def test_the_file_has_exactly_the_promised_keys(tmp_path):
    path = tmp_path / "results.json"
    comparison().with_seed("churn", 0, ["c"], [run(), run(Method.FEDERATED, epsilon=8.0)]).save(path)
    raw = json.loads(path.read_text())
    assert set(raw) == {"datasets", "protocol"}
    (data,) = raw["datasets"]
    assert data["name"] == "churn"
    assert data["metric"] == "auc"
    promised = {"method", "epsilon", "seed", "mean", "participants", "spearman", "spearman_max"}
    for row in data["runs"]:
        assert promised <= set(row)
    first, second = data["runs"]
    assert (first["method"], first["epsilon"], first["seed"]) == ("local", None, 0)
    assert first["mean"] == pytest.approx((0.6 + 0.8) / 2)
    assert first["spearman"] is None
    assert second["epsilon"] == 8.0


def test_method_names_are_those_that_others_read():
    assert [m.value for m in Method] == [
        "local",
        "central",
        "federated_noiseless",
        "federated",
        "federated_volume",
        "federated_uniform",
        "personal",
        "chosen",
    ]


def test_a_saved_comparison_reads_back_as_it_was(tmp_path):
    path = tmp_path / "results.json"
    made = comparison().with_seed("churn", 1, [], [run(seed=1, spearman=0.3, spearman_max=0.7, with_={"x": 1})])
    made = made.with_seed("churn", 0, ["c"], [run()])
    made.save(path)
    found = Comparison.load(path)
    assert found == made
    assert list(found.datasets[0].runs) == [0, 1]


def test_a_comparison_goes_on_with_its_own_file_and_knows_what_is_missing(tmp_path):
    path = tmp_path / "results.json"
    comparison().with_seed("churn", 1, [], [run(seed=1)]).save(path)
    resumed = comparison().resumed(path, always)
    assert resumed.missing(range(3)) == [("churn", 0), ("churn", 2)]


def test_without_a_file_it_begins(tmp_path):
    assert comparison().resumed(tmp_path / "results.json", always) == comparison()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"datasets": 3, "protocol": {}}', "\udcff"])
def test_a_file_of_somebody_else_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    before = path.read_bytes()
    with pytest.raises(SettingsError, match="not a results file"):
        comparison().resumed(path, always)
    assert path.read_bytes() == before


def test_another_protocol_is_refused_by_the_name_of_what_differs(tmp_path):
    path = tmp_path / "results.json"
    Comparison({**PROTOCOL, "epsilon": [1.0]}, comparison().datasets).save(path)
    with pytest.raises(SettingsError, match="epsilon"):
        comparison().resumed(path, always)


def test_rows_that_were_taken_out_are_noticed(tmp_path):
    path = tmp_path / "results.json"
    comparison().with_seed("churn", 0, [], [run()]).save(path)
    with pytest.raises(SettingsError, match="lacks some rows"):
        comparison().resumed(path, lambda _found: False)


def test_a_mean_that_is_not_its_participants_is_noticed(tmp_path):
    path = tmp_path / "results.json"
    comparison().with_seed("churn", 0, [], [run()]).save(path)
    path.write_text(path.read_text().replace('"mean": 0.7', '"mean": 0.9'))
    with pytest.raises(SettingsError):
        Comparison.load(path)
