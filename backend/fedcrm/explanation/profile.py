"""What an organisation's own records look like: cells of every field, how many records are in each, who is alike.

The reference for everything relative: which values are out of range, how many records resemble this one, and
whether the records of today have drifted away. Exact counts: a profile never leaves the organisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fedcrm.features import Kind, Schema

__all__ = ["CELLS", "FieldProfile", "Profile", "stability_index"]

CELLS = 16
"""Cells of a number at most; missing is one more."""
MOST_LEVELS = 250
SAMPLE = 256
"""Own records kept for comparison with new ones."""
ALIKE = 0.05
"""Share of own records that count as similar to the middle one of one's own."""


@dataclass(frozen=True, slots=True)
class FieldProfile:
    """One field.

    ordered: a number, or categories.
    cuts:    between cells, rising, (cells - 1,).
    counts:  own records in every cell, missing last, (cells + 1,).
    low, high: least and greatest value seen; NaN where none was, or of categories.
    """

    ordered: bool
    cuts: NDArray[np.float64]
    counts: NDArray[np.int64]
    low: float
    high: float

    def cells(self, x: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cell of every value, (n,); missing is cell number `len(cuts) + 1`."""
        found = np.searchsorted(self.cuts, x, side="right")
        return np.where(np.isnan(x), len(self.cuts) + 1, found).astype(np.uint8)

    @property
    def missing_rate(self) -> float:
        """Share of own records without a value."""
        return float(self.counts[-1] / max(int(self.counts.sum()), 1))

    @classmethod
    def fit(cls, x: NDArray[np.float32], levels: int | None) -> FieldProfile:
        """x: (n,), NaN = missing; levels: of a category, None for a number."""
        known = x[~np.isnan(x)].astype(np.float64)
        if levels is None:
            inner = np.quantile(known, np.arange(1, CELLS) / CELLS) if len(known) else np.zeros(0)
            # float32 values are compared with these cuts; a cut at the least value would leave a cell empty.
            distinct = np.unique(inner.astype(np.float32).astype(np.float64))
            cuts = np.asarray(distinct[distinct > known.min(initial=np.inf)], np.float64)
        else:
            cuts = np.arange(1, min(levels, MOST_LEVELS), dtype=np.float64) - 0.5
        low, high = (float(known.min()), float(known.max())) if levels is None and len(known) else (np.nan, np.nan)
        bare = cls(levels is None, cuts, np.zeros(len(cuts) + 2, np.int64), low, high)
        counts = np.bincount(bare.cells(x), minlength=len(cuts) + 2).astype(np.int64)
        return cls(levels is None, cuts, counts, low, high)


@dataclass(frozen=True)
class Profile:
    """All fields, and a sample of own records in cells.

    rows:   own records behind it.
    sample: uint8, (up to SAMPLE, k).
    shares: of each field in what moves scores, (k,), not negative, sum 1.
    radius: records closer than this are similar.
    """

    fields: tuple[FieldProfile, ...]
    rows: int
    sample: NDArray[np.uint8]
    shares: NDArray[np.float64]
    radius: float

    @classmethod
    def fit(
        cls, schema: Schema, X: NDArray[np.float32], shares: NDArray[np.float64], rng: np.random.Generator
    ) -> Profile:
        """X: own records, (n, k), n >= 1; shares: (k,), any scale."""
        fields = tuple(
            FieldProfile.fit(X[:, j], None if f.kind is Kind.NUMERIC else max(f.levels, 1))
            for j, f in enumerate(schema.fields)
        )
        total = float(shares.sum())
        even = np.full(len(fields), 1 / max(len(fields), 1))
        bare = cls(fields, len(X), np.zeros((0, len(fields)), np.uint8), shares / total if total > 0 else even, 0.0)
        chosen = rng.permutation(len(X))[:SAMPLE]
        sample = bare.cells(X[np.sort(chosen)])
        distances = cls(fields, len(X), sample, bare.shares, 0.0)._distances(sample)
        np.fill_diagonal(distances, np.inf)
        near = np.quantile(np.where(np.isinf(distances), 1.0, distances), ALIKE, axis=1)
        return cls(fields, len(X), sample, bare.shares, float(np.median(near)))

    def cells(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Cell of every value, (n, k)."""
        out = np.empty(X.shape, np.uint8)
        for j, f in enumerate(self.fields):
            out[:, j] = f.cells(X[:, j])
        return out

    def counts(self, cells: NDArray[np.uint8]) -> tuple[NDArray[np.int64], ...]:
        """Records in every cell of every field, for comparison with the profile's own; cells (n, k)."""
        return tuple(
            np.bincount(cells[:, j], minlength=len(f.counts)).astype(np.int64) for j, f in enumerate(self.fields)
        )

    def similar(self, cells: NDArray[np.uint8]) -> NDArray[np.float64]:
        """How many own records resemble each, (n,); estimated from the sample.

        Distance: sum over fields of share x difference, a difference being 1 between categories or between a value and
        none, and between numbers the distance of their cells over the greatest there is.
        """
        if len(self.sample) == 0:
            return np.zeros(len(cells))
        found = np.zeros(len(cells))
        _similar(cells, self.sample, *self._weights, self.radius, found)
        return found * (self.rows / len(self.sample))

    @cached_property
    def _weights(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Share over greatest distance of cells (0 steps: categories), and the missing cell, each (k,)."""
        last = np.array([len(f.cuts) + 1 for f in self.fields], np.int64)
        steps = np.array([max(len(f.cuts), 1) if f.ordered else 0 for f in self.fields], np.float64)
        scaled = np.where(steps > 0, self.shares / np.maximum(steps, 1), -self.shares)
        return scaled, last

    def _distances(self, cells: NDArray[np.uint8]) -> NDArray[np.float64]:
        out = np.zeros((len(cells), len(self.sample)))
        _distances(cells, self.sample, *self._weights, out)
        return out

    def to_raw(self) -> dict[str, Any]:
        """Plain values for JSON; from_raw is the inverse."""
        return {
            "rows": self.rows,
            "sample": self.sample.tolist(),
            "shares": self.shares.tolist(),
            "radius": self.radius,
            "fields": [
                {
                    "ordered": f.ordered,
                    "cuts": f.cuts.tolist(),
                    "counts": f.counts.tolist(),
                    "low": None if np.isnan(f.low) else f.low,
                    "high": None if np.isnan(f.high) else f.high,
                }
                for f in self.fields
            ],
        }

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> Profile:
        """Inverse of to_raw. Raises ValueError, KeyError or TypeError."""
        fields = tuple(
            FieldProfile(
                bool(f["ordered"]),
                np.asarray(f["cuts"], np.float64),
                np.asarray(f["counts"], np.int64),
                float("nan") if f["low"] is None else float(f["low"]),
                float("nan") if f["high"] is None else float(f["high"]),
            )
            for f in raw["fields"]
        )
        sample = np.asarray(raw["sample"], np.uint8).reshape(-1, len(fields))
        return cls(fields, int(raw["rows"]), sample, np.asarray(raw["shares"], np.float64), float(raw["radius"]))


def stability_index(before: NDArray[np.int64], now: NDArray[np.int64]) -> float:
    """Population stability index of two histograms over the same cells.

    Sum over cells of (q - p) ln(q / p), with half a record added to every cell so that none is empty. Rule of thumb:
    below 0.1 nothing moved, above 0.25 much did.
    """
    p, q = before + 0.5, now + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((q - p) * np.log(q / p)))


@numba.njit(cache=True, inline="always")
def _distance(a, b, scaled, missing):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    d = 0.0
    for j in range(len(a)):
        if a[j] == b[j]:
            continue
        if scaled[j] < 0:
            d -= scaled[j]
        elif a[j] == missing[j] or b[j] == missing[j]:
            d += scaled[j] * max(missing[j] - 1, 1)
        else:
            d += scaled[j] * abs(np.int64(a[j]) - np.int64(b[j]))
    return d


@numba.njit(cache=True)
def _distances(cells, sample, scaled, missing, out):  # type: ignore[no-untyped-def]  # compiled
    for i in range(len(cells)):
        for r in range(len(sample)):
            out[i, r] = _distance(cells[i], sample[r], scaled, missing)


@numba.njit(cache=True)
def _similar(cells, sample, scaled, missing, radius, out):  # type: ignore[no-untyped-def]  # compiled
    for i in range(len(cells)):
        for r in range(len(sample)):
            if _distance(cells[i], sample[r], scaled, missing) <= radius:
                out[i] += 1.0
