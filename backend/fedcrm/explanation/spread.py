"""How far a margin could have come out otherwise: the bootstrap of what an organisation fitted on its own rows.

A federated table carries its posterior variance; trees and regressions at home do not. So the home models are fitted
again on resampled rows (configurations and rounds kept, data drawn anew), and the variance of a record's
margin over these fits is measured on own records. Serving twenty models to answer one question would be slow:
the measured variance is written down as a sum over fields,

    ln variance = intercept + sum over fields of a step for the record's cell + a curve in the margin,

a ridge regression over the profile's cells, and that is what is served. Where nothing was fitted at home it is zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, Folds, LocalModel, PersonalModel, RidgeLogit, TunedTrees, make_folds
from fedcrm.boosting.adjusted import columns_of, design, evidence_logit
from fedcrm.boosting.local import CONFIGURATIONS, SHARED
from fedcrm.boosting.local_model import category_columns, log_columns
from fedcrm.explanation.log_odds import Served
from fedcrm.features import Schema

__all__ = ["Spread", "resampled_margins"]

MEMBERS, FEWEST_MEMBERS = 16, 4
_ROW_FITS = 60_000
"""Rows times members: with many rows each refit takes longer, and there is less to measure."""
_RIDGE = 25.0  # rows' worth of curvature on every step of the log-variance
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Spread:
    """The bootstrap's variance as a sum over fields.

    steps:     (k, 256) by cell of the profile.
    curve:     of ln variance in |margin - centre|.
    """

    intercept: float
    steps: NDArray[np.float64]
    curve: float
    centre: float

    @classmethod
    def none(cls, fields: int) -> Spread:
        """Nothing was fitted at home: variance zero."""
        return cls(-np.inf, np.zeros((fields, 256)), 0.0, 0.0)

    @classmethod
    def fit(cls, cells: NDArray[np.uint8], margins: NDArray[np.float64]) -> Spread:
        """cells: of own records, (n, k); margins: of the refits, (n, members), members >= 2."""
        variance = np.maximum(margins.var(axis=1, ddof=1), _FLOOR)
        middle = margins.mean(axis=1)
        centre = float(np.median(middle))
        columns, owners = _indicators(cells)
        design_ = np.hstack([columns, (np.abs(middle - centre) - np.abs(middle - centre).mean())[:, None]])
        target = np.log(variance)
        shift = float(target.mean())
        means = columns.mean(axis=0)
        design_[:, :-1] -= means
        gram = design_.T @ design_ + _RIDGE * np.eye(design_.shape[1])
        found = np.linalg.solve(gram, design_.T @ (target - shift))
        steps = np.zeros((cells.shape[1], 256))
        for value, mean, (j, cell) in zip(found[:-1], means, owners, strict=True):
            steps[j, cell] = value
            shift -= float(value * mean)
        curve = float(found[-1])
        shift -= curve * float(np.abs(middle - centre).mean())
        bare = cls(shift, steps, curve, centre)
        # The mean of a logarithm is not the logarithm of a mean.
        predicted = bare.variance(cells, middle)
        return cls(shift + float(np.log(variance.mean() / predicted.mean())), steps, curve, centre)

    def variance(self, cells: NDArray[np.uint8], margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the margin, (n,)."""
        if np.isinf(self.intercept):
            return np.zeros(len(cells))
        out = np.full(len(cells), self.intercept)
        _add_steps(cells, self.steps, out)
        return np.asarray(np.exp(np.minimum(out + self.curve * np.abs(margin - self.centre), 4.0)), np.float64)

    def to_raw(self) -> dict[str, Any]:
        """Plain values for JSON; from_raw is the inverse."""
        used = [[int(j), int(c), float(self.steps[j, c])] for j, c in zip(*np.nonzero(self.steps), strict=True)]
        intercept = None if np.isinf(self.intercept) else self.intercept
        return {"intercept": intercept, "steps": used, "curve": self.curve, "centre": self.centre}

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any], fields: int) -> Spread:
        """Inverse of to_raw. Raises ValueError, KeyError, IndexError or TypeError."""
        steps = np.zeros((fields, 256))
        for j, cell, value in raw["steps"]:
            steps[j, cell] = value
        intercept = -np.inf if raw["intercept"] is None else float(raw["intercept"])
        return cls(intercept, steps, float(raw["curve"]), float(raw["centre"]))


@numba.njit(cache=True)
def _add_steps(cells, steps, out):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    for i in range(len(cells)):
        for j in range(cells.shape[1]):
            out[i] += steps[j, cells[i, j]]


def _indicators(cells: NDArray[np.uint8]) -> tuple[NDArray[np.float64], list[tuple[int, int]]]:
    """One column a cell that occurs, and whose it is."""
    columns, owners = [], []
    for j in range(cells.shape[1]):
        for cell in np.unique(cells[:, j]):
            columns.append((cells[:, j] == cell).astype(np.float64))
            owners.append((j, int(cell)))
    return np.stack(columns, axis=1), owners


