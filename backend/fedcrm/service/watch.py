"""The watch: does a model score as the one before it did, and do records still look as they did at training?

Counted per model version: scores in twentieths, how many lie above the threshold, points by idea, and records in every
cell of every field. Only counts are kept. Alerts are facts for an administrator, who may roll back; nothing is rolled
back by itself.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from fedcrm.errors import StorageError
from fedcrm.explanation import Explained, Explainer, stability_index
from fedcrm.privacy import Database
from fedcrm.service import tables
from fedcrm.service.registry import LoadedModel, Registry

__all__ = ["Alert", "Report", "Watch"]

BANDS = 20


@dataclass
class _Counts:
    """scores: (BANDS,). high: above the threshold. points: |points| by idea. cells: one array a field."""

    scores: NDArray[np.int64]
    high: int
    points: NDArray[np.float64]
    cells: list[NDArray[np.int64]]

    @classmethod
    def empty(cls, explainer: Explainer) -> _Counts:
        return cls(
            np.zeros(BANDS, np.int64),
            0,
            np.zeros(len(explainer.ideas)),
            [np.zeros(len(f.counts), np.int64) for f in explainer.background.profile.fields],
        )

    @property
    def records(self) -> int:
        return int(self.scores.sum())

    def add(self, other: _Counts) -> None:
        self.scores = self.scores + other.scores
        self.high += other.high
        self.points = self.points + other.points
        self.cells = [a + b for a, b in zip(self.cells, other.cells, strict=True)]

    def to_json(self) -> str:
        return json.dumps(
            {
                "scores": self.scores.tolist(),
                "high": self.high,
                "points": self.points.tolist(),
                "cells": [c.tolist() for c in self.cells],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> _Counts:
        try:
            raw: dict[str, Any] = json.loads(text)
            return cls(
                np.asarray(raw["scores"], np.int64),
                int(raw["high"]),
                np.asarray(raw["points"], np.float64),
                [np.asarray(c, np.int64) for c in raw["cells"]],
            )
        except (ValueError, KeyError, TypeError) as wrong:
            raise StorageError("what the watch counted cannot be read") from wrong


@dataclass(frozen=True, slots=True)
class Alert:
    """Something moved. kind: drift, scores, high_share or attribution; name: a feature, or ""."""

    kind: str
    name: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Report:
    """One serving model against the one before it and against its training records."""

    task: str
    version: str
    previous: str | None
    records: int
    high_share: float
    previous_high_share: float | None
    score_shift: float | None
    attribution_shares: dict[str, float]
    previous_attribution_shares: dict[str, float] | None
    drift: dict[str, float]
    alerts: tuple[Alert, ...] = field(default=())

    @property
    def offer_roll_back(self) -> bool:
        """Whether something moved and there is a model to go back to."""
        return bool(self.alerts) and self.previous is not None


class Watch:
    """Counts what is scored, and compares."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        *,
        threshold: float,
        drift_alert: float,
        share_alert: float,
        fewest: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database, self._registry, self._clock = database, registry, clock
        self._threshold, self._drift, self._share, self._fewest = threshold, drift_alert, share_alert, fewest
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, str], _Counts] = {}

    def observe(self, org_id: str, model: LoadedModel, explained: Explained) -> None:
        """Count scored records; in memory until the next `flush`."""
        p = explained.probability
        counts = _Counts(
            np.bincount(np.minimum((p * BANDS).astype(np.int64), BANDS - 1), minlength=BANDS).astype(np.int64),
            int(np.sum(p >= self._threshold)),
            np.abs(explained.figures.points).sum(axis=0).astype(np.float64),
            list(model.explainer.background.profile.counts(explained.cells)),
        )
        with self._lock:
            held = self._pending.setdefault((org_id, model.facts.version), _Counts.empty(model.explainer))
            held.add(counts)

    def flush(self) -> None:
        """Write down what was counted. Raises StorageError; what was counted is kept for the next time then."""
        with self._lock:
            pending, self._pending = self._pending, {}
        try:
            with self._database.writing() as connection:
                for (org_id, version), counts in pending.items():
                    self._add(connection, org_id, version, counts)
        except StorageError:
            with self._lock:
                for key, counts in pending.items():
                    if key in self._pending:
                        self._pending[key].add(counts)
                    else:
                        self._pending[key] = counts
            raise

    def _add(self, connection: sa.Connection, org_id: str, version: str, counts: _Counts) -> None:
        w = tables.watch.c
        mine = (w.org_id == org_id, w.version == version)
        before = connection.execute(sa.select(w.counts).where(*mine)).scalar()
        if before is not None:
            counts.add(_Counts.from_json(before))
        row = {"counts": counts.to_json(), "updated_at": self._clock()}
        if before is None:
            connection.execute(sa.insert(tables.watch).values(org_id=org_id, version=version, **row))
        else:
            connection.execute(sa.update(tables.watch).where(*mine).values(**row))

    def reports(self, org_id: str) -> tuple[Report, ...]:
        """One for every task that has a serving model."""
        found = []
        for standing in self._registry.models(org_id):
            if standing.serving:
                previous = [
                    s.facts.version
                    for s in self._registry.models(org_id)
                    if s.previous and s.facts.task == standing.facts.task
                ]
                found.append(self._report(org_id, standing.facts.version, previous[0] if previous else None))
        return tuple(found)

    def _report(self, org_id: str, version: str, previous: str | None) -> Report:
        model = self._registry.load(org_id, version)
        ideas = [i.name for i in model.explainer.ideas]
        now = self._counts(org_id, version) or _Counts.empty(model.explainer)
        before = None if previous is None else self._counts(org_id, previous)
        before_ideas: list[str] = []
        if previous is not None and before is not None:
            before_ideas = [i.name for i in self._registry.load(org_id, previous).explainer.ideas]
        profile = model.explainer.background.profile
        drift = {
            f.name: stability_index(known.counts, seen)
            for f, known, seen in zip(model.explainer.schema.fields, profile.fields, now.cells, strict=True)
        }
        enough = now.records >= self._fewest
        comparable = enough and before is not None and before.records >= self._fewest
        alerts = [Alert("drift", n, v, self._drift) for n, v in drift.items() if enough and v > self._drift]
        share, share_before, shift = _share(now), None, None
        if before is not None:
            share_before, shift = _share(before), stability_index(before.scores, now.scores)
            if comparable and shift > self._drift:
                alerts.append(Alert("scores", "", shift, self._drift))
            if comparable and abs(share - share_before) > self._share:
                alerts.append(Alert("high_share", "", share - share_before, self._share))
        shares = _by_idea(ideas, now)
        shares_before = None if before is None else _by_idea(before_ideas, before)
        if comparable and shares_before is not None:
            for name in sorted(set(shares) | set(shares_before)):
                moved = shares.get(name, 0.0) - shares_before.get(name, 0.0)
                if abs(moved) > self._share:
                    alerts.append(Alert("attribution", name, moved, self._share))
        return Report(
            model.facts.task, version, previous, now.records, share, share_before, shift, shares, shares_before,
            drift if enough else {}, tuple(alerts),
        )  # fmt: skip

    def _counts(self, org_id: str, version: str) -> _Counts | None:
        w = tables.watch.c
        with self._database.reading() as connection:
            text = connection.execute(sa.select(w.counts).where(w.org_id == org_id, w.version == version)).scalar()
        return None if text is None else _Counts.from_json(text)


def _share(counts: _Counts) -> float:
    return counts.high / counts.records if counts.records else 0.0


def _by_idea(names: list[str], counts: _Counts) -> dict[str, float]:
    total = float(counts.points.sum())
    return {n: float(p / total) if total else 0.0 for n, p in zip(names, counts.points, strict=True)}
