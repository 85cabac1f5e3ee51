"""The coordinator's side: boosted tables over fields and pairs of fields, learned from noisy sums.

One query a round asks for the gradients and Hessians in every cell of many structures at once. Each answer
is denoised by empirical Bayes (`posterior`) and every table moves a step towards its posterior mean; a secant
rule on the next answer sets the step. Stages: ranges nobody declared, fine cells and from them private
quantile bins, rounds over fields, one round that tries many pairs, rounds over fields and the pairs kept.

The shares of all structures over all queries add up to at most the share handed in, whatever the answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins, category_bins, category_cells, number_bins, number_cells, whole_levels
from fedcrm.boosting.counting import check_answer, check_start, count_query, counts_of, ranged, rangeless, ranges_query
from fedcrm.boosting.estimate import Estimate, Evidence
from fedcrm.boosting.grid import Grid
from fedcrm.boosting.messages import HistogramQuestion, canonical, spans
from fedcrm.boosting.model import FederatedModel, Term
from fedcrm.boosting.pairs import coarse_axis
from fedcrm.boosting.quantise import HESSIAN_SCALE, QUANTISED_SENSITIVITY, SCALE
from fedcrm.boosting.ranges import FINE
from fedcrm.boosting.settings import Recipe, Settings
from fedcrm.boosting.suspicion import partition_fault
from fedcrm.features import Kind, Schema
from fedcrm.learning import Aggregate, Query, Structure

__all__ = ["BoostedTrees"]

FORMAT = 1


class Stage(StrEnum):
    """What the next query is for."""

    RANGES = "ranges"
    CELLS = "cells"
    FIELDS = "fields"
    CANDIDATES = "candidates"
    PAIRS = "pairs"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Part:
    """A fraction of the training's share for a stage, and the rounds it is split over."""

    share: float
    rounds: int


