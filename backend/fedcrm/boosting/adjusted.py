"""Part A at home: the federated model with its terms re-weighted and its bins shifted.

Logistic regression with the federated margin as offset. Columns: every federated term (a coefficient is a
change of its slope) and every field's bins (a coefficient is a step between neighbouring bins, or a level's
own shift). Coefficients are Gaussian with one variance for each of three groups, found by MacKay's evidence updates
on the Laplace approximation (D. MacKay, "The evidence framework applied to classification networks", 1992).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins
from fedcrm.boosting.local import Folds
from fedcrm.boosting.model import FederatedModel

__all__ = ["Adjusted"]

TERMS, FLAGS, STEPS = 0, 1, 2  # groups of columns with a variance each
START = (0.05, 0.02, 0.005)
MOST_STEPS = 8  # steps a number's field; its finer bins move together
MOST_LEVELS = 24


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the design: a term's points, or an indicator of some bins of a field.

    term: position in the model, or -1; bins: members of the indicator; fields: who owns its points.
    """

    group: int
    fields: tuple[int, ...]
    term: int = -1
    bins: tuple[int, ...] = ()


def columns_of(model: FederatedModel) -> list[Column]:
    """The design's columns, which follow from the model alone."""
    found = [Column(TERMS, t.grid.fields, term=n) for n, t in enumerate(model.terms)]
    for j, b in enumerate(model.bins):
        found += _indicators(j, b, model.masses[j])
        found.append(Column(FLAGS, (j,), bins=(b.count,)))
    return found


def _indicators(j: int, bins: Bins, mass: NDArray[np.float64]) -> list[Column]:
    if not bins.ordered:
        order = np.argsort(-mass[: bins.count], kind="stable")[:MOST_LEVELS]
        return [Column(FLAGS, (j,), bins=(int(level),)) for level in np.sort(order)]
    inner = np.arange(1, bins.count)
    if len(inner) > MOST_STEPS:
        inner = np.unique(np.linspace(1, bins.count - 1, MOST_STEPS).round().astype(int))
    group = FLAGS if bins.count <= 2 else STEPS
    return [Column(group, (j,), bins=tuple(range(int(first), bins.count))) for first in inner]


def design(model: FederatedModel, columns: Sequence[Column], X: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, columns)."""
    points, binned = model.points(X), model.codes(X)
    out = np.empty((len(X), len(columns)), np.float32)
    for c, column in enumerate(columns):
        if column.term >= 0:
            out[:, c] = points[:, column.term]
        else:
            member = np.zeros(256, np.float32)
            member[list(column.bins)] = 1.0
            out[:, c] = member[binned[column.fields[0]]]
    return out


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The adjusted federated model.

    coefficients: one a column of `columns_of(model)`; intercept: shift of the base.
    oof:          out-of-fold margin, NaN on rows no fold holds out, (n,).
    """

    model: FederatedModel
    coefficients: NDArray[np.float64]
    intercept: float
    oof: NDArray[np.float64]

    @classmethod
    def fit(cls, model: FederatedModel, X: NDArray[np.float32], y: NDArray[np.float64], folds: Folds) -> Adjusted:
        """X (n, k), NaN = missing; y 0/1, (n,)."""
        columns = columns_of(model)
        Z, offset, y = design(model, columns, X), model.margin(X), np.asarray(y, np.float64)
        varies = Z.std(axis=0) > 1e-6
        groups = np.array([c.group for c in columns], np.int64)[varies]
        Z = Z[:, varies]
        oof = np.full(len(y), np.nan)
        for fitted, held in folds.pairs():
            beta, shift = evidence_logit(Z[fitted], groups, y[fitted], offset[fitted])
            oof[held] = offset[held] + Z[held] @ beta + shift
        beta, shift = evidence_logit(Z, groups, y, offset)
        coefficients = np.zeros(len(columns))
        coefficients[varies] = beta
        return cls(model, coefficients, shift, oof)

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,)."""
        Z = design(self.model, columns_of(self.model), X).astype(np.float64)
        return self.model.margin(X) + Z @ self.coefficients + self.intercept

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of every field, pairs halved, (n, k + 1), constants last; rows add up to `margin`."""
        columns = columns_of(self.model)
        Z = design(self.model, columns, X).astype(np.float64) * self.coefficients
        out = self.model.contributions(X)
        for c, column in enumerate(columns):
            for f in column.fields:
                out[:, f] += Z[:, c] / len(column.fields)
        out[:, -1] += self.intercept
        return out


def evidence_logit(
    Z: NDArray[np.float32], groups: NDArray[np.int64], y: NDArray[np.float64], offset: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Coefficients (columns,) and intercept of the logistic regression of y on Z with an offset.

    groups: (columns,) in {0, 1, 2}; each has a prior variance of its own, learned from the data.
    """
    variances = np.array(START)
    size = np.bincount(groups, minlength=len(START))
    mean = Z.mean(axis=0)
    P = Z - mean
    beta, shift = np.zeros(Z.shape[1]), 0.0
    for newton in range(3):
        p = 1 / (1 + np.exp(-np.clip(offset + shift + P @ beta.astype(np.float32), -30, 30)))
        w, r = p * (1 - p) + 1e-6, y - p
        weighted = P * w[:, None].astype(np.float32)
        H = (P.T @ weighted).astype(np.float64)
        cross = weighted.sum(axis=0).astype(np.float64)
        total = float(w.sum())
        # The intercept has a flat prior: eliminate it (Schur complement).
        S = H - np.outer(cross, cross) / total
        right = S @ beta + (P.T @ r.astype(np.float32)).astype(np.float64) - cross * float(r.sum()) / total
        for _ in range(8 if newton else 5):
            covariance = np.linalg.inv(S + np.diag(1 / variances[groups]))
            found, spread = covariance @ right, np.diag(covariance)
            updated = variances.copy()
            for g in np.flatnonzero(size):
                of = groups == g
                square = float(np.sum(found[of] ** 2))
                em = (square + float(spread[of].sum()) + 2e-5) / (size[g] + 0.02)
                effective = max(float(size[g] - spread[of].sum() / variances[g]), 1e-6)
                # Geometric mean of the EM and MacKay updates: as safe as one, nearly as fast as the other.
                updated[g] = np.clip(np.sqrt(em * max(square / effective, 1e-6)), 1e-5, 2.0)
            settled = np.max(np.abs(np.log(updated / variances))) < 0.02
            variances = updated
            if settled:
                break
        shift += float(r.sum() - cross @ (found - beta)) / total
        beta = found
    return beta, shift - float(mean @ beta)
