"""The learner for little signal: additive, a few directions a field, one unit vector a record.

Rounds: ranges nobody declared, counts that give bins and their masses, then a few rounds of gradients along the
directions of `basis`. The answer is a Newton target with the fields taken as independent, damped for their
overlap, averaged over rounds and shrunk by `pooled`. The model is what every learner here makes: a table a field.

Below S = sqrt(sum (n_i mu_i)^2) of a few thousand its noise is a fraction of that of `learner`'s histograms,
which spend a record's whole unit on each field's bin; above, it lacks their pairs and fine bins.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.basis import Basis, category_basis, level_masses, number_basis
from fedcrm.boosting.bins import MOST_BINS, Bins, category_bins, category_cells, number_bins, number_cells, whole_levels
from fedcrm.boosting.counting import check_answer, check_start, count_query, counts_of, ranged, rangeless, ranges_query
from fedcrm.boosting.directions import CURVATURE, REMAINDER, direction_groups
from fedcrm.boosting.grid import Grid
from fedcrm.boosting.messages import DirectionQuestion, canonical, floats, raw_floats, spans
from fedcrm.boosting.model import FederatedModel, Term
from fedcrm.boosting.pooled import Evidence, posteriors
from fedcrm.boosting.posterior import smooth
from fedcrm.boosting.quantise import DIRECTION_SCALE, direction_sensitivity
from fedcrm.boosting.ranges import WHOLE
from fedcrm.boosting.settings import Settings
from fedcrm.boosting.suspicion import balance_fault, partition_fault
from fedcrm.features import Kind, Schema
from fedcrm.learning import Aggregate, Query, Structure

__all__ = ["CompactTerms"]

FORMAT = "compact 1"
SLACK_ROWS = 1.5  # the number of records is known up to noise


class Stage(StrEnum):
    """What the next query is for."""

    RANGES = "ranges"
    CELLS = "cells"
    DIRECTIONS = "directions"
    DONE = "done"


class CompactTerms:
    """Implements `fedcrm.learning.Learner`; deterministic, and restorable from `state()` at any point."""

    def __init__(self, schema: Schema, base: float, settings: Settings, rows: float, share: float) -> None:
        """Use `start` or `restore`."""
        self._schema, self._base, self._settings = schema, base, settings
        self._rows, self._share = rows, share
        self._stage = Stage.RANGES if rangeless(schema) else Stage.CELLS
        self._round = 0
        self._answered = 0
        self._blank: tuple[int, ...] = ()
        self._bins: tuple[Bins, ...] = ()
        self._bases: tuple[Basis, ...] = ()
        # Of all directions, field after field: where the effects stand, and discounted sums over rounds of what
        # the gradients said, of where they were taken, and of their precisions.
        self._effects = np.zeros(0)
        self._variance = np.zeros(0)
        self._slopes = np.zeros(0)
        self._points = np.zeros(0)
        self._precision = np.zeros(0)

    # --- life ----------------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls, schema: Schema, base_rate: float, settings: Settings, rows: float, share: float = 1.0
    ) -> CompactTerms:
        """A training before its first query; arguments and errors as of `BoostedTrees.start`."""
        return cls(schema, check_start(schema, base_rate, math.inf, rows, share), settings, rows, share)

    @classmethod
    def restore(cls, state: bytes) -> CompactTerms:
        """The learner that wrote this state. Raises ValueError on anything else."""
        try:
            raw: Any = json.loads(state)
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']} is not {FORMAT}")
            learner = cls(
                Schema.from_json(json.dumps(raw["schema"])),
                float(raw["base"]),
                Settings(**raw["settings"]),
                float(raw["rows"]),
                float(raw["share"]),
            )
            learner._stage = Stage(raw["stage"])
            learner._round, learner._answered = int(raw["round"]), int(raw["answered"])
            learner._blank = tuple(int(j) for j in raw["blank"])
            learner._bins = tuple(Bins.from_raw(b) for b in raw["bins"])
            learner._bases = tuple(Basis.from_raw(b) for b in raw["bases"])
            for name in _ARRAYS:
                setattr(learner, f"_{name}", floats(raw[name]))
        except (KeyError, TypeError, AttributeError, RecursionError) as wrong:
            raise ValueError("this is not a state of this learner") from wrong
        return learner

    def state(self) -> bytes:
        """Everything needed to go on after a restart; canonical JSON."""
        raw: dict[str, Any] = {name: raw_floats(getattr(self, f"_{name}")) for name in _ARRAYS}
        return canonical(
            raw
            | {
                "format": FORMAT,
                "schema": json.loads(self._schema.to_json()),
                "base": self._base,
                "settings": asdict(self._settings),
                "rows": self._rows,
                "share": self._share,
                "stage": self._stage.value,
                "round": self._round,
                "answered": self._answered,
                "blank": list(self._blank),
                "bins": [b.to_raw() for b in self._bins],
                "bases": [b.to_raw() for b in self._bases],
            }
        )

    @property
    def progress(self) -> tuple[int, int]:
        """Queries answered, and expected in all."""
        rounds = self._settings.compact_rounds
        left = {
            Stage.RANGES: 2 + rounds,
            Stage.CELLS: 1 + rounds,
            Stage.DIRECTIONS: rounds - self._round,
            Stage.DONE: 0,
        }[self._stage]
        return self._answered, self._answered + left

    # --- seam ----------------------------------------------------------------------------------------------

    def next_query(self) -> Query | None:
        """The next question, or None when the model is finished. Asking twice changes nothing."""
        s = self._settings
        match self._stage:
            case Stage.RANGES:
                return ranges_query(self._schema, WHOLE, s.compact_range_share * self._share)
            case Stage.CELLS:
                fields = range(len(self._schema.fields))
                edges = [self._edges(j) for j in fields]
                return count_query(Stage.CELLS.value, self._schema, fields, edges, s.compact_cell_share * self._share)
            case Stage.DIRECTIONS:
                return self._direction_query()
            case Stage.DONE:
                return None

    def absorb(self, aggregate: Aggregate) -> None:
        """Take the answer to next_query and move on.

        Raises ValueError, with nothing changed, where the aggregate is not an answer to it.
        """
        query = self.next_query()
        if query is None:
            raise ValueError("the training is finished")
        check_answer(aggregate, query)
        match self._stage:
            case Stage.RANGES:
                self._schema, self._blank = ranged(self._schema, query, aggregate, WHOLE)
                self._stage = Stage.CELLS
            case Stage.CELLS:
                self._absorb_cells(query, aggregate)
            case _:
                self._absorb_directions(query, aggregate)
        self._answered += 1

    def suspicious(self, aggregate: Aggregate) -> str | None:
        """Why this aggregate cannot be the sum of honest answers to next_query, or None.

        Counts must agree on the number of records; along directions only categories can be held to something.
        """
        query = self.next_query()
        if query is None:
            return "nobody was asked"
        if self._stage is not Stage.DIRECTIONS:
            return partition_fault(query, aggregate, 1)
        totals, variances, slack = [], [], []
        for j, own in self._places(query):
            if self._schema.fields[j].kind is Kind.CATEGORICAL:
                totals.append(float(aggregate.sums[own].sum()))
                variances.append(float(aggregate.noise_variance[own].sum()))
                slack.append(0.5 * (own.stop - own.start) * aggregate.unit * SLACK_ROWS * self._rows)
        return balance_fault(np.array(totals), np.array(variances), np.array(slack))

    def model(self) -> FederatedModel:
        """The model as it stands. Raises ValueError before there are bins."""
        if not self._bases:
            raise ValueError("there are no bins yet")
        terms = []
        for j, (table, where) in enumerate(zip(self._tables(), self._spans(), strict=True)):
            if np.any(table):
                variance = self._bases[j].table ** 2 @ self._variance[where]
                terms.append(Term(Grid.of_field(j, self._bins[j]), table, variance))
        masses = tuple(b.mass for b in self._bases)
        return FederatedModel.centred(self._schema, self._base, self._bins, masses, terms)

    # --- counting ------------------------------------------------------------------------------------------

    def _edges(self, j: int) -> NDArray[np.float32]:
        f = self._schema.fields[j]
        if f.kind is Kind.CATEGORICAL:
            return category_cells(f.levels)
        return number_cells(f.low or 0.0, f.high or 0.0, f.log, self._settings.compact_cells)

    def _absorb_cells(self, query: Query, aggregate: Aggregate) -> None:
        bins, bases = [], []
        for j, (counts, variance) in enumerate(counts_of(query, aggregate)):
            f = self._schema.fields[j]
            if f.kind is Kind.CATEGORICAL:
                share = level_masses(counts, variance, self._rows)
                b = (
                    whole_levels(f.levels)
                    if f.levels <= MOST_BINS
                    else category_bins(self._edges(j), counts[:-1], variance[:-1], self._settings.most_levels)
                )
                held = np.bincount(np.append(_bin_of_cell(b, self._edges(j)), b.count), weights=share)
                bins.append(b)
                bases.append(category_basis(np.asarray(held, np.float64)))
                continue
            mass = np.maximum(smooth(counts[:-1], variance[:-1]), 1e-3 * self._rows / len(counts))
            most = 1 if j in self._blank else self._settings.compact_bins
            b = number_bins(self._edges(j), mass, np.zeros_like(mass), most)
            missing = max(float(counts[-1]), 1e-4 * self._rows)
            held = np.bincount(np.append(_bin_of_cell(b, self._edges(j)), b.count), weights=np.append(mass, missing))
            bins.append(b)
            bases.append(number_basis(held / held.sum(), self._settings.compact_waves))
        self._bins, self._bases = tuple(bins), tuple(bases)
        size = sum(len(b.scale) for b in bases)
        for name in _ARRAYS:
            setattr(self, f"_{name}", np.zeros(size))
        self._stage = Stage.DIRECTIONS

    # --- gradients -----------------------------------------------------------------------------------------

    def _spans(self) -> list[slice]:
        return spans([len(b.scale) for b in self._bases])

    def _places(self, query: Query) -> list[tuple[int, slice]]:
        """Every field and where its directions lie in the answer."""
        found = []
        starts = spans([x.length for x in query.structures])
        for (_, fields), piece in zip(direction_groups(self._schema), starts, strict=True):
            at = piece.start
            for j in fields:
                found.append((j, slice(at, at + len(self._bases[j].scale))))
                at = found[-1][1].stop
        return found

    def _tables(self) -> list[NDArray[np.float64]]:
        return [b.table @ self._effects[where] for b, where in zip(self._bases, self._spans(), strict=True)]

    def _direction_query(self) -> Query:
        s, bases = self._settings, self._bases
        ranges = s.compact_range_share if self._answered > self._round + 1 else 0.0
        share = (1 - ranges - s.compact_cell_share) * self._share / s.compact_rounds * (1 - 1e-12)
        groups = direction_groups(self._schema)
        lengths = np.array([sum(bases[j].length for j in fields) for _, fields in groups])
        shares = share * lengths / lengths.sum()
        structures = tuple(
            Structure(
                "directions" if block is None else f"directions of {block}",
                sum(len(bases[j].scale) for j in fields) + 1,
                float(part),
                block,
            )
            for (block, fields), part in zip(groups, shares, strict=True)
        )
        body = DirectionQuestion(self._bins, tuple(self._tables()), tuple(b.table * b.scale for b in bases)).to_bytes()
        sensitivity = direction_sensitivity(max(x.length for x in structures))
        places = max(1.0, float(np.mean([x.length for x in structures])) / 2)
        return Query(Stage.DIRECTIONS.value, structures, sensitivity, DIRECTION_SCALE, body, places)

    def _absorb_directions(self, query: Query, aggregate: Aggregate) -> None:
        s, where_of = self._settings, self._spans()
        unit = float(DIRECTION_SCALE * aggregate.unit)
        weights = np.array([w for w in aggregate.weights.values() if w > 0], dtype=np.float64) / aggregate.unit
        spread = float(np.sum(weights**2) / np.sum(weights)) if len(weights) else 1.0
        sums, noise = aggregate.sums / unit, aggregate.noise_variance / unit**2
        found: list[tuple[int, Evidence]] = []
        places = dict(self._places(query))
        for _, fields in direction_groups(self._schema):
            last = places[fields[-1]].stop  # where the curvature stands
            typical = math.sqrt(max(sum(self._bases[j].length for j in fields), 1e-9))
            least = max(math.sqrt(float(noise[last])) / CURVATURE, 1e-2 * self._rows * float(np.mean(weights)) / 4)
            curvature = max(float(sums[last]) / CURVATURE, least) / typical
            for j in fields:
                basis, where, own = self._bases[j], where_of[j], places[j]
                factor = REMAINDER * basis.scale * curvature
                precision = factor**2 / np.maximum(noise[own], 1e-12)
                memory = s.memory
                self._slopes[where] = memory * self._slopes[where] + precision * sums[own] / factor
                self._points[where] = memory * self._points[where] + precision * self._effects[where]
                self._precision[where] = memory * self._precision[where] + precision
                damped = s.compact_damping * basis.covariance
                target = (self._slopes[where] + damped @ self._points[where]) / self._precision[where]
                scatter = spread / (0.75 * typical * curvature)
                found.append((j, Evidence(target, damped, 1 / self._precision[where], scatter, basis.spread)))
        for (j, _), posterior in zip(found, posteriors([e for _, e in found]), strict=True):
            self._effects[where_of[j]] = posterior.mean
            self._variance[where_of[j]] = posterior.variance
        self._round += 1
        if self._round >= s.compact_rounds:
            self._stage = Stage.DONE


_ARRAYS = ("effects", "variance", "slopes", "points", "precision")


def _bin_of_cell(bins: Bins, edges: NDArray[np.float32]) -> NDArray[np.int64]:
    """Bin of each cell between the edges that the bins were merged from, (cells,)."""
    gap = np.append(0, np.searchsorted(bins.cuts, edges, side="right"))
    return np.asarray(bins.members[gap], np.int64)
