"""What would change a score: up to three single changes that somebody can make, checked by scoring again.

Only ideas that the organisation declared somebody can move, only in the direction it declared, only to values its own
records hold (a number: the quantiles of its own records, or the declared ends; a category: names seen, or the declared
choices), and only where own records have the new value together with each of the record's other categories: nobody
without a contract gets its add-on. A raw value is changed, and everything computed from it is computed again, so that
an amount and its roundness never contradict each other. Of each idea the smallest change is taken that reaches half
of the best its idea can do, ideas that do most come first, and less than two points are not worth telling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numba
import numpy as np
from numpy.typing import NDArray

from fedcrm.explanation.calibration import Calibration
from fedcrm.explanation.ideas import Idea, Moves
from fedcrm.explanation.log_odds import Parts
from fedcrm.explanation.profile import Profile
from fedcrm.explanation.tree_shares import TreeTable
from fedcrm.features import Kind, Schema

__all__ = ["Change", "Comparison", "Possibilities"]

MOST = 3
STEPS = 8
"""Values tried of a number, in each direction."""
MOST_CHOICES = 12
WORTH = 0.02
"""Of probability: less is not told."""
TELLING = 8
"""Records of the sample that a category needs before its never having met a value says anything."""
ENOUGH = 0.5
"""Of what the best change of an idea would do."""


class Comparison(StrEnum):
    """How the new value is to be read."""

    AT_MOST = "AT_MOST"
    AT_LEAST = "AT_LEAST"
    EQUAL = "EQUAL"


@dataclass(frozen=True, slots=True)
class Change:
    """idea: position; to: raw value as text; probability: what the record would score."""

    idea: int
    to: str
    comparison: Comparison
    probability: float


@dataclass(frozen=True)
class _Column:
    """One idea's candidates: raw texts, and the idea's fields for each, (candidates, fields of the idea).

    values: of the field shown, (candidates,). trees: those that ask these fields, or a ratio of one.
    seen:   whether own records have a candidate together with another field's cell, (candidates, k, 256); numbers
        and cells too rare to tell count as seen.
    """

    idea: int
    shown: int
    fields: NDArray[np.int64]
    texts: tuple[str, ...]
    encoded: NDArray[np.float32]
    values: NDArray[np.float64]
    number: bool
    moves: Moves
    trees: TreeTable
    seen: NDArray[np.bool_]

    def allowed(self, X: NDArray[np.float32], cells: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which candidates each record may be moved to, (n, candidates); none where its value is not known."""
        now = X[:, self.shown].astype(np.float64)[:, None]
        if self.number:
            up, down = self.values[None, :] > now, self.values[None, :] < now
            found = up | down if self.moves is Moves.BOTH else up if self.moves is Moves.UP else down
        else:
            found = (self.values[None, :] != now) & ~np.isnan(now)
        _keep_seen(cells, self.seen, found)
        return np.asarray(found, np.bool_)

    def smallest(
        self,
        X: NDArray[np.float32],
        records: NDArray[np.int64],
        candidates: NDArray[np.int64],
        gain: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        """Position of one entry a record: the nearest number; of categories, which have no distance, the best."""
        far = np.abs(self.values[candidates] - X[records, self.shown]) if self.number else -gain
        order: NDArray[np.int64] = np.lexsort((candidates, far, records))
        first: NDArray[np.bool_] = np.append(True, np.diff(records[order]) > 0)[: len(order)]
        return np.asarray(order[first], np.int64)

    def change(self, x: NDArray[np.float32], to: int, probability: float) -> Change:
        """One change as people read it."""
        comparison = Comparison.EQUAL
        if self.number:
            comparison = Comparison.AT_LEAST if self.values[to] > x[self.shown] else Comparison.AT_MOST
        return Change(self.idea, self.texts[to], comparison, probability)


@dataclass(frozen=True)
class Possibilities:
    """Every candidate change, encoded once when the model is loaded."""

    schema: Schema
    parts: Parts
    columns: tuple[_Column, ...]

    @classmethod
    def of(cls, schema: Schema, ideas: Sequence[Idea], profile: Profile, parts: Parts) -> Possibilities:
        """From what the organisation declared and what its own records hold."""
        found = []
        for n, idea in enumerate(ideas):
            if not idea.actionable or idea.column is None or idea.meaning.moves is None:
                continue
            shown = schema.fields[idea.shown]
            number = shown.kind is Kind.NUMERIC and shown.transform == "number"
            texts = _numbers(idea, profile) if number else _choices(idea, schema, profile)
            if not texts or (shown.kind is Kind.NUMERIC and not number):
                continue
            encoded = schema.encode_records([{idea.column: t} for t in texts])[:, list(idea.fields)]
            values = encoded[:, idea.fields.index(idea.shown)].astype(np.float64)
            fields = np.array(idea.fields, np.int64)
            # A ratio of the value changes with it.
            touched = [j for j, f in enumerate(schema.fields) if idea.column in f.source]
            found.append(
                _Column(
                    n, idea.shown, fields, tuple(texts), encoded, values, number, idea.meaning.moves,
                    parts.trees.asking(touched), _seen(profile, idea, values),
                )
            )  # fmt: skip
        return cls(schema, parts, tuple(found))

    def changes(
        self,
        X: NDArray[np.float32],
        cells: NDArray[np.uint8],
        margin: NDArray[np.float64],
        calibration: Calibration,
        better: int,
    ) -> list[tuple[Change, ...]]:
        """Up to MOST changes of every record, the most useful first.

        X: encoded, (n, k); cells: of the profile, (n, k); margin: log-odds, (n,).
        better: +1 where a higher score is good, -1 where a lower is.
        """
        out: list[list[Change]] = [[] for _ in range(len(X))]
        pairs = [np.nonzero(column.allowed(X, cells)) for column in self.columns]
        total = sum(len(records) for records, _ in pairs)
        if total == 0:
            return [() for _ in out]
        before = calibration.probability(margin)
        owners = np.concatenate([records for records, _ in pairs])
        changed = X[owners]
        ends = np.cumsum([len(records) for records, _ in pairs]).tolist()
        moved = np.zeros(total)
        for column, (records, candidates), end in zip(self.columns, pairs, ends, strict=True):
            mine = changed[end - len(records) : end]
            mine[:, column.fields] = column.encoded[candidates]
            _renew_ratios(self.schema, mine, column.fields)
            moved[end - len(records) : end] = column.trees.margin(mine) - column.trees.margin(X)[records]
        moved += self.parts.additive(changed) - self.parts.additive(X)[owners]
        after = calibration.probability(margin[owners] + moved)
        gain = better * (after - before[owners])
        for column, (records, candidates), end in zip(self.columns, pairs, ends, strict=True):
            here = slice(end - len(records), end)
            best = np.zeros(len(X))
            np.maximum.at(best, records, gain[here])
            enough = np.flatnonzero(gain[here] >= np.maximum(ENOUGH * best[records], WORTH))
            picks = enough[column.smallest(X, records[enough], candidates[enough], gain[here][enough])]
            chosen = zip(records[picks].tolist(), candidates[picks].tolist(), after[here][picks].tolist(), strict=True)
            for i, to, probability in chosen:
                out[i].append(column.change(X[i], to, probability))
        return [tuple(sorted(c, key=lambda one: -better * one.probability)[:MOST]) for c in out]


def _seen(profile: Profile, idea: Idea, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which categories of other fields own records have beside each candidate, from the profile's sample."""
    sample = profile.sample
    out = np.ones((len(values), len(profile.fields), 256), np.bool_)
    places = profile.fields[idea.shown].cells(values.astype(np.float32))
    for j, known in enumerate(profile.fields):
        if known.ordered or j in idea.fields:
            continue
        common = np.bincount(sample[:, j], minlength=256) >= TELLING
        for c, place in enumerate(places):
            beside = np.bincount(sample[sample[:, idea.shown] == place, j], minlength=256) > 0
            out[c, j] = beside | ~common
    return out


@numba.njit(cache=True)
def _keep_seen(cells, seen, allowed):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    for i in range(len(cells)):
        for c in range(len(seen)):
            if allowed[i, c]:
                for j in range(cells.shape[1]):
                    if not seen[c, j, cells[i, j]]:
                        allowed[i, c] = False
                        break


def _renew_ratios(schema: Schema, X: NDArray[np.float32], fields: NDArray[np.int64]) -> None:
    """Ratios of a changed number, from the numbers they divide, where both are fields of the schema."""
    plain = {f.source[0]: j for j, f in enumerate(schema.fields) if f.transform == "number"}
    moved = {schema.fields[int(j)].source[0] for j in fields}
    for j, f in enumerate(schema.fields):
        if len(f.source) == 2 and moved.intersection(f.source):
            above, below = (plain.get(s) for s in f.source)
            if above is None or below is None:
                X[:, j] = np.nan
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                X[:, j] = np.where(X[:, below] == 0, np.nan, X[:, above] / X[:, below])


def _numbers(idea: Idea, profile: Profile) -> list[str]:
    """Own quantiles between the declared ends, and the ends."""
    known = profile.fields[idea.shown]
    if math.isnan(known.low):
        return []
    low = known.low if idea.meaning.low is None else max(idea.meaning.low, known.low)
    high = known.high if idea.meaning.high is None else min(idea.meaning.high, known.high)
    cuts = known.cuts[(known.cuts > low) & (known.cuts < high)]
    if len(cuts) > STEPS:
        cuts = cuts[np.unique(np.linspace(0, len(cuts) - 1, STEPS).round().astype(int))]
    values = [low, *cuts.tolist(), high] if low <= high else []
    if idea.meaning.whole:
        values = [float(round(v)) for v in values]
    return [f"{v:.6g}" for v in sorted(set(values))]


def _choices(idea: Idea, schema: Schema, profile: Profile) -> list[str]:
    """Declared choices, or the names most frequent in own records."""
    names = schema.fields[idea.shown].categories or ()
    counts = profile.fields[idea.shown].counts
    if idea.meaning.choices:
        return [c for c in idea.meaning.choices if c in names]
    seen = [(int(counts[c]), name) for c, name in enumerate(names) if c < len(counts) - 1 and counts[c] > 0]
    return [name for _, name in sorted(seen, key=lambda pair: (-pair[0], pair[1]))[:MOST_CHOICES]]
