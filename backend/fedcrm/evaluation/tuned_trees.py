"""XGBoost with depth, bins and number of rounds chosen by cross-validated log-loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from fedcrm.evaluation.folds import Folds

__all__ = ["GRID", "TunedTrees", "fit_trees"]

_COMMON = {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1, "subsample": 0.8}
_MOST_ROUNDS, _PATIENCE = 500, 20
_REFIT = 1.1  # rounds for all rows, relative to the best for the folds' fewer rows


def _settings(depth: int, eta: float, child: int, ridge: float, columns: float, bins: int) -> Mapping[str, Any]:
    return MappingProxyType(
        _COMMON
        | {"max_depth": depth, "eta": eta, "min_child_weight": child, "reg_lambda": ridge}
        | {"colsample_bytree": columns, "max_bin": bins}
    )


GRID: Sequence[Mapping[str, Any]] = (
    _settings(2, 0.10, 5, 5, 0.6, 64),
    _settings(4, 0.10, 3, 2, 0.6, 64),
    _settings(6, 0.06, 5, 10, 0.4, 64),
    _settings(8, 0.06, 2, 5, 0.4, 1_024),
)
"""Settings that are tried; the fine bins matter where amounts repeat."""


@dataclass(frozen=True, slots=True, eq=False)
class TunedTrees:
    """Boosters with weights that sum to 1: half for one on all rows, half for those of the folds.

    settings: what was chosen; rounds: how many, before the refit.
    """

    boosters: tuple[tuple[float, xgb.Booster], ...]
    settings: Mapping[str, Any]
    rounds: int

    def margin(self, Z: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, float64, (n,)."""
        matrix = xgb.DMatrix(Z, nthread=1)
        total = np.zeros(len(Z))
        for weight, booster in self.boosters:
            total += weight * booster.predict(matrix, output_margin=True)
        return total


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """One line of the grid, cross-validated."""

    settings: Mapping[str, Any]
    loss: float
    rounds: int
    boosters: tuple[xgb.Booster, ...]


def fit_trees(
    Z: NDArray[np.float32], label: NDArray[np.int8], folds: Folds, seed: int, grid: Sequence[Mapping[str, Any]] = GRID
) -> tuple[TunedTrees, NDArray[np.float64]]:
    """Choose, then fit on all rows.

    Z: (n, columns), NaN = missing.

    Returns the trees and the out-of-fold margins of the chosen settings, NaN where a row is in no fold, (n,).
    """
    best = min((_try(settings, Z, label, folds, seed) for settings in grid), key=lambda trial: trial.loss)
    margins = np.full(len(label), np.nan)
    kept = []
    for booster, held in zip(best.boosters, folds, strict=True):
        shorter = booster[: min(best.rounds, booster.num_boosted_rounds())]
        margins[held] = shorter.predict(xgb.DMatrix(Z[held], nthread=1), output_margin=True)
        kept.append((0.5 / len(folds), shorter))
    whole = xgb.QuantileDMatrix(Z, label, max_bin=best.settings["max_bin"], nthread=1)
    settings = {**best.settings, "seed": seed + 1}
    kept.append((0.5, xgb.train(settings, whole, max(1, round(best.rounds * _REFIT)))))
    return TunedTrees(tuple(kept), best.settings, best.rounds), margins


def _try(
    settings: Mapping[str, Any], Z: NDArray[np.float32], label: NDArray[np.int8], folds: Folds, seed: int
) -> _Trial:
    """Boost every fold until its held-out loss has stopped falling; the mean curve says how many rounds are best."""
    curves, boosters = [], []
    for held in folds:
        bins = settings["max_bin"]
        train = xgb.QuantileDMatrix(Z[~held], label[~held], max_bin=bins, nthread=1)
        check = xgb.QuantileDMatrix(Z[held], label[held], ref=train, max_bin=bins, nthread=1)
        history: dict[str, dict[str, list[float]]] = {}
        boosters.append(
            xgb.train(
                {**settings, "seed": seed},
                train,
                _MOST_ROUNDS,
                evals=[(check, "held")],
                evals_result=history,
                early_stopping_rounds=_PATIENCE,
                verbose_eval=False,
            )
        )
        curve = np.array(history["held"]["logloss"])
        # A fold that stopped early stays where it stopped.
        curves.append(np.append(curve, np.full(_MOST_ROUNDS - len(curve), curve[-1])))
    mean = np.mean(curves, axis=0)
    rounds = int(np.argmin(mean)) + 1
    return _Trial(settings, float(mean[rounds - 1]), rounds, tuple(boosters))
