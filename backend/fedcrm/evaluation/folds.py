"""Cutting rows into folds for choosing and stacking: more folds where there are fewer rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Folds", "log_loss"]

_FIVE, _THREE = 3_000, 8_000


class Folds:
    """Five stratified folds below 3,000 rows, three below 8,000, then one held-out quarter.

    fold: int64, (n,), the fold in which a row is held out; -1 = in none.
    """

    def __init__(self, label: NDArray[np.int8], seed: int) -> None:
        """label: at least two rows of each class. Raises ValueError with fewer."""
        rows, positives = len(label), int(label.sum())
        rarer = min(positives, rows - positives)
        if rarer < 2:
            raise ValueError("a model needs at least two rows of each class")
        pieces = min(5 if rows < _FIVE else 3 if rows < _THREE else 4, rarer)
        rng = np.random.default_rng(seed)
        fold = np.empty(rows, dtype=np.int64)
        for value in (0, 1):
            members = rng.permutation(np.flatnonzero(label == value))
            fold[members] = np.arange(len(members)) % pieces
        self.fold = np.where(fold == 0, 0, -1) if rows >= _THREE else fold

    def __len__(self) -> int:
        return int(self.fold.max()) + 1

    def __iter__(self) -> Iterator[NDArray[np.bool_]]:
        """Which rows are held out, fold by fold."""
        return (self.fold == i for i in range(len(self)))

    @property
    def held(self) -> NDArray[np.bool_]:
        """Rows held out in some fold: those that have an out-of-fold margin."""
        return self.fold >= 0


def log_loss(label: NDArray[np.int8], margin: NDArray[np.float64]) -> float:
    """Mean negative log-likelihood of 0/1 outcomes under log-odds."""
    return float(np.mean(np.logaddexp(0, margin) - label * margin))
