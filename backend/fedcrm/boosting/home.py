"""At home: what a participant makes of the federated model with its own records. Nothing of it leaves.

    margin = b + w . (A, R, Lx, Ll, F),   w >= 0

A: the federated model, terms re-weighted and bins shifted (`adjusted`); R: tuned trees on the federated margin;
Lx, Ll: tuned trees and ridge logistic regression on own rows alone; F: the federated model as it is. All are sums
over fields in margin space, so the whole stays explainable. They use all home rows, out of fold. Rows
that federated training has seen make its parts look better than they are, more so the less noise it had, so such a
row counts a quarter in the weights. A ridge towards equal weights carries organisations with few rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.adjusted import Adjusted, columns_of
from fedcrm.boosting.files import read_json, read_trees, write_json, write_trees
from fedcrm.boosting.local import HOLD_OUT, Folds, TunedTrees, make_folds
from fedcrm.boosting.local_model import LocalModel, category_columns
from fedcrm.boosting.model import FederatedModel
from fedcrm.boosting.stack import Stack
from fedcrm.errors import StorageError

__all__ = ["Choice", "HomeModel", "PersonalModel", "home_folds"]

PARTS = ("A", "R", "Lx", "Ll", "F")
PRIOR = (0.2,) * len(PARTS)
SEEN = 0.25  # weight of a row that federated training has seen; 0 is worse for large organisations, 1 at epsilon 8
ENOUGH = 50  # of either class, for one hold-out to choose by
CLEARLY = 1.645  # standard errors of the paired loss: one-sided 95 %


class Choice(StrEnum):
    """Which model an organisation serves by."""

    PERSONAL = "personal"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class PersonalModel:
    """The stack of federated and own parts.

    oof: out-of-fold margin, NaN on rows no fold holds out.
    """

    adjusted: Adjusted
    residual: TunedTrees
    local: LocalModel
    stack: Stack
    oof: NDArray[np.float64]

    @property
    def federated(self) -> FederatedModel:
        """The federated model inside."""
        return self.adjusted.model

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,)."""
        federated = self.federated.margin(X)
        parts = [
            self.adjusted.margin(X),
            federated + self.residual.margin(X),
            self.local.trees.margin(X),
            self.local.logit.margin(X),
            federated,
        ]
        return self.stack.margin(np.stack(parts, axis=1))

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of every field, pairs halved, (n, k + 1), constants last; rows add up to `margin`."""
        w = self.stack.weights
        out = w[0] * self.adjusted.contributions(X)
        out += (w[1] + w[4]) * self.federated.contributions(X) + w[1] * self.residual.contributions(X)
        out += w[2] * self.local.trees.contributions(X) + w[3] * self.local.logit.contributions(X)
        out[:, -1] += self.stack.intercept
        return np.asarray(out, np.float64)


@dataclass(frozen=True, slots=True)
class HomeModel:
    """The personal and the local model of one participant, and which of them it serves by."""

    personal: PersonalModel
    local: LocalModel
    chosen: Choice

    @classmethod
    def fit(
        cls,
        federated: FederatedModel,
        X_train: NDArray[np.float32],
        y_train: NDArray[np.float64],
        X_validation: NDArray[np.float32],
        y_validation: NDArray[np.float64],
        seed: int = 0,
        local: LocalModel | None = None,
        groups: NDArray[Any] | None = None,
    ) -> HomeModel:
        """Fit on train and validation rows together.

        federated:    as this participant uses it (`FederatedModel.restricted` to its blocks).
        X_validation: rows that federated training has not seen; they alone decide between stack and local model.
        local:        a LocalModel already fitted on train rows followed by validation rows, with
            `home_folds`; on other folds its margins would be out of fold on too few of the rows that count.
        groups:       rows never parted by a fold, train rows first.
        Raises ValueError with fewer than two rows, or groups, of either class.
        """
        X = np.concatenate([X_train, X_validation])
        y = np.concatenate([y_train, y_validation]).astype(np.float64)
        folds = home_folds(y, len(y_train), seed, groups)
        if local is None:
            local = LocalModel.fit(X, y, seed, federated.schema, groups, folds)
        if local.oof.shape != y.shape:
            raise ValueError("the local model was not fitted on these rows")
        margin = federated.margin(X)
        adjusted = Adjusted.fit(federated, X, y, folds)
        category = category_columns(federated.schema)
        residual = TunedTrees.fit(X, y, folds, seed, category, base_margin=margin)
        parts = np.stack([adjusted.oof, residual.oof, local.trees.oof, local.logit.oof, margin], axis=1)
        usable = np.all(np.isfinite(parts), axis=1)
        fresh = usable & (np.arange(len(y)) >= len(y_train))
        weight = np.where(fresh, 1.0, SEEN)
        stack = Stack.fit(parts[usable], y[usable], PRIOR, weight=weight[usable])
        personal = PersonalModel(adjusted, residual, local, stack, stack.margin(parts))
        return cls(personal, local, _choose(personal.oof[fresh], local.oof[fresh], y[fresh]))

    @property
    def weights(self) -> dict[str, float]:
        """Of the personal stack, by part."""
        return dict(zip(PARTS, self.personal.stack.weights.tolist(), strict=True))

    @property
    def serving(self) -> PersonalModel | LocalModel:
        """The chosen model."""
        return self.personal if self.chosen is Choice.PERSONAL else self.local

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds by the chosen model, (n,)."""
        return self.serving.margin(X)

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of every field by the chosen model, (n, k + 1), constants last; rows add up to `margin`."""
        return self.serving.contributions(X)

    def save(self, directory: Path) -> None:
        """Write into a directory, made if absent: json and ubj. The out-of-fold margins stay behind."""
        self.local.save(directory)
        write_trees(directory, "residual", self.personal.residual)
        write_json(
            directory / "home.json",
            {
                "chosen": self.chosen.value,
                "weights": self.personal.stack.weights.tolist(),
                "intercept": self.personal.stack.intercept,
                "coefficients": self.personal.adjusted.coefficients.tolist(),
                "shift": self.personal.adjusted.intercept,
                "federated": self.personal.federated.to_json(),
            },
        )

    @classmethod
    def load(cls, directory: Path) -> HomeModel:
        """Inverse of save. Raises StorageError where files are absent or not ours."""
        path = directory / "home.json"
        raw = read_json(path, ("chosen", "weights", "intercept", "coefficients", "shift", "federated"))
        local, residual = LocalModel.load(directory), read_trees(directory, "residual")
        nothing = np.zeros(0)
        try:
            federated = FederatedModel.from_json(raw["federated"])
            coefficients = np.asarray(raw["coefficients"], np.float64).reshape(len(columns_of(federated)))
            stack = Stack(np.asarray(raw["weights"], np.float64), float(raw["intercept"]))
            adjusted = Adjusted(federated, coefficients, float(raw["shift"]), nothing)
            chosen = Choice(raw["chosen"])
        except (TypeError, ValueError) as wrong:
            raise StorageError(f"{path} is not a file of this program") from wrong
        return cls(PersonalModel(adjusted, residual, local, stack, nothing), local, chosen)


def home_folds(y: NDArray[np.float64], trained: int, seed: int, groups: NDArray[Any] | None) -> Folds:
    """The usual folds; where rows are many, the rows federated training has not seen are the hold-out."""
    fresh = np.arange(len(y)) >= trained
    if len(y) < HOLD_OUT or min(int(np.sum(y[part] == k)) for part in (fresh, ~fresh) for k in (0, 1)) < ENOUGH:
        return make_folds(y, seed, groups)
    return Folds(np.where(fresh, 0, -1), 1)


def _choose(personal: NDArray[np.float64], local: NDArray[np.float64], y: NDArray[np.float64]) -> Choice:
    """The stack, unless the local model's loss is lower by more than chance allows."""
    if len(y) < 2:
        return Choice.PERSONAL
    lead = (np.logaddexp(0, personal) - y * personal) - (np.logaddexp(0, local) - y * local)
    error = float(np.std(lead, ddof=1)) / np.sqrt(len(y))
    return Choice.LOCAL if float(np.mean(lead)) > CLEARLY * error > 0 else Choice.PERSONAL
