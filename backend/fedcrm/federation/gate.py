"""Before an organisation serves a received model it holds it against its own hold-out.

The verdict is local: the organisation goes on contributing whatever it is, nobody else sees it, and so it
costs no privacy. A small validation part holds a handful of positives, where a literal rule refuses good
models by chance: the default refuses only what the hold-out can tell from chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["Gate", "Verdict", "judge"]

TOLERANCE = 0.02
CONFIDENCE = 0.95
RESAMPLES = 1000


class Gate(StrEnum):
    """BOOTSTRAP: AUC more than TOLERANCE below, with one-sided CONFIDENCE. PAPER: accuracy more than 2 % below."""

    BOOTSTRAP = "bootstrap"
    PAPER = "paper"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the received model may serve.

    drop:       metric of the last good model minus that of the received one, on the hold-out.
    confidence: share of bootstrap resamples in which the drop exceeds the tolerance; None under PAPER.
    """

    accepted: bool
    gate: Gate
    drop: float
    confidence: float | None
    positives: int
    negatives: int


def judge(
    y: NDArray[np.int8],
    received: NDArray[np.float64],
    last_good: NDArray[np.float64] | None,
    gate: Gate,
    rng: np.random.Generator,
) -> Verdict:
    """Compare two models' margins on the same hold-out rows, each (n,).

    Without a last good model the received one is held against a constant (AUC 0.5, majority class).
    A hold-out with one class only cannot refuse.
    """
    positives, negatives = int(np.sum(y == 1)), int(np.sum(y == 0))
    before = np.zeros(len(y)) if last_good is None else last_good
    if positives == 0 or negatives == 0:
        return Verdict(True, gate, 0.0, None if gate is Gate.PAPER else 0.0, positives, negatives)
    if gate is Gate.PAPER:
        if last_good is None:
            before = np.full(len(y), 1.0 if positives > negatives else -1.0)
        # In whole rows: 2 % to the letter, not to the last bit of a float.
        lost = int(np.sum((before > 0) == y)) - int(np.sum((received > 0) == y))
        return Verdict(lost <= math.floor(TOLERANCE * len(y) + 1e-9), gate, lost / len(y), None, positives, negatives)
    drop = float(_auc(y, before[None])[0] - _auc(y, received[None])[0])
    rows = _stratified_resamples(y, rng)
    drops = _auc_resampled(y, before, rows) - _auc_resampled(y, received, rows)
    confidence = float(np.mean(drops > TOLERANCE))
    return Verdict(confidence < CONFIDENCE, gate, drop, confidence, positives, negatives)


def _stratified_resamples(y: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.int64]:
    """(RESAMPLES, n) row numbers, each class resampled within itself so that AUC always exists."""
    ones, zeros = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    return np.hstack([rng.choice(part, (RESAMPLES, len(part))) for part in (ones, zeros)])


def _auc_resampled(y: NDArray[np.int8], score: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    # Rows of one class come first in every resample, so the labels are the same for all of them.
    return _auc(y[rows[0]], score[rows])


def _auc(y: NDArray[np.int8], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mann-Whitney with ties at mid-rank; scores (resamples, n) -> (resamples,)."""
    ranks = rankdata(scores, axis=1)
    ones = int(np.sum(y == 1))
    total = ranks[:, y == 1].sum(axis=1)
    area: NDArray[np.float64] = (total - ones * (ones + 1) / 2) / (ones * (len(y) - ones))
    return area
