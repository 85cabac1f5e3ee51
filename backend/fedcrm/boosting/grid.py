"""The cells of one structure: a field's bins, or a coarser grid over two or three fields.

A record's cell is read off its bins: each axis maps a bin to a coarse position, positions combine row by row
(the last axis fastest). Every record lies in exactly one cell, so all structures partition the records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins
from fedcrm.boosting.kernels import Layout

__all__ = ["Axis", "Grid", "layout"]

MOST_AXES = 3


@dataclass(frozen=True, slots=True)
class Axis:
    """One side of a grid.

    field:    column.
    places:   coarse position of each bin, the missing bin's last; every position 0..size - 1 occurs.
    ordered:  neighbouring positions are alike, the missing one aside.
    """

    field: int
    places: tuple[int, ...]
    ordered: bool

    def __post_init__(self) -> None:
        if sorted(set(self.places)) != list(range(self.size)):
            raise ValueError("an axis needs a bin for every position")

    @property
    def size(self) -> int:
        """Positions, the missing one included."""
        return max(self.places) + 1

    @property
    def missing_alone(self) -> bool:
        """Whether the last position holds the missing bin and nothing else."""
        return self.places.count(self.size - 1) == 1 and self.places[-1] == self.size - 1

    def collapse(self, mass: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum a bin-wise array, (bins,), over positions, (size,)."""
        out = np.zeros(self.size)
        np.add.at(out, np.array(self.places), mass)
        return out


@dataclass(frozen=True, slots=True)
class Grid:
    """Axes of one structure, one to three, of different fields."""

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        fields = self.fields
        if not 1 <= len(fields) <= MOST_AXES or len(set(fields)) != len(fields):
            raise ValueError("a grid has one to three axes of different fields")

    @classmethod
    def of_field(cls, field: int, bins: Bins) -> Grid:
        """A field's own bins, uncoarsened."""
        return cls((Axis(field, tuple(range(bins.count + 1)), bins.ordered),))

    @property
    def fields(self) -> tuple[int, ...]:
        """Columns, in axis order."""
        return tuple(a.field for a in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(a.size for a in self.axes)

    @property
    def cells(self) -> int:
        """Cells in all."""
        return math.prod(self.shape)

    def to_raw(self) -> list[dict[str, object]]:
        """Plain values for JSON; from_raw is its inverse."""
        return [{"field": a.field, "places": list(a.places), "ordered": a.ordered} for a in self.axes]

    @classmethod
    def from_raw(cls, raw: Sequence[Mapping[str, object]]) -> Grid:
        """Inverse of to_raw. Raises ValueError, KeyError or TypeError."""
        axes = []
        for a in raw:
            places = a["places"]
            if not isinstance(places, list) or not all(isinstance(p, int) and p >= 0 for p in places):
                raise ValueError("positions are numbered from 0")
            field = a["field"]
            if not isinstance(field, int) or field < 0:
                raise ValueError("fields are numbered from 0")
            axes.append(Axis(field, tuple(places), bool(a["ordered"])))
        return cls(tuple(axes))


def layout(grids: Sequence[Grid], bins: Sequence[Bins]) -> Layout:
    """Look-up tables of many grids for the compiled loops. Raises ValueError where a grid does not fit the bins."""
    fields = np.full((len(grids), MOST_AXES), -1, np.int32)
    starts = np.zeros((len(grids), MOST_AXES), np.int32)
    pieces: list[NDArray[np.int64]] = []
    used = 0
    for t, grid in enumerate(grids):
        stride = grid.cells
        for d, axis in enumerate(grid.axes):
            if axis.field >= len(bins) or len(axis.places) != bins[axis.field].count + 1:
                raise ValueError(f"an axis of field {axis.field} does not fit its bins")
            stride //= axis.size
            fields[t, d], starts[t, d] = axis.field, used
            pieces.append(np.array(axis.places) * stride)
            used += len(axis.places)
    offsets = np.concatenate([[0], np.cumsum([g.cells for g in grids])]).astype(np.int64)
    lookup = np.concatenate(pieces).astype(np.int32) if pieces else np.empty(0, np.int32)
    return Layout(fields, starts, lookup, offsets)
