"""Bins of every field, chosen from noisy counts alone.

A field is cut twice. Its *cells* are public: equal widths over the public (or privately released) range, or a
category's levels one by one. A charged noisy count of the cells then merges them into the *bins* the learner
works with: about equal mass for numbers, rare levels into one bin for categories. Both are the same thing, a
list of float32 cuts and the bin of each gap between them, so that a respondent, the evaluator and an exported
XGBoost tree, which compares float32 with `<`, always agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.kernels import bin_field
from fedcrm.boosting.posterior import smooth

__all__ = ["Bins", "category_bins", "category_cells", "codes", "number_bins", "number_cells"]

MOST_BINS = 255  # a code is one byte, and the missing bin needs one of its 256 values


@dataclass(frozen=True, slots=True)
class Bins:
    """One field's bins.

    cuts:    float32, strictly rising, (m,); a value v lies in gap number |{cuts <= v}|.
    members: bin of each gap, uint8, (m + 1,).
    count:   bins without the missing one, which is number `count`.
    ordered: neighbours are alike (numbers), or any two bins are (categories).
    """

    cuts: NDArray[np.float32]
    members: NDArray[np.uint8]
    count: int
    ordered: bool

    def __post_init__(self) -> None:
        if len(self.members) != len(self.cuts) + 1 or np.any(np.diff(self.cuts) <= 0):
            raise ValueError("cuts must rise, with one gap more than cuts")
        if not 1 <= self.count <= MOST_BINS or sorted(set(self.members.tolist())) != list(range(self.count)):
            raise ValueError("every bin needs a gap, and every gap a bin")

    def to_raw(self) -> dict[str, object]:
        """Plain values for JSON; from_raw is its inverse."""
        return {
            "cuts": [float(c) for c in self.cuts],
            "members": self.members.tolist(),
            "count": self.count,
            "ordered": self.ordered,
        }

    @classmethod
    def from_raw(cls, raw: Mapping[str, object]) -> Bins:
        """Inverse of to_raw. Raises ValueError, KeyError or TypeError."""
        members = np.asarray(raw["members"], dtype=np.int64)
        if members.ndim != 1 or members.min(initial=0) < 0 or members.max(initial=0) >= MOST_BINS:
            raise ValueError("bins are numbered from 0")
        return cls(
            np.asarray(raw["cuts"], dtype=np.float32),
            members.astype(np.uint8),
            int(raw["count"]),  # type: ignore[call-overload]  # checked by int itself
            bool(raw["ordered"]),
        )


def number_cells(low: float, high: float, log: bool, cells: int) -> NDArray[np.float32]:
    """Inner edges of equal-width cells over [low, high], at most cells - 1; equal widths of log1p(x - low) if log.

    Neighbouring edges that float32 cannot tell apart are merged.
    """
    if not low < high:
        return np.empty(0, np.float32)
    steps = np.arange(1, cells) / cells
    edges = low + np.expm1(np.log1p(high - low) * steps) if log else low + (high - low) * steps
    return np.unique(edges.astype(np.float32))


def category_cells(levels: int) -> NDArray[np.float32]:
    """Edges between codes 0..levels - 1 (the last is "other"), (levels - 1,)."""
    return (np.arange(1, levels) - 0.5).astype(np.float32)


def number_bins(
    edges: NDArray[np.float32], counts: NDArray[np.float64], variance: NDArray[np.float64], bins: int
) -> Bins:
    """Merge cells into at most `bins` bins of about equal mass.

    counts, variance: noisy counts of the cells (missing excluded) and their noise variance, (len(edges) + 1,).

    The masses are smoothed by evidence towards a flat density first: where noise drowns them the bins come
    out equally wide. With noise, no bin is made that holds less than a few deviations of its count.
    """
    mass = smooth(counts, variance)
    total = float(mass.sum())
    least = max(total / bins, 4.0 * float(np.sqrt(variance.max(initial=0.0)))) if total > 0 else np.inf
    members = np.zeros(len(mass), np.int64)
    current, held = 0, 0.0
    for cell, m in enumerate(mass):
        # A new bin begins where this cell would push the present one further beyond its size than it now lacks.
        if held > 0 and held + m / 2 > least and current < bins - 1:
            current, held = current + 1, 0.0
        members[cell] = current
        held += float(m)
    return _bins(edges, members, ordered=True)


def category_bins(
    edges: NDArray[np.float32], counts: NDArray[np.float64], variance: NDArray[np.float64], most: int
) -> Bins:
    """Levels whose noisy count is clear of noise keep a bin of their own, at most `most`; the rest share one.

    counts, variance: per level, "other" last, missing excluded.
    """
    clear = counts > np.maximum(3.0 * np.sqrt(variance), 5.0)
    clear[-1] = False  # "other" is where the rest goes
    order = np.argsort(-np.where(clear, counts, -np.inf), kind="stable")[: min(int(clear.sum()), most - 1)]
    members = np.full(len(counts), -1, np.int64)
    members[np.sort(order)] = np.arange(len(order))
    members[members < 0] = len(order)
    return _bins(edges, members, ordered=False)


def whole_levels(levels: int) -> Bins:
    """Every level its own bin, "other" included."""
    return _bins(category_cells(levels), np.arange(levels), ordered=False)


def codes(bins: Sequence[Bins], X: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Bin of every value, (fields, n), field by field. Raises ValueError if X has another width."""
    if X.ndim != 2 or X.shape[1] != len(bins):
        raise ValueError(f"expected {len(bins)} columns, not {X.shape}")
    out = np.empty((len(bins), len(X)), np.uint8)
    for j, b in enumerate(bins):
        out[j] = bin_field(np.ascontiguousarray(X[:, j], dtype=np.float32), b.cuts, b.members, b.count)
    return out


def _bins(edges: NDArray[np.float32], members: NDArray[np.int64], *, ordered: bool) -> Bins:
    """Drop the edges inside a bin and number the bins without gaps."""
    kept = np.flatnonzero(np.diff(members)) if len(edges) else np.empty(0, np.int64)
    gaps = members[np.concatenate([[0], kept + 1]).astype(np.int64)]
    _, numbered = np.unique(gaps, return_inverse=True)
    return Bins(edges[kept], numbered.astype(np.uint8), int(numbered.max()) + 1, ordered)
