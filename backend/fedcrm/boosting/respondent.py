"""A participant's side of the learner: exact integers over its own records, before noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins, codes
from fedcrm.boosting.directions import direction_groups, direction_sums
from fedcrm.boosting.grid import Grid, layout
from fedcrm.boosting.kernels import count_cells, histogram
from fedcrm.boosting.messages import CountQuestion, DirectionQuestion, HistogramQuestion, parse
from fedcrm.boosting.quantise import DIRECTION_SCALE, QUANTISED_SENSITIVITY, SCALE, direction_sensitivity
from fedcrm.features import Schema
from fedcrm.learning import Query

__all__ = ["HistogramRespondent"]


class HistogramRespondent:
    """Answers every query from its body and the records alone.

    The only thing kept between queries is a cache of bin codes, keyed by the bins themselves, so a
    restarted participant gives the same answer, bit for bit.
    """

    def __init__(
        self,
        schema: Schema,
        X: NDArray[np.float32],
        y: NDArray[np.float64] | NDArray[np.int8],
        intercept: float,
        blocks: frozenset[str] | None = None,
    ) -> None:
        """The participant's training records.

        X:         (n, k) in schema order, NaN = missing; y: 0 or 1, (n,).
        intercept: the participant's own log-odds from charged counts.
        blocks:    feature blocks it has; None = all of the schema's. Columns of others are ignored.
        Raises ValueError where shapes, labels or the intercept cannot be.
        """
        if X.ndim != 2 or X.shape[1] != len(schema.fields) or y.shape != (len(X),):
            raise ValueError(f"{X.shape} records and {y.shape} labels do not fit {len(schema.fields)} fields")
        if not np.all((y == 0) | (y == 1)) or not np.isfinite(intercept):
            raise ValueError("labels are 0 or 1 and the intercept is finite")
        own = {f.block for f in schema.fields if f.block is not None}
        self.blocks: frozenset[str] = frozenset(own) if blocks is None else frozenset(blocks) & own
        self._schema = schema
        self._X = X
        self._y = y.astype(np.float64)
        self._start = np.full(len(X), float(intercept))
        self._has = [f.block is None or f.block in self.blocks for f in schema.fields]
        self._binned: tuple[tuple[Bins, ...], NDArray[np.uint8]] | None = None

    def answer(self, query: Query) -> NDArray[np.int64]:
        """The vector for this query, (query.length,); zeros where the participant lacks the block.

        The query comes from a coordinator that may be hostile: one that announces less sensitivity than the
        answer has would be given too little noise.
        Raises ValueError where the body is not a question of this learner, does not fit the schema or the
        structures announced, or the sensitivity or magnitude announced is less than the answer's.
        """
        question = parse(query.body)
        match question:
            case CountQuestion():
                least, magnitude = float(SCALE), SCALE
            case HistogramQuestion():
                least, magnitude = QUANTISED_SENSITIVITY, SCALE
            case DirectionQuestion():
                longest = max((s.length for s in query.structures), default=1)
                least, magnitude = direction_sensitivity(longest), DIRECTION_SCALE
        if query.sensitivity < least or query.magnitude < magnitude:
            raise ValueError(f"an answer has sensitivity {least}, not {query.sensitivity}")
        match question:
            case CountQuestion():
                pieces = self._counts(question)
            case HistogramQuestion():
                pieces = self._sums(question)
            case DirectionQuestion():
                pieces = self._along(question)
        if [len(p) for p in pieces] != [s.length for s in query.structures]:
            raise ValueError("the question does not ask for the structures it announces")
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int64)

    def _counts(self, question: CountQuestion) -> list[NDArray[np.int64]]:
        pieces = []
        for field, edges in zip(question.fields, question.edges, strict=True):
            if field >= len(self._has):
                raise ValueError(f"there is no field {field}")
            cells = len(edges) + 2
            if self._has[field]:
                column = np.ascontiguousarray(self._X[:, field])
                pieces.append(SCALE * count_cells(column, edges, cells))
            else:
                pieces.append(np.zeros(cells, np.int64))
        return pieces

    def _sums(self, question: HistogramQuestion) -> list[NDArray[np.int64]]:
        if len(question.bins) != len(self._has):
            raise ValueError(f"bins of {len(question.bins)} fields where there are {len(self._has)}")
        grids = question.grids
        plan = layout(grids, question.bins)
        live = np.array([t for t in range(len(grids)) if self._knows(grids[t])], np.int64)
        asked = np.array([t for t in question.asked if self._knows(grids[t])], np.int64)
        table = np.concatenate(question.tables) if question.tables else np.zeros(0)
        # An empty table moves no margin; leaving it out saves a pass over the records.
        live = np.array([t for t in live if np.any(question.tables[t])], np.int64)
        found = dict(
            zip(
                asked.tolist(),
                histogram(self._codes(question.bins), plan, table, live, asked, self._start, self._y),
                strict=True,
            )
        )
        return [found[t].ravel() if t in found else np.zeros(2 * grids[t].cells, np.int64) for t in question.asked]

    def _along(self, question: DirectionQuestion) -> list[NDArray[np.int64]]:
        """One vector a group of fields: its directions, then the curvature."""
        if len(question.bins) != len(self._has):
            raise ValueError(f"bins of {len(question.bins)} fields where there are {len(self._has)}")
        binned = self._codes(question.bins)
        margin = self._start.copy()
        for j, table in enumerate(question.tables):
            if self._has[j]:
                margin += table[binned[j]]
        pieces = []
        for _, fields in direction_groups(self._schema):
            directions = [question.directions[j] for j in fields]
            if all(self._has[j] for j in fields):
                pieces.append(direction_sums(binned[list(fields)], directions, margin, self._y))
            else:
                pieces.append(np.zeros(sum(d.shape[1] for d in directions) + 1, np.int64))
        return pieces

    def _knows(self, grid: Grid) -> bool:
        return all(self._has[f] for f in grid.fields)

    def _codes(self, bins: tuple[Bins, ...]) -> NDArray[np.uint8]:
        # Bins change once in a training; comparing their plain form is cheap next to binning the records again.
        key = [b.to_raw() for b in bins]
        if self._binned is None or [b.to_raw() for b in self._binned[0]] != key:
            self._binned = (bins, codes(bins, self._X))
        return self._binned[1]
