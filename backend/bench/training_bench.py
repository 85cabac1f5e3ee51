"""Whole private trainings among nine organisations at epsilon 8, by rows: encrypted, in plain, and their ratio.

python -m bench.training_bench [ROWS...]     prints the rows as JSON
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

from fedcrm.evaluation.simulation import Federation, train_private
from fedcrm.features import DataSet, propose_schema, split
from fedcrm.features.description import Description, PublicCategories, PublicRange
from fedcrm.federation import WeightSettings

__all__ = ["rows", "tables"]

SHARES = (0.28, 0.2, 0.15, 0.1, 0.08, 0.07, 0.06, 0.04, 0.02)


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"trainings": rows(5_000, 50_000)}


def rows(*sizes: int) -> list[dict[str, Any]]:
    """CPU seconds of a whole private training at epsilon 8 among nine: encrypted, in plain, their ratio."""
    found = []
    for size in sizes:
        data = _made_up(size)
        federation = Federation(data, split(data, 0), propose_schema(data))
        seconds = {}
        for encrypted in (False, True):
            began = time.process_time()
            train_private(federation, epsilon=8.0, delta=1e-5, weights=WeightSettings(), encrypted=encrypted)
            seconds["encrypted" if encrypted else "plain"] = time.process_time() - began
        found.append({"rows": size, **seconds, "ratio": seconds["encrypted"] / seconds["plain"]})
    return found


def _made_up(rows: int, seed: int = 0) -> DataSet:
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


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(rows(*(map(int, sys.argv[1:]) if len(sys.argv) > 1 else (5_000, 50_000))), indent=1) + "\n"
    )
