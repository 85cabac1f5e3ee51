"""What federated learning has to beat: a strong model on own rows, and pooled training without privacy.

Both are the same machine with the same freedom: XGBoost with depth, bins and rounds chosen by cross-validation,
ridge logistic regression, stacked with non-negative weights on out-of-fold margins. A weak opponent would make
any method look good: this one is 1.6 points above XGBoost with usual settings on four public sets.

Rows handed in are for training, train and validation parts together; test rows are scored once, outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from fedcrm.features import Kind, Schema, Table

__all__ = ["Central", "Stack", "fit_central", "fit_local"]

Vector = NDArray[np.float64]
Matrix = NDArray[np.float32]

_COMMON: Mapping[str, Any] = {"objective": "binary:logistic", "tree_method": "hist", "nthread": 1, "subsample": 0.8}
_DEPTH_2 = {"max_depth": 2, "eta": 0.1, "min_child_weight": 5, "reg_lambda": 5, "colsample_bytree": 0.6, "max_bin": 64}
_DEPTH_4 = {"max_depth": 4, "eta": 0.1, "min_child_weight": 3, "reg_lambda": 2, "colsample_bytree": 0.6, "max_bin": 64}
_DEPTH_6 = {
    "max_depth": 6,
    "eta": 0.06,
    "min_child_weight": 5,
    "reg_lambda": 10,
    "colsample_bytree": 0.4,
    "max_bin": 64,
}
_DEPTH_8 = {
    "max_depth": 8,
    "eta": 0.06,
    "min_child_weight": 2,
    "reg_lambda": 5,
    "colsample_bytree": 0.4,
    "max_bin": 1024,
}
_SMALL = 1_500  # rows below which only shallow or strongly regularised trees pay
_MOST_ROUNDS, _PATIENCE = 500, 20
_RIDGE = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # scikit-learn's C
_STACK_PENALTY = 20.0


def fit_local(table: Table, schema: Schema, seed: int) -> Stack:
    """The strong local model of one participant: its own rows only, at least two of each class.

    Deterministic in (table, seed). Raises ValueError with fewer of a class.
    """
    return _fit(_Columns.of(schema, ()), table.X, None, table.y, seed)


def fit_central(tables: Mapping[str, Table], schema: Schema, seed: int) -> Central:
    """One model on everybody's rows pooled, without privacy; who a row belongs to may be used where it helps.

    Deterministic in (tables, seed). Raises ValueError with fewer than two rows of a class.
    """
    names = tuple(sorted(tables))
    X = np.concatenate([tables[n].X for n in names])
    y = np.concatenate([tables[n].y for n in names])
    owner = np.repeat(np.arange(len(names)), [len(tables[n]) for n in names])
    return Central(_fit(_Columns.of(schema, names), X, owner, y, seed), names)


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """b + w_trees * trees + w_linear * linear, in margin space, w >= 0."""

    columns: _Columns
    trees: _Trees
    linear: _Linear
    weights: tuple[float, float]
    intercept: float

    def margin(self, X: Matrix, owner: NDArray[np.int64] | None = None) -> Vector:
        """Log-odds of encoded records, float64, (n,). owner: position of each row's participant; central only."""
        Z = self.columns.expand(X, owner)
        parts = self.trees.margin(Z), self.linear.margin(Z)
        return self.intercept + self.weights[0] * parts[0] + self.weights[1] * parts[1]


@dataclass(frozen=True, slots=True, eq=False)
class Central:
    """The pooled model, asked for one participant's records at a time."""

    stack: Stack
    participants: tuple[str, ...]

    def margin(self, X: Matrix, participant: str) -> Vector:
        """Log-odds of one participant's encoded records, float64, (n,)."""
        owner = np.full(len(X), self.participants.index(participant))
        return self.stack.margin(X, owner)


def _fit(columns: _Columns, X: Matrix, owner: NDArray[np.int64] | None, y: NDArray[np.int8], seed: int) -> Stack:
    if min(int(y.sum()), len(y) - int(y.sum())) < 2:
        raise ValueError("a model needs at least two rows of each class")
    Z, folds = columns.expand(X, owner), _folds(y, seed)
    trees, from_trees = _fit_trees(Z, y, folds, seed, columns)
    linear, from_linear = _fit_linear(Z, y, folds, columns)
    held = folds >= 0
    weights, intercept = _stack(np.stack([from_trees[held], from_linear[held]], axis=1), y[held])
    return Stack(columns, trees, linear, weights, intercept)