class BoostedTrees:
    """Implements `fedcrm.learning.Learner`; deterministic, and restorable from `state()` at any point."""

    def __init__(self, schema: Schema, base: float, settings: Settings, recipe: Recipe) -> None:
        """Use `start` or `restore`."""
        self._schema = schema
        self._base = base
        self._settings = settings
        self._recipe = recipe
        self._stage = Stage.DONE
        self._round = 0  # within the stage
        self._answered = 0
        self._step = settings.step
        self._bins: tuple[Bins | None, ...] = (None,) * len(schema.fields)
        self._fields: list[Estimate] = []
        self._pairs: list[Estimate] = []

    # --- life ----------------------------------------------------------------------------------------------

    @classmethod
    def start(
        cls, schema: Schema, base_rate: float, settings: Settings, signal: float, rows: float, share: float = 1.0
    ) -> BoostedTrees:
        """A training before its first query.

        base_rate: positives per row, from charged counts; clipped to [.005, .995].
        signal:    S = sqrt(sum (n_i mu_i)^2) from noisy counts; math.inf without noise.
        rows:      noisy number of rows in all, > 0.
        share:     most that all structures' shares over the training may add up to, in (0, 1].
        Raises ValueError on values outside these, or where a category has no levels yet.
        """
        base = check_start(schema, base_rate, signal, rows, share)
        learner = cls(schema, base, settings, Recipe.of(settings, signal, rows, share))
        learner._stage = Stage.RANGES if rangeless(schema) else Stage.CELLS
        if learner._stage is Stage.CELLS:
            learner._enter_cells()
        return learner

    @classmethod
    def restore(cls, state: bytes) -> BoostedTrees:
        """The learner that wrote this state. Raises ValueError on anything else."""
        try:
            raw: Any = json.loads(state)
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']} is not {FORMAT}")
            learner = cls(
                Schema.from_json(json.dumps(raw["schema"])),
                float(raw["base"]),
                Settings(**raw["settings"]),
                Recipe(**raw["recipe"]),
            )
            learner._stage = Stage(raw["stage"])
            learner._round, learner._answered = int(raw["round"]), int(raw["answered"])
            learner._step = float(raw["step"])
            learner._bins = tuple(None if b is None else Bins.from_raw(b) for b in raw["bins"])
            learner._fields = [Estimate.from_raw(e) for e in raw["fields"]]
            learner._pairs = [Estimate.from_raw(e) for e in raw["pairs"]]
        except (KeyError, TypeError, AttributeError, RecursionError) as wrong:
            raise ValueError("this is not a state of this learner") from wrong
        return learner

    def state(self) -> bytes:
        """Everything needed to go on after a restart; canonical JSON."""
        return canonical(
            {
                "format": FORMAT,
                "schema": json.loads(self._schema.to_json()),
                "base": self._base,
                "settings": asdict(self._settings),
                "recipe": asdict(self._recipe),
                "stage": self._stage.value,
                "round": self._round,
                "answered": self._answered,
                "step": self._step,
                "bins": [None if b is None else b.to_raw() for b in self._bins],
                "fields": [e.to_raw() for e in self._fields],
                "pairs": [e.to_raw() for e in self._pairs],
            }
        )

    @property
    def progress(self) -> tuple[int, int]:
        """Queries answered, and expected in all; the latter may still change with the stages."""
        r = self._recipe
        left = {
            Stage.RANGES: 2 + r.rounds,
            Stage.CELLS: 1 + r.rounds,
            Stage.FIELDS: r.rounds - self._round,
            Stage.CANDIDATES: 1 + r.pair_rounds,
            Stage.PAIRS: r.pair_rounds - self._round,
            Stage.DONE: 0,
        }[self._stage]
        return self._answered, self._answered + left

    # --- seam ----------------------------------------------------------------------------------------------

    def next_query(self) -> Query | None:
        """The next question, or None when the model is finished. Asking twice changes nothing."""
        if self._stage is Stage.DONE:
            return None
        if self._stage in (Stage.RANGES, Stage.CELLS):
            return self._count_query()
        return self._histogram_query()

    def absorb(self, aggregate: Aggregate) -> None:
        """Take the answer to next_query and move on.

        Raises ValueError, with nothing changed, where the aggregate is not an answer to it.
        """
        query = self.next_query()
        if query is None:
            raise ValueError("the training is finished")
        check_answer(aggregate, query)
        if self._stage is Stage.RANGES:
            self._absorb_ranges(query, aggregate)
        elif self._stage is Stage.CELLS:
            self._absorb_cells(query, aggregate)
        else:
            self._absorb_round(query, aggregate)
        self._answered += 1

    def suspicious(self, aggregate: Aggregate) -> str | None:
        """Why this aggregate cannot be the sum of honest answers to next_query, or None."""
        query = self.next_query()
        if query is None:
            return "nobody was asked"
        parts = 1 if self._stage in (Stage.RANGES, Stage.CELLS) else 2
        return partition_fault(query, aggregate, parts)

    def model(self) -> FederatedModel:
        """The model as it stands. Raises ValueError before there are bins."""
        if not self._fields:
            raise ValueError("there are no bins yet")
        live = [e for e in self._fields + self._pairs if np.any(e.table)]
        return FederatedModel.centred(
            self._schema,
            self._base,
            self._all_bins(),
            tuple(e.mass() for e in self._fields),
            [Term(e.grid, e.table, e.variance) for e in live],
        )

    # --- counting ------------------------------------------------------------------------------------------

    def _counted(self) -> list[int]:
        """Fields whose cells are counted: numbers, and categories with many levels."""
        found = []
        for j, f in enumerate(self._schema.fields):
            if self._bins[j] is None and (f.kind is Kind.NUMERIC or f.levels > self._settings.counted_levels):
                found.append(j)
        return found

    def _edges(self, j: int) -> NDArray[np.float32]:
        f = self._schema.fields[j]
        if f.kind is Kind.CATEGORICAL:
            return category_cells(f.levels)
        return number_cells(f.low or 0.0, f.high or 0.0, f.log, self._recipe.cells)

    def _count_query(self) -> Query:
        s, fields = self._settings, self._counted()
        if self._stage is Stage.RANGES:
            return ranges_query(self._schema, FINE, s.range_share * self._recipe.share)
        edges = [self._edges(j) for j in fields]
        return count_query(self._stage.value, self._schema, fields, edges, s.cell_share * self._recipe.share)

    def _absorb_ranges(self, query: Query, aggregate: Aggregate) -> None:
        self._schema, blank = ranged(self._schema, query, aggregate, FINE)
        bins = list(self._bins)
        for j in blank:
            bins[j] = Bins(np.empty(0, np.float32), np.zeros(1, np.uint8), 1, ordered=True)
        self._bins = tuple(bins)
        self._enter_cells()

    def _enter_cells(self) -> None:
        self._stage, self._round = Stage.CELLS, 0
        if not self._counted():
            self._enter_fields()

    def _absorb_cells(self, query: Query, aggregate: Aggregate) -> None:
        bins = list(self._bins)
        for j, (counts, variance) in zip(self._counted(), counts_of(query, aggregate), strict=True):
            edges, counts, variance = self._edges(j), counts[:-1], variance[:-1]
            if self._schema.fields[j].kind is Kind.NUMERIC:
                bins[j] = number_bins(edges, counts, variance, self._recipe.bins)
            else:
                bins[j] = category_bins(edges, counts, variance, self._settings.most_levels)
        self._bins = tuple(bins)
        self._enter_fields()

    # --- rounds --------------------------------------------------------------------------------------------

    def _enter_fields(self) -> None:
        self._bins = tuple(
            whole_levels(f.levels) if b is None else b for f, b in zip(self._schema.fields, self._bins, strict=True)
        )
        self._fields = [Estimate(Grid.of_field(j, b)) for j, b in enumerate(self._all_bins())]
        self._stage, self._round, self._step = Stage.FIELDS, 0, self._settings.step

    def _all_bins(self) -> tuple[Bins, ...]:
        return tuple(b for b in self._bins if b is not None)

    def _part(self) -> Part:
        """The present stage's fraction of the share and its rounds."""
        s, r = self._settings, self._recipe
        left = (1.0 - s.range_share - s.cell_share) * r.share
        if self._stage is Stage.FIELDS:
            return Part(left * (1 - r.pair_share), r.main_rounds)
        if self._stage is Stage.CANDIDATES:
            return Part(left * r.pair_share * s.detection_share, 1)
        return Part(left * r.pair_share * (1 - s.detection_share), r.pair_rounds)

    def _plan(self) -> tuple[list[Estimate], list[int], NDArray[np.float64]]:
        """All terms of this stage, which of them are asked for, and their shares."""
        part = self._part()
        terms = self._fields + self._pairs
        budget = part.share / part.rounds
        if self._stage is Stage.CANDIDATES:
            asked = list(range(len(self._fields), len(terms)))
        else:
            asked = list(range(len(terms)))
        equal = self._stage is Stage.CANDIDATES or (
            self._stage is Stage.FIELDS and self._round < self._settings.free_rounds
        )
        weight = np.ones(len(asked))
        if not equal:
            importance = np.array([max(terms[t].gain, 0.0) for t in asked]) ** self._settings.importance_power
            kept = importance > self._settings.importance_least * importance.sum()
            if kept.any():
                asked = [t for t, k in zip(asked, kept, strict=True) if k]
                weight = importance[kept]
        # The last bit of a sum of shares must not pass the budget.
        return terms, asked, weight / weight.sum() * budget * (1 - 1e-12)

    def _histogram_query(self) -> Query:
        terms, asked, shares = self._plan()
        structures = tuple(
            Structure(self._name(terms[t].grid), 2 * terms[t].grid.cells, float(share), self._block(terms[t].grid))
            for t, share in zip(asked, shares, strict=True)
        )
        body = HistogramQuestion(
            self._all_bins(), tuple(e.grid for e in terms), tuple(e.table for e in terms), tuple(asked)
        ).to_bytes()
        places = float(np.mean([terms[t].grid.cells for t in asked]))
        return Query(self._stage.value, structures, QUANTISED_SENSITIVITY, SCALE, body, places)

    def _absorb_round(self, query: Query, aggregate: Aggregate) -> None:
        terms, asked, _ = self._plan()
        evidence = [_evidence(aggregate, where) for where in spans([s.length for s in query.structures])]
        if self._stage is not Stage.CANDIDATES:
            self._adapt([terms[t] for t in asked], evidence)
        step = self._settings.step if self._stage is Stage.CANDIDATES else self._step
        for t, seen in zip(asked, evidence, strict=True):
            terms[t].absorb(seen, self._recipe.memory, step)
        self._round += 1
        if self._round >= self._part().rounds:
            self._next_stage()

    def _adapt(self, asked: Sequence[Estimate], evidence: Sequence[Evidence]) -> None:
        """Secant rule: scale the step by where the last move's directional derivative crosses zero."""
        before = sum(e.slope for e in asked)
        after = sum(float(seen.gradient @ e.move) for e, seen in zip(asked, evidence, strict=True))
        if before < 0:
            reach = before / min(before - after, -1e-9) if before < after else 1.5
            s = self._settings
            self._step = float(np.clip(self._step * np.clip(reach, 0.5, 1.2), s.step_least, s.step_most))

    def _next_stage(self) -> None:
        if self._stage is Stage.FIELDS and self._recipe.pair_rounds:
            self._pairs = [Estimate(grid) for grid in self._candidates()]
            self._stage = Stage.CANDIDATES if self._pairs else Stage.PAIRS
        elif self._stage is Stage.CANDIDATES:
            best = sorted(self._pairs, key=lambda e: -e.gain)[: self._recipe.pairs]
            self._pairs = [e for e in best if e.gain > self._settings.pair_gain]
            self._stage, self._step = Stage.PAIRS, self._settings.step
        else:
            self._stage = Stage.DONE
        self._round = 0

    def _candidates(self) -> list[Grid]:
        """Grids over all pairs of the fields with most evidence, no pair across two blocks."""
        order = sorted(range(len(self._fields)), key=lambda j: -self._fields[j].gain)
        bins, s = self._all_bins(), self._settings
        fit = [
            j for j in order if self._fields[j].gain > 0 and (bins[j].ordered or bins[j].count <= s.pair_most_levels)
        ]
        best = fit[: self._recipe.pair_fields]
        axes = {
            j: coarse_axis(
                j,
                bins[j],
                self._fields[j].mass(),
                self._fields[j].table,
                self._recipe.pair_bins,
                self._recipe.pair_levels,
            )
            for j in best
        }
        blocks = {j: self._schema.fields[j].block for j in best}
        return [
            Grid((axes[a], axes[b]))
            for a, b in combinations(best, 2)
            if blocks[a] is None or blocks[b] is None or blocks[a] == blocks[b]
        ]

    def _name(self, grid: Grid) -> str:
        return " x ".join(self._schema.fields[f].name for f in grid.fields)

    def _block(self, grid: Grid) -> str | None:
        return next((b for f in grid.fields if (b := self._schema.fields[f].block) is not None), None)


def _evidence(aggregate: Aggregate, where: slice) -> Evidence:
    unit = float(SCALE * aggregate.unit)
    g, h = np.split(aggregate.sums[where] / unit, 2)
    noise, _ = np.split(aggregate.noise_variance[where] / unit**2, 2)
    weights = np.array([w for w in aggregate.weights.values() if w > 0], dtype=np.float64) / aggregate.unit
    # A record at weight w spreads w^2 h around a gradient that counts w h.
    spread = float(np.sum(weights**2) / np.sum(weights)) if len(weights) else 1.0
    return Evidence(g, h / HESSIAN_SCALE, noise, spread)
