"""A record's log-odds by field, and by where they come from: the federation, or the organisation's own data.

The margin of whatever an organisation serves is a sum over fields:

    federated   base + tables of fields and pairs
    local       stack of own trees and own ridge regression
    personal    b + w_A A + w_R (F + R) + w_x Lx + w_l Ll;  A = F with its terms re-weighted and its bins shifted

Of the personal model (w_A + w_R) F is "from the federation": the tables as all participants released them. Everything
else, re-weighting and shifts, residual trees and own models, is "from your data". A pair's table is shared equally
between its two fields, which is its Shapley value, the tables being centred; trees are shared by TreeSHAP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, HomeModel, LocalModel, PersonalModel, RidgeLogit
from fedcrm.boosting.adjusted import columns_of
from fedcrm.boosting.bins import Bins, codes
from fedcrm.explanation.tree_shares import TreeTable

__all__ = ["LogOdds", "Parts", "Served"]

Served = FederatedModel | LocalModel | PersonalModel
"""A model an organisation can serve by."""


@dataclass(frozen=True, slots=True)
class LogOdds:
    """federation, own: of every field, (n, k); variance: of the federated tables, (n,); constant: the rest.

    constant + federation + own = margin.
    """

    federation: NDArray[np.float64]
    own: NDArray[np.float64]
    variance: NDArray[np.float64]
    constant: float

    @property
    def margin(self) -> NDArray[np.float64]:
        """Log-odds, (n,)."""
        return np.asarray(self.constant + self.federation.sum(axis=1) + self.own.sum(axis=1), np.float64)


@dataclass(frozen=True, slots=True)
class Tables:
    """Federated terms, compiled: for one field's bin, and for cells of pairs.

    single: (3, k, 256) by federation, own, variance. pair_fields: (pairs, 2). places: (pairs, 2, 256), position
    in the pair's table. starts: (pairs,). cells: (3, cells of all pairs).
    """

    bins: tuple[Bins, ...]
    single: NDArray[np.float64]
    pair_fields: NDArray[np.int64]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    cells: NDArray[np.float64]

    @classmethod
    def of(cls, model: FederatedModel, released: float, reweighted: NDArray[np.float64]) -> Tables:
        """released: weight of the tables as released; reweighted: own weight of each term, (terms,)."""
        k = len(model.bins)
        single = np.zeros((3, k, 256))
        pairs = [(t, w) for t, w in zip(model.terms, reweighted, strict=True) if len(t.grid.axes) == 2]
        for term, w in zip(model.terms, reweighted, strict=True):
            if len(term.grid.axes) == 1:
                places = np.array(term.grid.axes[0].places)
                at = single[:, term.grid.fields[0], : len(places)]
                at += np.stack(
                    [released * term.mean[places], w * term.mean[places], released**2 * term.variance[places]]
                )
        places = np.zeros((len(pairs), 2, 256), np.int64)
        starts, used, cells = np.zeros(len(pairs), np.int64), 0, []
        for n, (term, w) in enumerate(pairs):
            starts[n] = used
            for side, axis in enumerate(term.grid.axes):
                stride = term.grid.shape[1] if side == 0 else 1
                places[n, side, : len(axis.places)] = np.array(axis.places) * stride
            used += term.grid.cells
            cells.append(np.stack([released * term.mean, w * term.mean, released**2 * term.variance]))
        fields = np.array([t.grid.fields for t, _ in pairs], np.int64).reshape(len(pairs), 2)
        joined = np.concatenate(cells, axis=1) if cells else np.zeros((3, 0))
        return cls(model.bins, single, fields, places, starts, joined)

    def read(self, X: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Federation (n, k), own (n, k), variance (n,)."""
        federation, own = np.zeros(X.shape), np.zeros(X.shape)
        variance = np.zeros(len(X))
        _read(
            codes(self.bins, X), self.single, self.pair_fields, self.places, self.starts, self.cells,
            federation, own, variance,
        )  # fmt: skip
        return federation, own, variance


