"""Strong models of one table of records, no federation and no privacy: tuned XGBoost and ridge logistic regression.

What an organisation can do alone, and, on pooled rows, what pooling could give. Configurations and rounds are
chosen by cross-validated log-loss on folds shared by both models, so that their out-of-fold margins can be
stacked (`stack`). Every model is a sum over fields in margin space.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

__all__ = ["Folds", "RidgeLogit", "TunedTrees", "log_loss", "make_folds"]

ROUNDS, PATIENCE = 500, 20
SHARED: dict[str, Any] = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "nthread": 1,
    "subsample": 0.8,
    "max_cat_to_onehot": 16,  # categories with more levels are split into two sets of levels
}
SMALL, LARGE, HOLD_OUT = 1500, 3000, 8000

# Shallow or deep; which of the two suits a table is left to its own cross-validation.
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "depth 2": {
        "max_depth": 2, "eta": 0.1, "min_child_weight": 5, "reg_lambda": 5, "colsample_bytree": 0.6, "max_bin": 64,
    },
    "depth 6": {
        "max_depth": 6, "eta": 0.06, "min_child_weight": 5, "reg_lambda": 10, "colsample_bytree": 0.4, "max_bin": 64,
    },
    "depth 4": {
        "max_depth": 4, "eta": 0.1, "min_child_weight": 3, "reg_lambda": 2, "colsample_bytree": 0.6, "max_bin": 64,
    },
    "depth 8": {
        "max_depth": 8, "eta": 0.06, "min_child_weight": 2, "reg_lambda": 5, "colsample_bytree": 0.4, "max_bin": 1024,
    },
}  # fmt: skip
BELOW_SMALL, FROM_SMALL = ("depth 2", "depth 6"), ("depth 4", "depth 8")


def log_loss(y: NDArray[np.float64], margin: NDArray[np.float64]) -> float:
    """Mean logistic loss of margins against labels 0 or 1."""
    return float(np.mean(np.logaddexp(0.0, margin) - y * margin))


@dataclass(frozen=True, slots=True)
class Folds:
    """Which fold holds each row out, (n,); -1: trained on by every fold's model."""

    of: NDArray[np.int64]
    count: int

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Rows that some fold holds out."""
        return self.of >= 0

    def pairs(self) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        """(fitted on, held out) masks, one pair a fold."""
        return [(self.of != k, self.of == k) for k in range(self.count)]


def make_folds(y: NDArray[np.float64], seed: int, groups: NDArray[Any] | None = None) -> Folds:
    """Stratified folds: 5 below 3,000 rows, 3 below 8,000, else one 25 % hold-out; groups are never split.

    Every fold's model sees both classes. Raises ValueError where that cannot be: fewer than two rows of a class, or
    all of one class in one group.
    """
    y = np.asarray(y)
    n = len(y)
    own = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    holders = {label: np.unique(own[y == label]) for label in (0, 1)}
    rarer = min(holders, key=lambda label: len(holders[label]))
    if len(holders[rarer]) < 2:
        raise ValueError(f"{int(np.sum(y))} positives of {n} rows in {own.max(initial=-1) + 1} groups cannot be folded")
    wanted = 4 if n >= HOLD_OUT else 5 if n < LARGE else 3
    for count in range(min(wanted, len(holders[rarer])), 1, -1):
        parts = _parts(y, own, count, seed)
        folds = Folds(parts if n < HOLD_OUT else np.where(parts == 0, 0, -1), count if n < HOLD_OUT else 1)
        if all(len(np.unique(y[fitted])) == 2 for fitted, _ in folds.pairs()):
            return folds
    # Groups of very different size: two halves, each with a holder of the rarer class.
    parts = _halves(own, holders[rarer], np.random.default_rng(seed))
    return Folds(parts, 2) if n < HOLD_OUT else Folds(np.where(parts == 0, 0, -1), 1)


def _parts(y: NDArray[np.float64], own: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """The fold of every row, (n,)."""
    splitter = StratifiedKFold if own.max() == len(y) - 1 else StratifiedGroupKFold
    of = np.full(len(y), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # groups can make a fold lack a class
        for k, (_, held) in enumerate(splitter(count, shuffle=True, random_state=seed).split(np.zeros(len(y)), y, own)):
            of[held] = k
    return of


def _halves(own: NDArray[np.int64], holders: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """0 or 1 for every row, (n,): groups dealt out in turn, the holders first."""
    rest = np.setdiff1d(np.unique(own), holders)
    dealt = np.concatenate([rng.permutation(holders), rng.permutation(rest)])
    half = np.zeros(len(dealt), np.int64)
    half[dealt] = np.arange(len(dealt)) % 2
    return half[own]


@dataclass(frozen=True, slots=True)
class TunedTrees:
    """XGBoost on a base margin; configuration and rounds by cross-validation.

    models: (weight, booster): a refit on all rows counts half, the folds' models together the other half.
    oof:    out-of-fold margin, base margin included; NaN on rows no fold holds out, (n,).
    base:   constant margin where no base margin was given, else 0.
    types:  XGBoost's feature types, "q" or "c".
    """

    models: tuple[tuple[float, xgb.Booster], ...]
    oof: NDArray[np.float64]
    base: float
    types: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        X: NDArray[np.float32],
        y: NDArray[np.float64],
        folds: Folds,
        seed: int,
        category: NDArray[np.bool_] | None = None,
        base_margin: NDArray[np.float64] | None = None,
        configurations: Sequence[str] | None = None,
    ) -> TunedTrees:
        """X (n, k), NaN = missing; y 0/1 (n,); base_margin (n,), by default the log-odds of all rows.

        category:       (k,), which columns hold category codes; by default none.
        configurations: keys of CONFIGURATIONS to try; by default those that suit the number of rows.
        """
        y = np.asarray(y, dtype=np.float64)
        constant = 0.0 if base_margin is not None else float(np.log(y.mean() / (1 - y.mean())))
        start = np.full(len(y), constant) if base_margin is None else np.asarray(base_margin, dtype=np.float64)
        start32 = start.astype(np.float32)
        if configurations is None:
            configurations = BELOW_SMALL if len(y) < SMALL else FROM_SMALL
        types = tuple("c" if c else "q" for c in (np.zeros(X.shape[1], np.bool_) if category is None else category))
        tried = [
            _cross_validate(X, y, folds, SHARED | CONFIGURATIONS[c] | {"seed": seed}, start32, types)
            for c in configurations
        ]
        best = min(tried, key=lambda t: t.loss)
        oof = np.where(folds.held_out, start, np.nan)
        if best.rounds == 0:
            return cls((), oof, constant, types)
        models: list[tuple[float, xgb.Booster]] = []
        for booster, held, data in best.fits:
            rounds = min(best.rounds, booster.num_boosted_rounds())
            oof[held] = booster.predict(data, output_margin=True, iteration_range=(0, rounds))
            models.append((0.5 / folds.count, booster[:rounds]))
        everything = _quantiles(X, y, start32, best.parameters["max_bin"], types)
        refit = xgb.train(best.parameters | {"seed": seed + 1}, everything, max(1, int(1.1 * best.rounds)))
        models.append((0.5, refit))
        return cls(tuple(models), oof, constant, types)

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Margin of the trees and the constant base, (n,); add the base margin they were fitted on."""
        data = _with_zero_margin(X, self.types)
        out = np.full(len(X), self.base)
        for weight, booster in self.models:
            out += weight * booster.predict(data, output_margin=True).astype(np.float64)
        return out

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """TreeSHAP of the same, (n, k + 1), constants last; rows add up to `margin`."""
        data = _with_zero_margin(X, self.types)
        out = np.zeros((len(X), X.shape[1] + 1))
        out[:, -1] = self.base
        for weight, booster in self.models:
            out += weight * booster.predict(data, pred_contribs=True).astype(np.float64)
        return out