# --- folds, columns, stacking ------------------------------------------------------------------------


def _folds(y: NDArray[np.int8], seed: int) -> NDArray[np.int64]:
    """Fold of each row, stratified: 5 folds below 3,000 rows, 3 below 8,000, then one hold-out of a quarter (rest -1)."""
    rows = len(y)
    rarer = min(int(y.sum()), rows - int(y.sum()))
    count = min(5 if rows < 3_000 else 3 if rows < 8_000 else 4, rarer)
    rng = np.random.default_rng(seed)
    fold = np.empty(rows, dtype=np.int64)
    for value in (0, 1):
        members = rng.permutation(np.flatnonzero(y == value))
        fold[members] = np.arange(len(members)) % count
    return np.where(fold == 0, 0, -1) if rows >= 8_000 else fold


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """From encoded fields to columns that trees and linear models read: categories one column each."""

    levels: tuple[int, ...]  # by field; 0 for a numeric one
    log_from: tuple[float, ...]  # by field; low of a field that spreads by factor, else NaN
    owners: int

    @classmethod
    def of(cls, schema: Schema, participants: Sequence[str]) -> _Columns:
        levels = tuple(f.levels if f.kind is Kind.CATEGORICAL else 0 for f in schema.fields)
        log_from = tuple(float(f.low) if f.log and f.low is not None else np.nan for f in schema.fields)
        return cls(levels, log_from, len(participants))

    def expand(self, X: Matrix, owner: NDArray[np.int64] | None) -> Matrix:
        """(n, columns): numeric fields as they are, NaN = missing; owners' indicators last."""
        parts = []
        for j, levels in enumerate(self.levels):
            parts.append(X[:, j : j + 1] if levels == 0 else _one_hot(X[:, j], levels))
        if owner is not None:
            parts.append(_one_hot(owner.astype(np.float32), self.owners))
        return np.ascontiguousarray(np.hstack(parts), dtype=np.float32)

    def logs(self) -> Vector:
        """Per column: where its logarithm starts, NaN for none, (columns,)."""
        per_field = [
            [start] if levels == 0 else [np.nan] * levels
            for levels, start in zip(self.levels, self.log_from, strict=True)
        ]
        return np.array([v for values in per_field for v in values] + [np.nan] * self.owners)


def _one_hot(codes: NDArray[np.float32], levels: int) -> Matrix:
    return (codes[:, None] == np.arange(levels, dtype=np.float32)).astype(np.float32)


def _log_loss(y: NDArray[np.int8], margin: Vector) -> float:
    return float(np.mean(np.logaddexp(0, margin) - y * margin))


def _stack(Z: Matrix | Vector, y: NDArray[np.int8]) -> tuple[tuple[float, float], float]:
    """Non-negative weights and intercept: log-loss plus a ridge towards equal shares, which few rows cannot leave."""
    prior = np.array([0.5, 0.5])

    def loss(x: Vector) -> tuple[float, Vector]:
        z = Z @ x[:2] + x[2]
        residual, away = expit(z) - y, x[:2] - prior
        value = np.sum(np.logaddexp(0, z) - y * z) + 0.5 * _STACK_PENALTY * away @ away
        return float(value), np.append(Z.T @ residual + _STACK_PENALTY * away, residual.sum())

    start = np.append(prior, 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (0, None), (None, None)]).x
    return (float(found[0]), float(found[1])), float(found[2])


# --- trees -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Trees:
    """Weighted boosters; the weights sum to 1."""

    boosters: tuple[tuple[float, xgb.Booster], ...]

    def margin(self, Z: Matrix) -> Vector:
        total = np.zeros(len(Z))
        matrix = xgb.DMatrix(Z, nthread=1)
        for weight, booster in self.boosters:
            total += weight * booster.predict(matrix, output_margin=True)
        return total