@numba.njit(cache=True)
def _read(codes, single, fields, places, starts, cells, federation, own, variance):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    k, n = codes.shape
    for i in range(n):
        total = 0.0
        for j in range(k):
            c = codes[j, i]
            federation[i, j] = single[0, j, c]
            own[i, j] = single[1, j, c]
            total += single[2, j, c]
        for p in range(len(starts)):
            a, b = fields[p, 0], fields[p, 1]
            at = starts[p] + places[p, 0, codes[a, i]] + places[p, 1, codes[b, i]]
            federation[i, a] += 0.5 * cells[0, at]
            federation[i, b] += 0.5 * cells[0, at]
            own[i, a] += 0.5 * cells[1, at]
            own[i, b] += 0.5 * cells[1, at]
            total += cells[2, at]
        variance[i] = total


@dataclass(frozen=True, slots=True)
class Parts:
    """A served model taken apart, ready to read thousands of records a second."""

    fields: int
    constant: float
    tables: Tables | None
    trees: TreeTable
    logit: RidgeLogit | None
    logit_weight: float

    @classmethod
    def of(cls, model: Served) -> Parts:
        """Take a model apart."""
        if isinstance(model, FederatedModel):
            tables = Tables.of(model, 1.0, np.zeros(len(model.terms)))
            return cls(len(model.bins), model.base, tables, TreeTable.of(()), None, 0.0)
        if isinstance(model, LocalModel):
            w = model.stack.weights
            return _with_own(
                cls(_width(model), model.stack.intercept, None, TreeTable.of(()), None, 0.0), model, w[0], w[1]
            )
        return _personal(model)

    @classmethod
    def of_home(cls, home: HomeModel) -> Parts:
        """Take apart what an organisation chose."""
        return cls.of(home.serving)

    def read(self, X: NDArray[np.float32]) -> LogOdds:
        """X (n, k) encoded, NaN = missing. Raises ValueError if X has another width."""
        if X.ndim != 2 or X.shape[1] != self.fields:
            raise ValueError(f"expected {self.fields} columns, not {X.shape}")
        constant = self.constant + self.trees.constant
        own = self.trees.shares(X)
        federation, variance = np.zeros(X.shape), np.zeros(len(X))
        if self.tables is not None:
            federation, shifted, variance = self.tables.read(X)
            own += shifted
        if self.logit is not None:
            points = self.logit.contributions(X)
            own += self.logit_weight * points[:, :-1]
            constant += self.logit_weight * self.logit.intercept
        return LogOdds(federation, own, variance, constant)

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,), for records that need no explanation; `read` gives the same to rounding error."""
        return self.additive(X) + self.trees.margin(X)

    def additive(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """The margin without its trees, (n,)."""
        out = np.full(len(X), self.constant)
        if self.tables is not None:
            federation, shifted, _ = self.tables.read(X)
            out += federation.sum(axis=1) + shifted.sum(axis=1)
        if self.logit is not None:
            out += self.logit_weight * self.logit.margin(X)
        return out


def _width(model: LocalModel) -> int:
    return len(model.logit.encoding.log)


def _personal(model: PersonalModel) -> Parts:
    w = model.stack.weights
    federated, adjusted = model.federated, model.adjusted
    columns = columns_of(federated)
    slopes = np.zeros(len(federated.terms))
    shifts = np.zeros((len(federated.bins), 256))
    for column, coefficient in zip(columns, adjusted.coefficients, strict=True):
        if column.term >= 0:
            slopes[column.term] += w[0] * coefficient
        else:
            shifts[column.fields[0], list(column.bins)] += w[0] * coefficient
    # The federated model stands in three parts of the stack: adjusted, under the own trees, and as it is.
    shared = float(w[0] + w[1] + w[4])
    tables = Tables.of(federated, shared, slopes)
    tables.single[1] += shifts
    constant = model.stack.intercept + shared * federated.base + w[0] * adjusted.intercept
    empty = Parts(len(federated.bins), float(constant), tables, TreeTable.of(()), None, 0.0)
    return _with_own(empty, model.local, w[2], w[3], *((w[1] * v, b) for v, b in model.residual.models if w[1] > 0))


def _with_own(parts: Parts, local: LocalModel, trees: float, logit: float, *more: tuple[float, xgb.Booster]) -> Parts:
    """The same with own trees and own regression; what has no weight is left out."""
    boosters = [(trees * v, b) for v, b in local.trees.models] if trees > 0 else []
    return Parts(
        parts.fields,
        parts.constant + trees * local.trees.base,
        parts.tables,
        TreeTable.of([*boosters, *more]),
        local.logit if logit > 0 else None,
        float(logit),
    )