@dataclass(frozen=True, slots=True)
class _Tried:
    loss: float
    rounds: int
    parameters: dict[str, Any]
    fits: list[tuple[xgb.Booster, NDArray[np.bool_], xgb.DMatrix]]


def _cross_validate(
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    folds: Folds,
    parameters: dict[str, Any],
    start: NDArray[np.float32],
    types: Sequence[str],
) -> _Tried:
    """One configuration: loss by rounds, averaged over folds, from zero rounds on."""
    curves, fits = [], []
    for fitted, held in folds.pairs():
        data = _quantiles(X[fitted], y[fitted], start[fitted], parameters["max_bin"], types)
        check = _quantiles(X[held], y[held], start[held], parameters["max_bin"], types, data)
        record: dict[str, dict[str, list[float]]] = {}
        booster = xgb.train(
            parameters,
            data,
            ROUNDS,
            evals=[(check, "held")],
            early_stopping_rounds=PATIENCE,
            evals_result=record,
            verbose_eval=False,
        )
        curve = np.array(record["held"]["logloss"])
        padding = np.full(ROUNDS - len(curve), curve[-1])
        curves.append(np.concatenate([[log_loss(y[held], start[held].astype(np.float64))], curve, padding]))
        fits.append((booster, held, check))
    mean = np.mean(curves, axis=0)
    rounds = int(np.argmin(mean))
    return _Tried(float(mean[rounds]), rounds, parameters, fits)


def _quantiles(
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    start: NDArray[np.float32],
    bins: int,
    types: Sequence[str],
    like: xgb.DMatrix | None = None,
) -> xgb.QuantileDMatrix:
    return xgb.QuantileDMatrix(
        X, y, base_margin=start, max_bin=bins, ref=like, feature_types=list(types), enable_categorical=True, nthread=1
    )