def _fit_trees(Z, y, folds, seed, columns):
    grid = [_DEPTH_2, _DEPTH_6] if len(y) < _SMALL else [_DEPTH_4, _DEPTH_8]
    best = None
    for settings in grid:
        params = {**_COMMON, **settings, "seed": seed, "base_score": float(y.mean())}
        curves, fitted = [], []
        for fold in range(int(folds.max()) + 1):
            held = folds == fold
            train = xgb.QuantileDMatrix(Z[~held], y[~held], max_bin=params["max_bin"], nthread=1)
            check = xgb.QuantileDMatrix(Z[held], y[held], ref=train, max_bin=params["max_bin"], nthread=1)
            history = {}
            booster = xgb.train(
                params,
                train,
                _MOST_ROUNDS,
                evals=[(check, "held")],
                evals_result=history,
                early_stopping_rounds=_PATIENCE,
                verbose_eval=False,
            )
            curve = np.array(history["held"]["logloss"])
            curves.append(np.append(curve, np.full(_MOST_ROUNDS - len(curve), curve[-1])))
            fitted.append((booster, held, check))
        mean = np.mean(curves, axis=0)
        rounds = int(np.argmin(mean)) + 1
        if best is None or mean[rounds - 1] < best[0]:
            best = (mean[rounds - 1], params, rounds, fitted)
    _, params, rounds, fitted = best
    margins = np.full(len(y), np.nan)
    boosters = []
    for booster, held, check in fitted:
        kept = booster[: min(rounds, booster.num_boosted_rounds())]
        margins[held] = kept.predict(check, output_margin=True)
        boosters.append((0.5 / len(fitted), kept))
    whole = xgb.QuantileDMatrix(Z, y, max_bin=params["max_bin"], nthread=1)
    boosters.append((0.5, xgb.train({**params, "seed": seed + 1}, whole, max(1, round(rounds * 1.1)))))
    _fit_trees.info = (params["max_depth"], rounds)
    return _Trees(tuple(boosters)), margins


# --- logistic regression -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Linear:
    scale: _Scale
    coefficients: Vector
    intercept: float

    def margin(self, Z: Matrix) -> Vector:
        return self.scale.apply(Z) @ self.coefficients + self.intercept


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    logs: Vector
    middle: Vector
    mean: Vector
    deviation: Vector
    flagged: NDArray[np.int64]

    @classmethod
    def of(cls, Z, logs):
        raw = cls._raw(Z, logs)
        gone = np.isnan(raw)
        with np.errstate(all="ignore"):
            middle = np.array([np.median(c[~g]) if (~g).any() else 0.0 for c, g in zip(raw.T, gone.T)])
        filled = np.where(gone, middle, raw)
        share = gone.mean(axis=0)
        deviation = filled.std(axis=0)
        return cls(
            logs,
            middle,
            filled.mean(axis=0),
            np.where(deviation < 1e-9, 1.0, np.maximum(deviation, 1e-3)),
            np.flatnonzero((share > 0.01) & (share < 0.99)),
        )

    @staticmethod
    def _raw(Z, logs):
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(logs), Z, np.log1p(np.maximum(Z - np.nan_to_num(logs), 0))).astype(np.float64)

    def apply(self, Z):
        raw = self._raw(Z, self.logs)
        gone = np.isnan(raw)
        scaled = np.clip((np.where(gone, self.middle, raw) - self.mean) / self.deviation, -6, 6)
        return np.hstack([scaled, 2.0 * gone[:, self.flagged]])


def _fit_linear(Z, y, folds, columns):
    margins = {C: np.full(len(y), np.nan) for C in _RIDGE}
    held_at_all = folds >= 0
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        scale = _Scale.of(Z[~held], columns.logs())
        A, B = scale.apply(Z[~held]), scale.apply(Z[held])
        for C in _RIDGE:
            margins[C][held] = (
                LogisticRegression(C=C, solver=SOLVER, max_iter=100, tol=1e-4).fit(A, y[~held]).decision_function(B)
            )
    C = min(_RIDGE, key=lambda c: _log_loss(y[held_at_all], margins[c][held_at_all]))
    scale = _Scale.of(Z, columns.logs())
    m = LogisticRegression(C=C, solver=SOLVER, max_iter=100, tol=1e-4).fit(scale.apply(Z), y)
    return _Linear(scale, m.coef_[0], float(m.intercept_[0])), margins[C]


SOLVER = "newton-cholesky"
