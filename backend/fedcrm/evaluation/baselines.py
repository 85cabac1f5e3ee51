"""What federated learning has to beat: a strong model on own rows, and pooled training without privacy.

Both are the same machine with the same freedom: XGBoost with depth, bins and rounds chosen by cross-validation,
ridge logistic regression, stacked with non-negative weights on out-of-fold margins. A weak opponent would make
any method look good: this one is 1.6 points above XGBoost with usual settings on four public sets.

Rows handed in are for training, train and validation parts together; test rows are scored once, outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from fedcrm.evaluation.folds import Folds
from fedcrm.evaluation.ridge import RidgeLogistic, fit_ridge
from fedcrm.evaluation.tuned_trees import TunedTrees, fit_trees
from fedcrm.features import Kind, Schema, Table

__all__ = ["Central", "Columns", "Stack", "fit_central", "fit_local"]

_STACK_PENALTY = 20.0


def fit_local(table: Table, schema: Schema, seed: int) -> Stack:
    """The strong local model of one participant: its own rows only.

    Deterministic in (table, seed). Raises ValueError with fewer than two rows of a class.
    """
    return _fit(Columns.of(schema), table.X, None, table.y, seed)


def fit_central(tables: Mapping[str, Table], schema: Schema, seed: int) -> Central:
    """One model on everybody's rows pooled, without privacy; whose a row is may be used where that helps.

    Deterministic in (tables, seed). Raises ValueError with fewer than two rows of a class.
    """
    names = tuple(sorted(tables))
    X = np.concatenate([tables[n].X for n in names])
    y = np.concatenate([tables[n].y for n in names])
    owner = np.repeat(np.arange(len(names)), [len(tables[n]) for n in names])
    return Central(_fit(Columns.of(schema, names), X, owner, y, seed), names)


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """intercept + weights . (trees, linear), in log-odds; weights >= 0."""

    columns: Columns
    trees: TunedTrees
    linear: RidgeLogistic
    weights: tuple[float, float]
    intercept: float

    def margin(self, X: NDArray[np.float32], owner: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Log-odds of encoded records, float64, (n,). owner: position of each row's participant; central only."""
        Z = self.columns.expand(X, owner)
        return self.intercept + self.weights[0] * self.trees.margin(Z) + self.weights[1] * self.linear.margin(Z)


@dataclass(frozen=True, slots=True, eq=False)
class Central:
    """The pooled model, asked for one participant's records at a time."""

    stack: Stack
    participants: tuple[str, ...]

    def margin(self, X: NDArray[np.float32], participant: str) -> NDArray[np.float64]:
        """Log-odds of one participant's encoded records, float64, (n,). Raises ValueError for a stranger."""
        return self.stack.margin(X, np.full(len(X), self.participants.index(participant)))


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """From encoded fields to columns that trees and linear models read: a category is a column.

    levels: by field, 0 for a numeric one.
    starts: by field, where the logarithm of a field that spreads by factor starts; NaN for none.
    owners: participants that get an indicator each.
    kept:   positions of the columns that are used; None: all.
    """

    levels: tuple[int, ...]
    starts: tuple[float, ...]
    owners: int = 0
    kept: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, schema: Schema, participants: Sequence[str] = ()) -> Columns:
        """Columns for tables of this schema. A field whose categories are not public is constant."""
        levels = tuple(f.levels if f.kind is Kind.CATEGORICAL else 0 for f in schema.fields)
        starts = tuple(f.low if f.log and f.low is not None else np.nan for f in schema.fields)
        return cls(levels, starts, len(participants))

    def expand(self, X: NDArray[np.float32], owner: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """(n, columns): numeric fields as they are, NaN = missing; indicators of categories and owners are 0 or 1."""
        parts = [
            X[:, j : j + 1] if levels == 0 else _indicators(X[:, j], levels) for j, levels in enumerate(self.levels)
        ]
        if owner is not None:
            parts.append(_indicators(owner.astype(np.float32), self.owners))
        Z = np.hstack(parts)
        return np.ascontiguousarray(Z if self.kept is None else Z[:, self.kept], dtype=np.float32)

    def without_constants(self, X: NDArray[np.float32], owner: NDArray[np.int64] | None = None) -> Columns:
        """These columns without those that say nothing about the given rows; at least one is kept.

        Trees that see some columns only would waste most looks on a long list of categories nobody here has.
        """
        Z = self.expand(X, owner)
        with np.errstate(invalid="ignore"):
            says = (Z[:1] != Z).any(axis=0) & ~np.isnan(Z).all(axis=0)
        kept = np.flatnonzero(says) if says.any() else np.zeros(1, dtype=np.int64)
        return replace(self, kept=kept)

    def logs(self) -> NDArray[np.float64]:
        """Per column of `expand`: where its logarithm starts, NaN for none."""
        fields = zip(self.levels, self.starts, strict=True)
        per_field = [np.full(levels, np.nan) if levels else np.array([start]) for levels, start in fields]
        starts = np.concatenate([*per_field, np.full(self.owners, np.nan)])
        return starts if self.kept is None else starts[self.kept]


def _indicators(codes: NDArray[np.float32], levels: int) -> NDArray[np.float32]:
    one_hot: NDArray[np.float32] = (codes[:, None] == np.arange(levels, dtype=np.float32)).astype(np.float32)
    return one_hot


def _fit(
    columns: Columns, X: NDArray[np.float32], owner: NDArray[np.int64] | None, label: NDArray[np.int8], seed: int
) -> Stack:
    folds = Folds(label, seed)
    columns = columns.without_constants(X, owner)
    Z = columns.expand(X, owner)
    trees, from_trees = fit_trees(Z, label, folds, seed)
    linear, from_linear = fit_ridge(Z, label, columns.logs(), folds)
    margins = np.stack([from_trees, from_linear], axis=1)[folds.held]
    weights, intercept = _stack(margins, label[folds.held])
    return Stack(columns, trees, linear, weights, intercept)


def _stack(Z: NDArray[np.float64], label: NDArray[np.int8]) -> tuple[tuple[float, float], float]:
    """Non-negative weights and intercept: log-loss, and a ridge towards equal shares that few rows cannot leave."""
    prior = np.array([0.5, 0.5])

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = Z @ x[:2] + x[2]
        residual, away = expit(z) - label, x[:2] - prior
        value = np.sum(np.logaddexp(0, z) - label * z) + 0.5 * _STACK_PENALTY * away @ away
        return float(value), np.append(Z.T @ residual + _STACK_PENALTY * away, residual.sum())

    bounds = [(0, None), (0, None), (None, None)]
    found = minimize(loss, np.append(prior, 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    return (float(found[0]), float(found[1])), float(found[2])
