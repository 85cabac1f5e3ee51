"""`make bench`: what things cost, as ratios within this one run; timings between runs or machines say little.

Secure aggregation by step, beside a plain numpy sum and Paillier; a participant's answer by rows; whole trainings
by rows, encrypted and in plain; the gate; what is read from an org and what a local org costs; predictions. Writes
bench/results.json at the top of the repository and prints a table.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import (
    apex_bench,
    boosting_bench,
    gate_bench,
    localorg_bench,
    salesforce_bench,
    secagg_bench,
    seed_bench,
    service_bench,
    staging_bench,
    wire_bench,
)
from fedcrm.evaluation.simulation import Federation, train_private
from fedcrm.evaluation.telco import telco_demo
from fedcrm.features import DataSet, propose_schema, split
from fedcrm.features.description import Description, PublicCategories, PublicRange
from fedcrm.federation import WeightSettings

RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results.json"
WIDTH = 160  # where the output is no terminal
SHARES = (0.28, 0.2, 0.15, 0.1, 0.08, 0.07, 0.06, 0.04, 0.02)


def made_up(rows: int, seed: int = 0) -> DataSet:
    """Nine organisations of uneven size with eight numbers and four categories, a third of them informative."""
    rng = np.random.default_rng(seed)
    numbers = {f"number {i}": rng.normal(size=rows).round(3) for i in range(8)}
    names = ("a", "b", "c", "d", "e")
    choices = {f"choice {i}": rng.choice(names, rows) for i in range(4)}
    margin = numbers["number 0"] - 0.7 * numbers["number 1"] * (choices["choice 0"] == "a") - 1.0
    label = np.where(rng.random(rows) < 1 / (1 + np.exp(-margin)), "yes", "no")
    description = Description(
        name="made up",
        task="churn",
        label="label",
        positive=frozenset({"yes"}),
        numeric=tuple(numbers),
        ranges={name: PublicRange(-5, 5) for name in numbers},
        categories={name: PublicCategories(names) for name in choices},
    )
    owner = np.repeat([f"organisation {i}" for i in range(len(SHARES))], [round(s * rows) for s in SHARES])
    columns = {**numbers, **choices, "label": label}
    return DataSet.from_columns(description, {k: list(v[: len(owner)]) for k, v in columns.items()}, list(owner))


def trainings(*sizes: int) -> list[dict[str, Any]]:
    """CPU seconds of a whole private training at epsilon 8 among nine: encrypted, in plain, their ratio."""
    found = []
    for rows in sizes:
        data = made_up(rows)
        federation = Federation(data, split(data, 0), propose_schema(data))
        seconds = {}
        for encrypted in (False, True):
            began = time.process_time()
            train_private(federation, epsilon=8.0, delta=1e-5, weights=WeightSettings(), encrypted=encrypted)
            seconds["encrypted" if encrypted else "plain"] = time.process_time() - began
        found.append({"rows": rows, **seconds, "ratio": seconds["encrypted"] / seconds["plain"]})
    return found


def ratios(measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What secure aggregation costs beside the two extremes: no encryption at all, and Paillier's upload."""
    cpu = {(r["n"], r["coordinates"], r["system"].split()[0], r["step"]): r["cpu_ms"] for r in measured}
    return [
        {
            "n": n,
            "coordinates": coordinates,
            "attempt / plain sum": cpu[n, coordinates, "fedcrm.secagg", "whole attempt"] / plain,
            "Paillier upload / upload": cpu[n, coordinates, "Paillier", "upload"]
            / cpu[n, coordinates, "fedcrm.secagg", "upload"],
        }
        for (n, coordinates, system, step), plain in cpu.items()
        if (system, step) == ("numpy,", "add")
    ]


def main() -> None:
    """Measure, write, print."""
    console = Console() if Console().is_terminal else Console(width=WIDTH)
    secagg = secagg_bench.rows()
    results = {
        "secure_aggregation": secagg,
        "secure_aggregation_ratios": ratios(secagg),
        "answers": boosting_bench.rows(50_000, 500_000, 5_000_000),
        "trainings": trainings(5_000, 50_000),
        "gate": gate_bench.rows([telco_demo()]),
        "local_org": localorg_bench.rows(),
        "local_org_over_the_wire": wire_bench.rows(),
        "apex_in_the_local_org": apex_bench.rows(2_000, 10_000),
        "salesforce": salesforce_bench.rows(),
        "extraction": staging_bench.rows(2_500, 10_000),
        "nine_seeded_orgs": seed_bench.rows(),
        **service_bench.rows(),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    for title, rows in results.items():
        table = Table(title=title.replace("_", " "), title_justify="left")
        headings = list(dict.fromkeys(key for row in rows for key in row))
        for heading in headings:
            table.add_column(heading)
        for row in rows:
            cells = (row.get(heading, "") for heading in headings)
            table.add_row(*(f"{c:.4g}" if isinstance(c, float) else str(c) for c in cells))
        console.print(table)
    console.print(f"Written to {RESULTS}")


if __name__ == "__main__":
    main()
