"""The strong local model: tuned trees and ridge logistic regression on an organisation's own rows, stacked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.files import logit_from_raw, logit_to_raw, read_json, read_trees, write_json, write_trees
from fedcrm.boosting.local import Folds, RidgeLogit, TunedTrees, make_folds
from fedcrm.boosting.stack import Stack
from fedcrm.features import Kind, Schema

__all__ = ["LocalModel", "category_columns", "log_columns"]

PRIOR = (0.5, 0.5)


def category_columns(schema: Schema) -> NDArray[np.bool_]:
    """Which columns hold category codes, (k,)."""
    return np.array([f.kind is Kind.CATEGORICAL for f in schema.fields], np.bool_)


def log_columns(schema: Schema) -> NDArray[np.bool_]:
    """Which columns are heavy-tailed numbers, (k,)."""
    return np.array([f.kind is Kind.NUMERIC and f.log for f in schema.fields], np.bool_)


@dataclass(frozen=True, slots=True)
class LocalModel:
    """intercept + w1 trees + w2 logit, w >= 0 fitted on out-of-fold margins.

    oof: the stack's out-of-fold margin, NaN on rows no fold holds out, (n,).
    """

    trees: TunedTrees
    logit: RidgeLogit
    stack: Stack
    oof: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        X: NDArray[np.float32],
        y: NDArray[np.float64],
        seed: int,
        schema: Schema,
        groups: NDArray[Any] | None = None,
        folds: Folds | None = None,
    ) -> LocalModel:
        """X (n, k) in schema order, NaN = missing; y 0/1, (n,); groups: rows never parted by a fold, (n,).

        folds: by default `make_folds(y, seed, groups)`.
        Raises ValueError with fewer than two rows of either class.
        """
        y = np.asarray(y, np.float64)
        folds = make_folds(y, seed, groups) if folds is None else folds
        category = category_columns(schema)
        trees = TunedTrees.fit(X, y, folds, seed, category)
        logit = RidgeLogit.fit(X, y, folds, log_columns(schema), category)
        parts = np.stack([trees.oof, logit.oof], axis=1)
        seen = folds.held_out
        stack = Stack.fit(parts[seen], y[seen], PRIOR)
        return cls(trees, logit, stack, stack.margin(parts))

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,)."""
        return self.stack.margin(np.stack([self.trees.margin(X), self.logit.margin(X)], axis=1))

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of every field, (n, k + 1), constants last; rows add up to `margin`."""
        w = self.stack.weights
        out = w[0] * self.trees.contributions(X) + w[1] * self.logit.contributions(X)
        out[:, -1] += self.stack.intercept
        return np.asarray(out, np.float64)

    def save(self, directory: Path) -> None:
        """Write into a directory, made if absent: json and ubj. The out-of-fold margins stay behind."""
        directory.mkdir(parents=True, exist_ok=True)
        write_trees(directory, "trees", self.trees)
        write_json(
            directory / "local.json",
            {
                "weights": self.stack.weights.tolist(),
                "intercept": self.stack.intercept,
                "logit": logit_to_raw(self.logit),
            },
        )

    @classmethod
    def load(cls, directory: Path) -> LocalModel:
        """Inverse of save. Raises StorageError where the files are absent or not ours."""
        raw = read_json(directory / "local.json", ("weights", "intercept", "logit"))
        stack = Stack(np.asarray(raw["weights"], np.float64), float(raw["intercept"]))
        trees = read_trees(directory, "trees")
        return cls(trees, logit_from_raw(raw["logit"], directory / "local.json"), stack, np.zeros(0))
