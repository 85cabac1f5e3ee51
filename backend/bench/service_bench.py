"""Scores with explanations: beside XGBoost's and shap's TreeSHAP, by the hundred thousand, and over HTTP.

Seconds of this process are CPU seconds of its one thread. Over HTTP they are a client's wall seconds, so those say
something only on a machine that does nothing else; the load average stands beside them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import shap
import xgboost as xgb

from fedcrm.explanation.tree_shares import TreeTable
from fedcrm.service import Service, prediction_rows, read_settings
from fedcrm.service.messages import Record
from fedcrm.service.predictions import score_records

TREES, DEPTH, FIELDS = 300, 6, 20
CLIENTS = 8
Row = dict[str, float | int | str]


def tables() -> dict[str, list[Row]]:
    """Three tables: tree shares, explanations in the process, explanations over HTTP."""
    with tempfile.TemporaryDirectory() as folder:
        said, process = _demo(Path(folder))
        try:
            over_http = _over_http(said)
        finally:
            process.terminate()
            process.wait(30)
        inside = _inside(Path(folder), said)
    return {"tree_shares": _tree_shares(), "explanations": inside, "predictions_over_http": over_http}


def _tree_shares(seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20_000, FIELDS)).astype(np.float32)
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-X[:, 0] * X[:, 1] - X[:, 2]))).astype(float)
    parameters = {"objective": "binary:logistic", "max_depth": DEPTH, "eta": 0.1, "nthread": 1, "base_score": 0.5}
    booster = xgb.train(parameters, xgb.DMatrix(X, y, nthread=1), TREES)
    table, theirs = TreeTable.of([(1.0, booster)]), shap.TreeExplainer(booster)
    found: list[Row] = []
    for n in (1, 200, 2_000):
        part = X[:n]
        ways: dict[str, Callable[[], Any]] = {
            "ours": lambda part=part: table.shares(part),
            "pred_contribs": lambda part=part: booster.predict(xgb.DMatrix(part, nthread=1), pred_contribs=True),
            "shap": lambda part=part: theirs.shap_values(part),
        }
        seconds = {name: _cpu(way) for name, way in ways.items()}
        error = np.abs(table.shares(part) - booster.predict(xgb.DMatrix(part), pred_contribs=True)[:, :-1]).max()
        found.append(
            {
                "records": n,
                **{f"{name}_ms": 1000 * s for name, s in seconds.items()},
                "pred_contribs_over_ours": seconds["pred_contribs"] / seconds["ours"],
                "shap_over_ours": seconds["shap"] / seconds["ours"],
                "largest_difference": float(error),
            }
        )
    return found


def _demo(folder: Path) -> tuple[dict[str, Any], subprocess.Popen[str]]:
    """A demo service in a process of its own, and what it said."""
    process = subprocess.Popen(  # noqa: S603  # our own command
        [sys.executable, "-c", "from fedcrm.cli import main; main()", "serve", "--demo", "--data", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"FEDCRM_SERVICE_LOG_LEVEL": "error"},
    )
    if process.stdout is None:
        raise OSError("the demo has no output to read")
    return json.loads(process.stdout.readline()), process


def _inside(folder: Path, said: dict[str, Any]) -> list[Row]:
    """CPU milliseconds of scoring and explaining without HTTP; the demo's organisation and model."""
    service = Service.open(read_settings(data=folder))
    model = service.registry.serving(said["org_id"], said["task"])
    records = [Record.model_validate(r) for r in said["example"]["records"]]
    X = model.encoder.encode([r.vector for r in records])
    many = _varied(records, 100_000)
    steps: list[tuple[str, int, Callable[[], Any]]] = [
        ("explained, as the reply has it", 1, lambda: score_records(model, records[:1], "")),
        ("explained, as the reply has it", 200, lambda: score_records(model, records, "")),
        ("explained with changes", 200, lambda: model.explainer.explain(X)),
        ("explained without changes", 200, lambda: model.explainer.explain(X, changes=False)),
        ("scored alone", 200, lambda: model.explainer.probability(X)),
        ("rows of Prediction__c, changes included", len(many), lambda: list(prediction_rows(model, many, ""))),
    ]
    found: list[Row] = []
    for what, n, step in steps:
        seconds = _cpu(step, 1 if n > 1000 else 5)
        found.append({"what": what, "records": n, "ms": 1000 * seconds, "us_a_record": 1e6 * seconds / n})
    service.close()
    return found


def _varied(records: list[Record], count: int, seed: int = 0) -> list[Record]:
    """So many records, no two alike: a repeated one would find its texts remembered."""
    rng = np.random.default_rng(seed)
    found = []
    for n in range(count):
        like = records[n % len(records)]
        charges = f"{float(rng.uniform(20, 9_000)):.2f}"
        found.append(like.model_copy(update={"pseudonym": f"{n:032x}", "vector": [*like.vector[:-1], charges]}))
    return found


def _over_http(said: dict[str, Any]) -> list[Row]:
    body = said["example"]
    found: list[Row] = []
    for n, clients, calls in ((1, 1, 300), (200, 1, 40), (1, CLIENTS, 60), (200, CLIENTS, 12)):
        content = json.dumps({**body, "records": body["records"][:n]}).encode()
        times: list[float] = []
        threads = [threading.Thread(target=_ask, args=(said, content, calls, times)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if n == 200:
            time.sleep(20)  # the demo's limit is 50,000 records a minute
        p50, p99 = (1000 * float(np.quantile(times, q)) for q in (0.5, 0.99))
        load = os.getloadavg()[0]
        found.append(
            {"records": n, "clients": clients, "p50_ms": p50, "p99_ms": p99, "p99_over_p50": p99 / p50, "load": load}
        )
    return found


def _ask(said: dict[str, Any], content: bytes, calls: int, times: list[float]) -> None:
    headers = {"X-FedCRM-Key": said["api_key"], "Content-Type": "application/json"}
    with httpx.Client(base_url=said["url"], headers=headers, timeout=60) as client:
        for number in range(calls + 3):  # the first few open the connection
            began = time.perf_counter()
            client.post("/v1/predictions", content=content).raise_for_status()
            if number >= 3:
                times.append(time.perf_counter() - began)


def _cpu(work: Callable[[], Any], repeats: int = 5) -> float:
    """Least CPU seconds of this thread, after one run that compiles."""
    work()
    seconds = []
    for _ in range(repeats):
        began = time.thread_time()
        work()
        seconds.append(time.thread_time() - began)
    return min(seconds)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(tables(), indent=1) + "\n")