def _with_zero_margin(X: NDArray[np.float32], types: Sequence[str]) -> xgb.DMatrix:
    # A base margin of zero replaces the booster's own base score.
    zero = np.zeros(len(X), np.float32)
    return xgb.DMatrix(X, base_margin=zero, feature_types=list(types), enable_categorical=True, nthread=1)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How RidgeLogit reads records: standardised numbers, missing flags, a flag for each common category.

    log:     columns read as log1p(max(x, 0)); levels: per category column, the codes with a flag.
    centre, scale, fill: per number column; flags: columns with a missing flag, their mean and deviation.
    """

    log: NDArray[np.bool_]
    levels: tuple[tuple[int, ...], ...]
    fill: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    flags: NDArray[np.int64]
    flag_centre: NDArray[np.float64]
    flag_scale: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[np.float32], log: NDArray[np.bool_], category: NDArray[np.bool_]) -> Encoding:
        """Medians, means and deviations of these rows."""
        Z = _logged(X, log)
        missing = np.isnan(Z)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # a column may hold nothing
            fill = np.nan_to_num(np.nanmedian(Z, axis=0))
        full = np.where(missing, fill, Z)
        spread = full.std(axis=0)
        rate = missing.mean(axis=0)
        flags = np.flatnonzero((rate > 0.01) & (rate < 0.99))
        return cls(
            log,
            tuple(_common(X[:, j]) if c else () for j, c in enumerate(category)),
            fill,
            full.mean(axis=0),
            np.where(category | (spread < 1e-9), np.inf, np.maximum(spread, 1e-3)),  # inf: contributes nothing
            flags,
            rate[flags],
            np.sqrt(rate[flags] * (1 - rate[flags])),
        )

    def apply(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, columns): numbers, missing flags, category flags."""
        Z = _logged(X, self.log)
        missing = np.isnan(Z)
        numbers = np.clip((np.where(missing, self.fill, Z) - self.centre) / self.scale, -6, 6)
        flags = (missing[:, self.flags] - self.flag_centre) / self.flag_scale
        ones = [(X[:, j] == level).astype(np.float64) for j, levels in enumerate(self.levels) for level in levels]
        return np.hstack([numbers, flags, *(o[:, None] for o in ones)])

    def owners(self) -> NDArray[np.int64]:
        """Field of every column."""
        of_levels = [j for j, levels in enumerate(self.levels) for _ in levels]
        return np.concatenate([np.arange(len(self.log)), self.flags, np.array(of_levels, np.int64)])


def _logged(X: NDArray[np.float32], log: NDArray[np.bool_]) -> NDArray[np.float64]:
    Z = X.astype(np.float64)
    Z[:, log] = np.log1p(np.maximum(Z[:, log], 0.0))
    return Z


def _common(column: NDArray[np.float32]) -> tuple[int, ...]:
    """Codes with at least five rows, the most frequent sixty."""
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    order = np.argsort(-counts, kind="stable")[:60]
    return tuple(int(values[i]) for i in sorted(order) if counts[i] >= 5)


@dataclass(frozen=True, slots=True)
class RidgeLogit:
    """Ridge logistic regression, its strength by cross-validation.

    oof: out-of-fold margin, NaN on rows no fold holds out, (n,).
    """

    encoding: Encoding
    coefficients: NDArray[np.float64]
    intercept: float
    oof: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        X: NDArray[np.float32],
        y: NDArray[np.float64],
        folds: Folds,
        log: NDArray[np.bool_] | None = None,
        category: NDArray[np.bool_] | None = None,
    ) -> RidgeLogit:
        """X (n, k), NaN = missing; log, category: (k,), which columns are heavy-tailed numbers or category codes."""
        k = X.shape[1]
        log = np.zeros(k, np.bool_) if log is None else log
        category = np.zeros(k, np.bool_) if category is None else category
        y = np.asarray(y, dtype=np.float64)
        grid = (0.001, 0.01, 0.1, 1.0) if len(y) >= HOLD_OUT else (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
        oof = {C: np.full(len(y), np.nan) for C in grid}
        for fitted, held in folds.pairs():
            encoding = Encoding.fit(X[fitted], log, category)
            Z, Zh = encoding.apply(X[fitted]), encoding.apply(X[held])
            for C in grid:
                oof[C][held] = _logit(C, 200).fit(Z, y[fitted]).decision_function(Zh)
        seen = folds.held_out
        best = min(grid, key=lambda C: log_loss(y[seen], oof[C][seen]))
        encoding = Encoding.fit(X, log, category)
        model = _logit(best, 300).fit(encoding.apply(X), y)
        return cls(encoding, model.coef_[0].astype(np.float64), float(model.intercept_[0]), oof[best])

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,)."""
        return self.encoding.apply(X) @ self.coefficients + self.intercept

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of every field, (n, k + 1), the intercept last; rows add up to `margin`."""
        points = self.encoding.apply(X) * self.coefficients
        out = np.zeros((len(X), X.shape[1] + 1))
        for column, owner in enumerate(self.encoding.owners()):
            out[:, owner] += points[:, column]
        out[:, -1] = self.intercept
        return out


def _logit(C: float, iterations: int) -> LogisticRegression:
    return LogisticRegression(C=C, max_iter=iterations, tol=1e-3)
