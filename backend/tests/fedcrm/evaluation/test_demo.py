"""`fedcrm demo` as a user runs it: a process, a directory, a table; killed, resumed, given nonsense."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xgboost as xgb

from fedcrm.boosting import SCALE, FederatedModel
from fedcrm.federation import Node

NAMES = ("North/East", "South", "West", "Overseas")


@pytest.fixture
def data(tmp_path):
    """A made-up data set directory of four organisations."""
    rng = np.random.default_rng(5)
    n = 1600
    visits, plan = rng.integers(0, 40, n), rng.choice(["month", "year"], n)
    left = rng.random(n) < 1 / (1 + np.exp(0.12 * (visits - 14) + 1.2 * (plan == "year")))
    home = tmp_path / "data"
    home.mkdir()
    rows = "".join(f"{v},{p},{'yes' if y else 'no'}\n" for v, p, y in zip(visits, plan, left, strict=True))
    (home / "data.csv.gz").write_bytes(gzip.compress(b"visits,plan,left\n" + rows.encode()))
    owners = "participant\n" + "".join(f"{NAMES[i % 4]}\n" for i in range(n))
    (home / "participants.csv.gz").write_bytes(gzip.compress(owners.encode()))
    description = {
        "name": "made_up",
        "task": "churn",
        "label": "left",
        "positive": ["yes"],
        "numeric": ["visits"],
        "ranges": {"visits": [0, 40]},
        "categories": {"plan": ["month", "year"]},
        "missing": [""],
        "order": None,
        "metric": "auc",
    }
    (home / "dataset.json").write_text(json.dumps(description))
    return home


def command(*words: object) -> list[str]:
    return [sys.executable, "-c", "from fedcrm.cli import main; main()", *map(str, words)]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command(*words), capture_output=True, text=True, env=environment, timeout=300)


def wait_for_end_of_group(group: int) -> None:
    """Workers of a killed demo once stayed behind for ever, idle: they must end with their parent."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    pytest.fail("workers outlived the demo that was killed")


