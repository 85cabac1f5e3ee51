"""The federated model: log-odds of fields and of pairs of fields, added up.

Every term is centred under one reference distribution (independent fields, each with the noisy masses of its
bins), what a pair says about one of its fields alone having moved to that field's own term. Then a prediction
is its own explanation: points of a field = its term + half of each of its pairs, and TreeSHAP on the exported
booster, whose covers are those same masses, finds exactly these points.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins, codes
from fedcrm.boosting.grid import Grid, layout
from fedcrm.boosting.kernels import Layout, margins
from fedcrm.boosting.messages import canonical
from fedcrm.features import Schema

__all__ = ["FederatedModel", "Term"]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Term:
    """A table of log-odds over a field's bins, or over a grid of two fields.

    mean, variance: posterior per cell, flat, (grid.cells,).
    """

    grid: Grid
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]

    def __post_init__(self) -> None:
        for values in (self.mean, self.variance):
            if values.shape != (self.grid.cells,) or not np.all(np.isfinite(values)):
                raise ValueError("a term has one finite mean and variance a cell")
        if np.any(self.variance < 0):
            raise ValueError("variances are not negative")


@dataclass(frozen=True)
class FederatedModel:
    """What all participants trained together; everything in it is a function of noisy sums.

    base:   log-odds before any term.
    bins:   of every field, in schema order.
    masses: noisy Hessian of every field's bins, missing last, positive; the reference distribution.
    terms:  centred (see `centred`).
    """

    schema: Schema
    base: float
    bins: tuple[Bins, ...]
    masses: tuple[NDArray[np.float64], ...]
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        if not math.isfinite(self.base):
            raise ValueError("the base is finite")
        if not len(self.bins) == len(self.masses) == len(self.schema.fields):
            raise ValueError("one set of bins and masses a field")
        for b, mass in zip(self.bins, self.masses, strict=True):
            if mass.shape != (b.count + 1,) or not np.all(np.isfinite(mass)) or not np.all(mass > 0):
                raise ValueError("one positive mass a bin")
        if any(len(t.grid.axes) > 2 for t in self.terms):
            raise ValueError("terms are over one field or two")
        layout([t.grid for t in self.terms], self.bins)

    @classmethod
    def centred(
        cls,
        schema: Schema,
        base: float,
        bins: tuple[Bins, ...],
        masses: tuple[NDArray[np.float64], ...],
        terms: Sequence[Term],
    ) -> FederatedModel:
        """The same function with every term centred: a pair's means go to its fields, theirs to the base."""
        own: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        for t in terms:
            if len(t.grid.axes) == 1:
                where = np.array(t.grid.axes[0].places)
                mean, variance = own.get(t.grid.fields[0], (0.0, 0.0))
                own[t.grid.fields[0]] = (mean + t.mean[where], variance + t.variance[where])
        pairs = []
        for t in terms:
            if len(t.grid.axes) == 1:
                continue
            rows, columns, inside, middle = _split(t, masses)
            base += middle
            for axis, values in zip(t.grid.axes, (rows, columns), strict=True):
                zero = np.zeros(bins[axis.field].count + 1)
                mean, variance = own.get(axis.field, (zero, zero))
                own[axis.field] = (mean + values[np.array(axis.places)], variance)
            if np.any(inside):
                pairs.append(Term(t.grid, inside, t.variance))
        singles = []
        for f in sorted(own):
            mean, variance = own[f]
            middle = float(mean @ masses[f] / masses[f].sum())
            base += middle
            if np.any(mean != middle):
                singles.append(Term(Grid.of_field(f, bins[f]), mean - middle, variance))
        return cls(schema, base, bins, masses, (*singles, *pairs))

    @cached_property
    def _plan(self) -> tuple[Layout, NDArray[np.float64]]:
        table = np.concatenate([t.mean for t in self.terms]) if self.terms else np.zeros(0)
        return layout([t.grid for t in self.terms], self.bins), table

    def codes(self, X: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Bin of every value, (fields, n). Raises ValueError if X has another width."""
        return codes(self.bins, X)

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,); X (n, k), NaN = missing."""
        plan, table = self._plan
        every = np.arange(len(self.terms), dtype=np.int64)
        return margins(self.codes(X), plan, table, every, np.full(len(X), self.base))

    def points(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds of every term, (n, terms)."""
        plan, table = self._plan
        binned = self.codes(X)
        out = np.zeros((len(X), len(self.terms)))
        for t in range(len(self.terms)):
            out[:, t] = margins(binned, plan, table, np.array([t], np.int64), np.zeros(len(X)))
        return out

    def contributions(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Points of every field, pairs halved, and the base last, (n, k + 1); rows add up to the margin."""
        out = np.zeros((len(X), len(self.bins) + 1))
        out[:, -1] = self.base
        points = self.points(X)
        for t, term in enumerate(self.terms):
            for f in term.grid.fields:
                out[:, f] += points[:, t] / len(term.grid.fields)
        return out

    def restricted(self, blocks: frozenset[str]) -> FederatedModel:
        """Without the terms of blocks that are not among these: what a participant lacking them uses."""
        lacking = {j for j, f in enumerate(self.schema.fields) if f.block is not None and f.block not in blocks}
        kept = tuple(t for t in self.terms if not lacking.intersection(t.grid.fields))
        return FederatedModel(self.schema, self.base, self.bins, self.masses, kept)

    def to_json(self) -> str:
        """model.json: canonical, so equal models have equal text."""
        return canonical(
            {
                "format": FORMAT,
                "schema": json.loads(self.schema.to_json()),
                "base": self.base,
                "bins": [b.to_raw() for b in self.bins],
                "masses": [m.tolist() for m in self.masses],
                "terms": [
                    {
                        "fields": [self.schema.fields[f].name for f in t.grid.fields],
                        "grid": t.grid.to_raw(),
                        "mean": t.mean.tolist(),
                        "variance": t.variance.tolist(),
                    }
                    for t in self.terms
                ],
            }
        ).decode()

    @classmethod
    def from_json(cls, text: str) -> FederatedModel:
        """Inverse of to_json. Raises ValueError on anything else."""
        try:
            raw: Any = json.loads(text)
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']} is not {FORMAT}")
            return cls(
                Schema.from_json(json.dumps(raw["schema"])),
                float(raw["base"]),
                tuple(Bins.from_raw(b) for b in raw["bins"]),
                tuple(_row(m) for m in raw["masses"]),
                tuple(Term(Grid.from_raw(t["grid"]), _row(t["mean"]), _row(t["variance"])) for t in raw["terms"]),
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as wrong:
            raise ValueError("this is not a federated model") from wrong

    def digest(self) -> bytes:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).digest()


def _row(values: Any) -> NDArray[np.float64]:
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1:
        raise ValueError("expected a row of numbers")
    return row


def _split(
    term: Term, masses: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """A pair's row effects, column effects, pure interaction (flat) and mean, under independent fields."""
    p, q = (axis.collapse(masses[axis.field]) for axis in term.grid.axes)
    p, q = p / p.sum(), q / q.sum()
    T = term.mean.reshape(term.grid.shape)
    middle = float(p @ T @ q)
    rows, columns = T @ q - middle, p @ T - middle
    return rows, columns, (T - rows[:, None] - columns[None, :] - middle).ravel(), middle
