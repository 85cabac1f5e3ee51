"""What methods are judged by. Every mean is over participants, each on its own test rows.

A pooled AUC also rewards knowing how often each participant wins, and comes out up to four points higher: it is
not used here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Difference",
    "auc",
    "mean_over_participants",
    "paired_difference",
    "ranks",
    "spearman",
    "spearman_attainable",
]


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing their mean rank, (n,)."""
    v = np.asarray(values, dtype=np.float64)
    _, inverse, counts = np.unique(v, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    shared: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return shared


def auc(label: ArrayLike, score: ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties counting half. Raises ValueError with one class or NaN."""
    y = np.asarray(label, dtype=bool)
    s = _finite(score, len(y))
    positives = int(y.sum())
    negatives = len(y) - positives
    if positives == 0 or negatives == 0:
        raise ValueError("AUC needs both classes")
    # Mann-Whitney: the positives' rank sum above its least possible value.
    return float((ranks(s)[y].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def spearman(label: ArrayLike, score: ArrayLike) -> float:
    """Rank correlation of score and outcome, 0 where the scores are all equal. Raises ValueError as `auc` does."""
    y = np.asarray(label, dtype=np.float64)
    s = _finite(score, len(y))
    if len(y) == 0 or y.min() == y.max():
        raise ValueError("Spearman's correlation needs both classes")
    a, b = ranks(y) - (len(y) + 1) / 2, ranks(s) - (len(y) + 1) / 2
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm > 0 else 0.0


def spearman_attainable(rate: float) -> float:
    """Largest Spearman correlation of a score without ties with a 0/1 outcome of this rate: sqrt(3 p (1 - p)).

    Without ties it is (2 AUC - 1) times this. (The exact figure for n rows is larger by n / sqrt(n^2 - 1).)
    """
    if not 0 <= rate <= 1:
        raise ValueError("a rate is between 0 and 1")
    return math.sqrt(3 * rate * (1 - rate))


def mean_over_participants(values: Mapping[str, float]) -> float:
    """Unweighted mean. Raises ValueError for nobody."""
    if not values:
        raise ValueError("nobody to take a mean over")
    return math.fsum(values.values()) / len(values)


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of paired differences and its standard error; NaN error with fewer than two pairs."""

    mean: float
    standard_error: float
    pairs: int


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """first - second, seed by seed. Raises ValueError where they do not pair."""
    if len(first) != len(second) or len(first) == 0:
        raise ValueError("paired differences need as many values on both sides, at least one")
    d = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    error = float(d.std(ddof=1) / math.sqrt(len(d))) if len(d) > 1 else math.nan
    return Difference(float(d.mean()), error, len(d))


def _finite(score: ArrayLike, rows: int) -> NDArray[np.float64]:
    s = np.asarray(score, dtype=np.float64)
    if s.shape != (rows,) or np.isnan(s).any():
        raise ValueError("one score a row, none of them NaN")
    return s