def resampled_margins(
    model: Served,
    schema: Schema,
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    rng: np.random.Generator,
    members: int | None = None,
) -> NDArray[np.float64] | None:
    """Margins of own records under refits on resampled ones, (n, members); None where nothing was fitted at home.

    X, y:    the rows the model was fitted on, (n, k) and (n,), both classes among them.
    members: by default MEMBERS, and fewer where rows are many.
    A part without weight is not refitted.
    """
    if isinstance(model, FederatedModel):
        return None
    if members is None:
        members = max(FEWEST_MEMBERS, min(MEMBERS, _ROW_FITS // len(y)))
    out = np.zeros((len(y), members))
    for b in range(members):
        rows = _draw(y, rng)
        out[:, b] = _refit(model, schema, X, y, rows, int(rng.integers(2**31)))
    return out


def _draw(y: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """As many rows as there are, with replacement, at least two different ones of either class among them."""
    while True:
        rows = np.sort(rng.integers(len(y), size=len(y)))
        drawn = y[np.unique(rows)]
        if min(drawn.sum(), (1 - drawn).sum()) >= 2:
            return np.asarray(rows, np.int64)


def _refit(
    model: LocalModel | PersonalModel,
    schema: Schema,
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    rows: NDArray[np.int64],
    seed: int,
) -> NDArray[np.float64]:
    """Margins of X under the model with every part that has weight fitted on `rows` anew."""
    if isinstance(model, LocalModel):
        local, (trees, logit), intercept = model, model.stack.weights, model.stack.intercept
        out = np.full(len(X), intercept)
    else:
        local, intercept = model.local, model.stack.intercept
        adjusted, residual, trees, logit, plain = model.stack.weights
        offset = model.federated.margin(X)
        out = np.full(len(X), intercept) + (adjusted + residual + plain) * offset
        if adjusted > 0:
            out += adjusted * _adjustment(model.federated, X, y, rows, offset)
        if residual > 0 and model.residual.models:
            out += residual * _trees(model.residual, schema, X, y, rows, offset, seed)
    if trees > 0:
        start = np.full(len(X), local.trees.base)
        out += trees * (start + (_trees(local.trees, schema, X, y, rows, start, seed + 1) if local.trees.models else 0))
    if logit > 0:
        out += logit * _logit(schema, X, y, rows, seed)
    return out


def _adjustment(
    model: FederatedModel,
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    rows: NDArray[np.int64],
    offset: NDArray[np.float64],
) -> NDArray[np.float64]:
    columns = columns_of(model)
    Z = design(model, columns, X)
    varies = Z[rows].std(axis=0) > 1e-6
    groups = np.array([c.group for c in columns], np.int64)[varies]
    beta, shift = evidence_logit(Z[np.ix_(rows, varies)], groups, y[rows], offset[rows])
    return np.asarray(Z[:, varies] @ beta + shift, np.float64)


def _trees(
    like: TunedTrees,
    schema: Schema,
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    rows: NDArray[np.int64],
    start: NDArray[np.float64],
    seed: int,
) -> NDArray[np.float64]:
    """Margin of one booster of the same configuration and rounds as the last of `like`, without `start`."""
    refit = like.models[-1][1]
    depth = max((_depth(tree) for tree in refit.get_dump()), default=1)
    suits = [c for c in CONFIGURATIONS.values() if c["max_depth"] >= depth]
    parameters = SHARED | min(suits or CONFIGURATIONS.values(), key=lambda c: int(c["max_depth"])) | {"seed": seed}
    types = ["c" if c else "q" for c in category_columns(schema)]
    common: dict[str, Any] = {"feature_types": types, "enable_categorical": True, "nthread": 1}
    drawn = xgb.QuantileDMatrix(
        X[rows], y[rows], base_margin=start[rows].astype(np.float32), max_bin=parameters["max_bin"], **common
    )
    booster = xgb.train(parameters, drawn, refit.num_boosted_rounds())
    zero = np.zeros(len(X), np.float32)
    return np.asarray(booster.predict(xgb.DMatrix(X, base_margin=zero, **common), output_margin=True), np.float64)


def _depth(dump: str) -> int:
    """Depth of a tree in XGBoost's text form: indentation."""
    return max(len(line) - len(line.lstrip("\t")) for line in dump.splitlines())


def _logit(
    schema: Schema, X: NDArray[np.float32], y: NDArray[np.float64], rows: NDArray[np.int64], seed: int
) -> NDArray[np.float64]:
    # Copies of one row are one group: a copy among the fitted rows would tell what the held-out one is.
    folds: Folds = make_folds(y[rows], seed, rows)
    return RidgeLogit.fit(X[rows], y[rows], folds, log_columns(schema), category_columns(schema)).margin(X)
