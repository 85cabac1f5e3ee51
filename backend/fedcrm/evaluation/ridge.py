"""Ridge logistic regression on standardised columns, the penalty chosen by cross-validated log-loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from fedcrm.evaluation.folds import Folds, log_loss

__all__ = ["PENALTIES", "RidgeLogistic", "Scale", "fit_ridge"]

PENALTIES: Sequence[float] = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)
"""Ridge penalties that are tried, on standardised columns: penalty / 2 |b|^2 beside the summed log-loss."""

_FAR = 6.0  # deviations beyond which a value pulls no harder


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Standardising, learned from some rows: logarithms, missing values at the median, flags for them.

    logs: per column, where its logarithm starts, NaN for none. The others: per column, too; flagged: columns
    whose missing values get a flag of their own.
    """

    logs: NDArray[np.float64]
    middle: NDArray[np.float64]
    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    flagged: NDArray[np.int64]

    @classmethod
    def of(cls, Z: NDArray[np.float32], logs: NDArray[np.float64]) -> Scale:
        """Learn from rows Z, (n, columns)."""
        raw = _logged(Z, logs)
        gone = np.isnan(raw)
        pairs = zip(raw.T, gone.T, strict=True)
        middle = np.array([np.median(column[~g]) if not g.all() else 0.0 for column, g in pairs])
        filled = np.where(gone, middle, raw)
        deviation = filled.std(axis=0)
        share = gone.mean(axis=0)
        flagged = np.flatnonzero((share > 0.01) & (share < 0.99))
        return cls(logs, middle, filled.mean(axis=0), np.where(deviation < 1e-9, 1.0, deviation), flagged)

    def apply(self, Z: NDArray[np.float32]) -> NDArray[np.float64]:
        """Standardised columns, then the flags, float64, (n, columns + flags)."""
        raw = _logged(Z, self.logs)
        gone = np.isnan(raw)
        scaled = (np.where(gone, self.middle, raw) - self.mean) / self.deviation
        return np.hstack([np.clip(scaled, -_FAR, _FAR), 2.0 * gone[:, self.flagged]])


@dataclass(frozen=True, slots=True, eq=False)
class RidgeLogistic:
    """A fitted regression and the penalty that was chosen."""

    scale: Scale
    coefficients: NDArray[np.float64]
    intercept: float
    penalty: float

    def margin(self, Z: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, float64, (n,)."""
        log_odds: NDArray[np.float64] = self.scale.apply(Z) @ self.coefficients + self.intercept
        return log_odds


def fit_ridge(
    Z: NDArray[np.float32], label: NDArray[np.int8], logs: NDArray[np.float64], folds: Folds
) -> tuple[RidgeLogistic, NDArray[np.float64]]:
    """Choose the penalty, then fit on all rows.

    Returns the regression and its out-of-fold margins, NaN where a row is in no fold, (n,).
    """
    margins = {penalty: np.full(len(label), np.nan) for penalty in PENALTIES}
    for held in folds:
        scale = Scale.of(Z[~held], logs)
        inside, outside = scale.apply(Z[~held]), scale.apply(Z[held])
        for penalty in PENALTIES:
            margins[penalty][held] = _regression(penalty).fit(inside, label[~held]).decision_function(outside)
    held = folds.held
    penalty = min(PENALTIES, key=lambda p: log_loss(label[held], margins[p][held]))
    scale = Scale.of(Z, logs)
    fitted = _regression(penalty).fit(scale.apply(Z), label)
    return RidgeLogistic(scale, fitted.coef_[0], float(fitted.intercept_[0]), penalty), margins[penalty]


def _regression(penalty: float) -> LogisticRegression:
    return LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-4, max_iter=100)


def _logged(Z: NDArray[np.float32], logs: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        log = np.log1p(np.maximum(Z - np.nan_to_num(logs), 0))
    chosen: NDArray[np.float64] = np.where(np.isnan(logs), Z, log)
    return chosen
