"""`fedcrm evaluate` as a user meets it: a small federation on disk, and everything one can get wrong."""

import gzip
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from fedcrm.evaluation.locking import only_one


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Three organisations with 220 rows each."""
    place = tmp_path_factory.mktemp("sets") / "made_up"
    place.mkdir()
    rng = np.random.default_rng(5)
    n = 660
    visits, plan = rng.integers(0, 60, n), rng.choice(["monthly", "yearly"], n)
    left = rng.random(n) < 1 / (1 + np.exp(0.08 * visits - 1.5 + 0.8 * (plan == "yearly")))
    pairs = zip(visits, plan, left, strict=True)
    rows = ["visits,plan,left", *(f"{v},{p},{'yes' if y else 'no'}" for v, p, y in pairs)]
    who = ["participant", *(name for name in ("North", "South", "West") for _ in range(n // 3))]
    for name, lines in (("data", rows), ("participants", who)):
        with gzip.open(place / f"{name}.csv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
    description = {
        "name": "made_up",
        "task": "win_probability",
        "label": "left",
        "positive": ["yes"],
        "numeric": ["visits"],
        "order": None,
        "missing": [""],
        "metric": "auc+spearman",
        "participants": {"North": 220, "South": 220, "West": 220},
    }
    (place / "dataset.json").write_text(json.dumps(description))
    return place


def evaluate(*arguments):
    command = [sys.executable, "-c", "from fedcrm.cli import main; main()", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_an_evaluation_writes_every_row_and_goes_on_where_it_was(directory, tmp_path):
    out = tmp_path / "results.json"
    done = evaluate(directory, "--epsilon", "8", "--seeds", "1", "--out", out, "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "North" in done.stdout
    raw = json.loads(out.read_text())
    rows = raw["datasets"][0]["runs"]
    assert [(r["method"], r["epsilon"]) for r in rows] == [
        *((m, None) for m in ("local", "central", "federated_noiseless", "personal", "chosen")),
        *((m, 8.0) for m in ("federated", "federated_volume", "federated_uniform", "personal", "chosen")),
    ]
    assert all(0.5 < r["mean"] < 1 for r in rows)
    assert all(abs(r["spearman"]) <= r["spearman_max"] + 0.01 for r in rows)
    before = out.read_bytes()
    again = evaluate(directory, "--epsilon", "8", "--seeds", "1", "--out", out)
    assert again.returncode == 0
    assert out.read_bytes() == before
    other = evaluate(directory, "--epsilon", "4", "--seeds", "1", "--out", out)
    assert other.returncode != 0
    assert "epsilon" in other.stderr
    assert out.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--epsilon", "0"], "epsilon"),
        (["--epsilon", "eight"], "epsilon"),
        (["--epsilon", "8,8"], "twice"),
        (["--seeds", "0"], "seeds"),
        (["--task", "churn"], "churn"),
        (["--by-time"], "time"),
        (["--out", "nowhere/at/all.json"], "does not exist"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_a_status(directory, wrong, says):
    done = evaluate(directory, *wrong)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert says in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("fedcrm: ")


@pytest.mark.slow
def test_a_word_about_the_data_is_one_line_without_a_place_in_our_code(directory, tmp_path):
    odd = tmp_path / "odd"
    shutil.copytree(directory, odd)
    description = json.loads((odd / "dataset.json").read_text())
    (odd / "dataset.json").write_text(json.dumps({**description, "colour": "blue"}))
    done = evaluate(odd, "--by-time")
    said = " ".join(done.stderr.split())  # lines break where the terminal does
    assert f"fedcrm: note: {odd / 'dataset.json'}: unknown key 'colour' is ignored" in said
    assert "DataSetWarning" not in said


@pytest.mark.slow
def test_two_evaluations_into_one_file_are_refused(directory, tmp_path):
    out = tmp_path / "results.json"
    with only_one(out.with_name(".results.json.lock"), out):
        done = evaluate(directory, "--epsilon", "8", "--seeds", "1", "--out", out)
    assert done.returncode == 2
    assert "another process is at work" in done.stderr.splitlines()[-1]
    assert not out.exists()
