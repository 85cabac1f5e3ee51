"""What a query's body says. It carries all public state that an answer needs: respondents remember nothing.

Three kinds: counts over public cells (ranges and fine cells), gradient histograms over the terms as they stand, and
gradients along directions. Canonical JSON with float64 tables in base64, so equal questions have equal bytes.
"""

from __future__ import annotations

import itertools
import json
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins
from fedcrm.boosting.grid import Grid

__all__ = ["CountQuestion", "DirectionQuestion", "HistogramQuestion", "canonical", "floats", "parse", "raw_floats"]

MOST_DIRECTION = 1e6  # squares of it stay far from what float64 can hold


@dataclass(frozen=True, slots=True)
class CountQuestion:
    """How many records lie in each cell of these fields.

    fields: columns; edges: inner edges of their cells, float32, one array a field. "Missing" is a further cell.
    """

    fields: tuple[int, ...]
    edges: tuple[NDArray[np.float32], ...]

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return canonical(
            {"kind": "count", "fields": list(self.fields), "edges": [[float(e) for e in edge] for edge in self.edges]}
        )


@dataclass(frozen=True, slots=True)
class HistogramQuestion:
    """Gradient and Hessian sums over some terms, at the margin of all of them.

    bins:   of every field, in schema order.
    grids:  of all terms; tables: their values now, flat, one array a term.
    asked:  positions of the terms whose histograms are wanted, in this order.
    """

    bins: tuple[Bins, ...]
    grids: tuple[Grid, ...]
    tables: tuple[NDArray[np.float64], ...]
    asked: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return canonical(
            {
                "kind": "histogram",
                "bins": [b.to_raw() for b in self.bins],
                "grids": [g.to_raw() for g in self.grids],
                "tables": [raw_floats(t) for t in self.tables],
                "asked": list(self.asked),
            }
        )


@dataclass(frozen=True, slots=True)
class DirectionQuestion:
    """Gradients along directions of every field, at the margin of one table a field.

    bins:       of every field, in schema order.
    tables:     log-odds of their bins now, missing last, (bins + 1,).
    directions: what a record in a bin says, before it takes the unit length, (bins + 1, directions).
    """

    bins: tuple[Bins, ...]
    tables: tuple[NDArray[np.float64], ...]
    directions: tuple[NDArray[np.float64], ...]

    def to_bytes(self) -> bytes:
        """Canonical bytes."""
        return canonical(
            {
                "kind": "directions",
                "bins": [b.to_raw() for b in self.bins],
                "tables": [raw_floats(t) for t in self.tables],
                "directions": [raw_floats(d) for d in self.directions],
            }
        )


def parse(body: bytes) -> CountQuestion | HistogramQuestion | DirectionQuestion:
    """Inverse of to_bytes. Raises ValueError on anything else."""
    try:
        raw: Any = json.loads(body)
        if raw["kind"] == "count":
            return _count(raw)
        if raw["kind"] == "histogram":
            return _histogram(raw)
        if raw["kind"] == "directions":
            return _directions(raw)
    except (KeyError, TypeError, AttributeError, RecursionError) as wrong:
        raise ValueError("this is not a question of this learner") from wrong
    raise ValueError("unknown kind of question")


def _count(raw: Any) -> CountQuestion:
    fields = tuple(int(f) for f in raw["fields"])
    edges = tuple(np.asarray(e, dtype=np.float32) for e in raw["edges"])
    if len(fields) != len(edges) or min(fields, default=0) < 0:
        raise ValueError("one list of edges a field")
    if any(e.ndim != 1 or not np.all(np.isfinite(e)) or np.any(np.diff(e) <= 0) for e in edges):
        raise ValueError("edges must rise")
    return CountQuestion(fields, edges)


def _histogram(raw: Any) -> HistogramQuestion:
    bins = tuple(Bins.from_raw(b) for b in raw["bins"])
    grids = tuple(Grid.from_raw(g) for g in raw["grids"])
    tables = tuple(floats(t) for t in raw["tables"])
    asked = tuple(int(a) for a in raw["asked"])
    if [len(t) for t in tables] != [g.cells for g in grids]:
        raise ValueError("one table a term, one value a cell")
    if len(set(asked)) != len(asked) or not all(0 <= a < len(grids) for a in asked):
        raise ValueError("only terms of the model can be asked for, each once")
    if not all(np.all(np.isfinite(t)) for t in tables):
        raise ValueError("tables are finite")
    return HistogramQuestion(bins, grids, tables, asked)


def _directions(raw: Any) -> DirectionQuestion:
    bins = tuple(Bins.from_raw(b) for b in raw["bins"])
    tables = tuple(floats(t) for t in raw["tables"])
    rows = tuple(floats(d) for d in raw["directions"])
    cells = [b.count + 1 for b in bins]
    if [len(t) for t in tables] != cells or len(rows) != len(cells):
        raise ValueError("one table and one set of directions a field")
    if any(len(r) % m for r, m in zip(rows, cells, strict=True)):
        raise ValueError("as many directions in every bin")
    directions = tuple(r.reshape(m, -1) for r, m in zip(rows, cells, strict=True))
    if not all(np.all(np.isfinite(t)) for t in tables):
        raise ValueError("tables are finite")
    if not all(np.all(np.abs(d) <= MOST_DIRECTION) for d in directions):  # also refuses nan
        raise ValueError("directions are of moderate size")
    return DirectionQuestion(bins, tables, directions)


def canonical(value: object) -> bytes:
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def raw_floats(values: NDArray[np.float64]) -> str:
    """float64, little endian, base64."""
    return b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


def floats(text: str) -> NDArray[np.float64]:
    """Inverse of raw_floats. Raises ValueError."""
    try:
        data = b64decode(text, validate=True)
    except Base64Error as wrong:
        raise ValueError("not base64") from wrong
    if len(data) % 8:
        raise ValueError("not a row of float64")
    return np.frombuffer(data, dtype="<f8").astype(np.float64)


def spans(lengths: Sequence[int]) -> list[slice]:
    """Where consecutive pieces of these lengths lie."""
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(int).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(ends)]