def limited_to(size: int):
    """In the child: no file may grow beyond this, as on a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def check_whole(out: Path) -> dict:
    """What a finished demo leaves, held against each other."""
    results = json.loads((out / "results.json").read_text())
    model = FederatedModel.from_json((out / "model.json").read_text())
    booster = xgb.Booster(model_file=out / "model.ubj")
    X = np.array([[3, 0], [30, 1], [np.nan, 0]], dtype=np.float32)
    X = np.resize(X, (3, len(model.schema.fields)))
    predicted = booster.predict(xgb.DMatrix(X, feature_names=booster.feature_names), output_margin=True)
    assert np.allclose(predicted, model.margin(X), atol=1e-4)
    assert results["demo"]["model_digest"] == model.digest().hex()
    assert "<script" not in (out / "report.html").read_text()
    assert (out / "model_card.md").stat().st_size > 500
    directories = sorted((out / "nodes").iterdir())
    assert [d.name for d in directories] == ["North%2FEast", "Overseas", "South", "West"]
    for directory in directories:
        node = Node.open(directory)
        assert node.ledger.spent().epsilon <= node.settings.epsilon_budget
        # One charge for calibration and one a round: a resumed run paid for nothing twice.
        assert len(node.ledger) == 1 + len(results["demo"]["rounds"])
        node.close()
    return results


@pytest.mark.slow
def test_a_demo_leaves_a_whole_directory_and_prints_its_table(data, tmp_path):
    done = run("demo", "--data", data, "--fast", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert name in done.stdout
    results = check_whole(tmp_path / "out")
    methods = {run["method"] for run in results["datasets"][0]["runs"]}
    assert methods == {"local", "federated", "personal", "chosen", "central"}
    assert all(0.5 < run["mean"] <= 1 for run in results["datasets"][0]["runs"])
    refused = run("demo", "--data", data, "--fast", "--out", tmp_path / "out")
    assert refused.returncode != 0
    assert refused.stderr.count("\n") == 1
    shown = run("budget", "show", "--node", tmp_path / "out" / "nodes" / "South", "--json")
    budget = json.loads(shown.stdout)
    assert list(budget)[:6] == ["organisation", "epsilon_budget", "epsilon_spent", "delta", "charges", "intact"]
    assert budget["epsilon_spent"] <= budget["epsilon_budget"] == 8.0


@pytest.mark.slow
@pytest.mark.parametrize("after", [2.5, 5.0, 8.0])
def test_killed_at_any_moment_a_demo_goes_on_without_spending_twice(data, tmp_path, after):
    out = tmp_path / "out"
    words = ("demo", "--data", data, "--fast", "--out", out)
    process = subprocess.Popen(
        command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for_end_of_group(process.pid)
    done = run(*words, *(["--resume"] if out.exists() else []))
    assert done.returncode == 0, done.stderr
    check_whole(out)


@pytest.mark.slow
def test_budgets_may_differ_and_are_kept(data, tmp_path):
    (tmp_path / "epsilons.json").write_text(json.dumps({"South": 2.0}))
    out = tmp_path / "out"
    done = run("demo", "--data", data, "--fast", "--epsilon-per-org", tmp_path / "epsilons.json", "--out", out)
    assert done.returncode == 0, done.stderr
    organisations = {o["name"]: o for o in check_whole(out)["demo"]["organisations"]}
    assert organisations["South"]["epsilon_spent"] <= 2.0
    assert organisations["West"]["epsilon_budget"] == 8.0


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("--epsilon", "0"),
        ("--epsilon", "-1"),
        ("--k-min", "9"),
        ("--task", "win_probability"),
        ("--epsilon-per-org", "missing.json"),
        ("--unit", "account"),
        ("--resume", "--seed", "2"),
    ],
)
def test_what_a_user_gets_wrong_is_one_line_and_leaves_nothing(data, tmp_path, words):
    out = tmp_path / "out"
    if "--resume" in words:
        out.mkdir()
    done = run("demo", "--data", data, "--out", out, *words)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not out.exists() or not any(out.iterdir())


@pytest.mark.slow
def test_too_few_of_a_class_to_compare_by_is_said_before_anything_is_made(data, tmp_path):
    rows = "".join(f"{i % 40},month,{'yes' if i < 40 else 'no'}\n" for i in range(1600))
    (data / "data.csv.gz").write_bytes(gzip.compress(b"visits,plan,left\n" + rows.encode()))
    result = run("demo", "--data", data, "--out", tmp_path / "out")
    assert result.returncode == 2
    assert "five positives and five negatives" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", [3_000, 60_000, 300_000])
def test_a_full_disk_is_one_line_and_with_room_again_the_demo_goes_on(data, tmp_path, size):
    out = tmp_path / "out"
    words = ("demo", "--data", data, "--fast", "--out", out)
    full = subprocess.run(command(*words), capture_output=True, text=True, preexec_fn=limited_to(size), timeout=300)
    assert full.returncode == 1, full.stderr
    assert "Traceback" not in full.stderr
    assert full.stderr.strip().splitlines()[-1].startswith("fedcrm: ")
    assert not list(out.glob("results.json"))
    done = run(*words, *(["--resume"] if out.exists() else []))
    assert done.returncode == 0, done.stderr
    check_whole(out)


@pytest.mark.slow
def test_a_second_demo_in_the_same_place_is_refused_while_the_first_is_at_work(data, tmp_path):
    out = tmp_path / "out"
    words = ("demo", "--data", data, "--fast", "--out", out)
    first = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (out / ".lock").exists():
        assert first.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    second = run(*words, "--resume")
    assert second.returncode == 2
    assert "another process is at work" in second.stderr
    assert second.stderr.strip().count("\n") == 0
    first.kill()
    first.wait()
    assert run(*words, "--resume").returncode == 0  # whoever held the place is gone
    check_whole(out)


@pytest.fixture
def accounts(data):
    """The same table with an account on each record, some of them large."""
    rng = np.random.default_rng(6)
    table = gzip.decompress((data / "data.csv.gz").read_bytes()).decode().splitlines()
    unit = [f"{NAMES[i % 4]} {rng.integers(250) if i % 10 else 0}" for i in range(len(table) - 1)]
    rows = [table[0] + ",account", *(f"{row},{u}" for row, u in zip(table[1:], unit, strict=True))]
    (data / "data.csv.gz").write_bytes(gzip.compress(("\n".join(rows) + "\n").encode()))
    description = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**description, "unit": "account"}))
    return data


@pytest.mark.slow
def test_whole_accounts_are_protected_by_as_many_rows_as_each_may_give(accounts, tmp_path):
    out, k = tmp_path / "out", 2
    done = run("demo", "--data", accounts, "--fast", "--unit", "account", "--max-per-unit", k, "--out", out)
    assert done.returncode == 0, done.stderr
    check_whole(out)
    for directory in (out / "nodes").iterdir():
        node = Node.open(directory)
        assert node.ledger.unit == "account"
        (training,) = node.ledger.trainings()
        assert node.ledger.budget(training).unit_rows == k
        # An account's rows may all point the same way: what is charged is k times a record's.
        charged = {c.event.purpose: c.event for c in node.ledger}
        assert charged["cells"].sensitivity == pytest.approx(k * SCALE)
        node.close()
    refused = run("demo", "--data", accounts, "--max-per-unit", 2, "--out", tmp_path / "no")
    assert refused.returncode == 2
    assert not (tmp_path / "no").exists()
