"""How often the gate refuses a model that is as good as the last one: both rules, real noise, real hold-outs.

Two models trained on the same records under the same budgets, with noise drawn anew, are equal in quality but for
chance; each is held against the other on every organisation's own hold-out, as a second training would be. How often
a model that really is worse is refused is shown beside it: a rule that never refuses has no false refusals either.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from fedcrm.boosting import FederatedModel
from fedcrm.evaluation.metrics import auc
from fedcrm.evaluation.simulation import Federation, train_private
from fedcrm.evaluation.telco import telco_demo
from fedcrm.features import DataSet, Part, blocks_of, load_data_set, propose_schema, split
from fedcrm.federation import Gate, WeightSettings, judge

WORSE = 0.2
"""Epsilon of a model whose noise has eaten most of it: what a gate is there to refuse."""


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"gate": rows([telco_demo()])}


def rows(sets: Iterable[DataSet], epsilon: float = 8.0, seeds: int = 3, redraws: int = 3) -> list[dict[str, Any]]:
    """One entry a set: refusals over all organisations, seeds and ordered pairs of `redraws` equal models.

    worse: what is refused of models trained under WORSE, and by how many points of AUC they are below.
    """
    found = []
    for data in sets:
        equal: dict[Gate, list[bool]] = {gate: [] for gate in Gate}
        worse: dict[Gate, list[bool]] = {gate: [] for gate in Gate}
        positives, below = [], []
        for seed in range(seeds):
            federation = Federation(data, split(data, seed), propose_schema(data))
            models = [_trained(federation, epsilon, draw) for draw in range(redraws)]
            poor = _trained(federation, WORSE, 0)
            for name in federation.split.participants:
                hold_out = federation.split.rows(name, Part.VALIDATION)
                y = data.label[hold_out]
                positives.append(int(min(y.sum(), len(y) - y.sum())))
                margins = [_margin(m, data, name, hold_out) for m in (*models, poor)]
                rng = np.random.default_rng(seed)
                for gate in Gate:
                    for received, last in permutations(margins[:-1], 2):
                        equal[gate].append(not judge(y, received, last, gate, rng).accepted)
                    worse[gate].extend(not judge(y, margins[-1], last, gate, rng).accepted for last in margins[:-1])
                if federation.split.evaluable(name):
                    test = federation.split.rows(name, Part.TEST)
                    good, bad = (auc(data.label[test], _margin(m, data, name, test)) for m in (models[0], poor))
                    below.append(good - bad)
        found.append(
            {
                "data": data.description.name,
                "epsilon": epsilon,
                "judged": len(equal[Gate.PAPER]),
                "rarer_class_median": float(np.median(positives)),
                **{f"false_refusals_{gate}": float(np.mean(equal[gate])) for gate in Gate},
                "worse_by_points": 100 * float(np.mean(below)),
                **{f"worse_refused_{gate}": float(np.mean(worse[gate])) for gate in Gate},
            }
        )
    return found


def _trained(federation: Federation, epsilon: float, draw: int) -> FederatedModel:
    # The seed of a simulation chooses its noise; the split stays that of the federation.
    drawn = replace(federation, seed=1_000 * draw + federation.seed)
    return train_private(drawn, epsilon=epsilon, delta=1e-5, weights=WeightSettings())


def _margin(model: FederatedModel, data: DataSet, name: str, which: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    own = model.restricted(blocks_of(model.schema, data, name))
    return own.margin(own.schema.encode(data, which).X)


if __name__ == "__main__":
    for entry in rows([load_data_set(Path(p)) for p in sys.argv[1:]] or [telco_demo()]):
        print(json.dumps(entry))  # noqa: T201  # a command's output
