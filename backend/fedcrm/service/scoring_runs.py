"""A scoring run scored, and its scores brought into the org: `Prediction__c`, upserted by `Entity_Key__c`.

Only what is new, has moved or would soon be too old is written, so that a second time changes nothing. A score that
could not be renewed, because its vector was refused or another model made it and the entity is no longer among those
that are scored, is marked stale and otherwise left alone. (The org's `PredictionAgeBatch` marks by age.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fedcrm.salesforce import Client, Extraction, Pairing, Run, Vector, WriteBack, WriteReport, extractor_for
from fedcrm.salesforce.soql import text_literal
from fedcrm.service.batch import Row, prediction_row
from fedcrm.service.messages import Record
from fedcrm.service.predictions import model_reply, score_records
from fedcrm.service.registry import LoadedModel

__all__ = ["RENEW_AFTER", "ScoredRun", "bring_scores"]

_BATCH = 1_000  # vectors explained at a time
_NOTHING = WriteReport(0, 0, ())
RENEW_AFTER = timedelta(days=5)  # under Extraction_Setting__mdt.Stale_After_Days__c as it ships, 7


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """What became of a run's vectors.

    scored, refused: vectors; refusals: the first reason of each kind.
    written:         what the org answered; unchanged ones were not sent.
    marked:          the same, of predictions marked stale.
    """

    scored: int
    refused: int
    refusals: tuple[str, ...]
    written: WriteReport
    marked: WriteReport = _NOTHING


@dataclass(frozen=True, slots=True)
class _Present:
    """A prediction that the org has. trend: its JSON, or None; scored_at: UTC, NaT where none is stored."""

    score: float
    version: str | None
    trend: str | None
    status: str | None
    scored_at: np.datetime64


def bring_scores(
    client: Client,
    pairing: Pairing,
    model: LoadedModel,
    run: Run,
    vectors: Sequence[Vector],
    *,
    scored_at: str,
    change: float = 1.0,
    top: int | None = None,
    failures: Path | None = None,
    renew_after: timedelta = RENEW_AFTER,
) -> ScoredRun:
    """Score vectors by the model that serves, write what is new, moved or old, mark what could not be renewed.

    scored_at:   UTC, ISO 8601. change: points by which a score must have moved to be written again.
    top:         of entities without a prediction, only so many with the highest scores; None: all.
    failures:    a CSV of the rows that the org refused.
    renew_after: age at which a score that did not move is written all the same; less than the org's
        Stale_After_Days__c, or scores made anew every night would be shown as stale.

    Raises SalesforceError where the org refuses all of them.
    """
    results = _scored(model, run, vectors, scored_at)
    predictions = {r["pseudonym"]: r["prediction"] for r in results if r["status"] == "scored"}
    present = _present(client, pairing, run.task)
    chosen = _Choice(model, run.task, present, change, np.datetime64(_naive(scored_at) - renew_after))
    rows = [_row(pairing, model, run, key, predictions[key], present) for key in chosen.write(predictions, top)]
    stale = [
        {pairing.name("Entity_Key__c"): key, pairing.name("Status__c"): "Stale"}
        for key in chosen.mark(predictions, {r["pseudonym"] for r in results})
    ]
    written = _upsert(client, pairing, rows, failures)
    marked = _upsert(client, pairing, stale, None)
    reasons = {r["error"]["code"]: r["error"]["message"] for r in reversed(results) if r["error"] is not None}
    return ScoredRun(len(predictions), len(results) - len(predictions), tuple(reasons.values()), written, marked)


def _scored(model: LoadedModel, run: Run, vectors: Sequence[Vector], scored_at: str) -> list[dict[str, Any]]:
    records = [
        # The block's MAC vouches for these; the interface's own checks are for callers who cannot be trusted.
        Record.model_construct(pseudonym=v.pseudonym, vocabulary_digest=run.digest, as_of=v.as_of, vector=list(v.cells))
        for v in vectors
    ]
    batches = (records[first : first + _BATCH] for first in range(0, len(records), _BATCH))
    return [result for batch in batches for result in score_records(model, batch, scored_at).results]


def _present(client: Client, pairing: Pairing, task: str) -> dict[str, _Present]:
    """Predictions of a task that the org has, by entity key."""
    fields = ("Entity_Key__c", "Score__c", "Model_Version__c", "Trend__c", "Status__c", "Scored_At__c")
    names = [pairing.name(field) for field in fields]
    where = f"{pairing.name('Task__c')} = {text_literal(task)}"
    wanted = Extraction(pairing.name("Prediction__c"), tuple(names), where)
    found: dict[str, _Present] = {}
    for block in extractor_for(client, wanted).blocks(wanted):
        for key, score, *rest in zip(*(block.values[name].values for name in names), strict=True):
            found[key] = _Present(float(score), *rest)
    return found


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which predictions are worth a call. old: what was scored before this is written again."""

    model: LoadedModel
    task: str
    present: Mapping[str, _Present]
    change: float
    old: np.datetime64

    def write(self, predictions: Mapping[str, Mapping[str, Any]], top: int | None) -> list[str]:
        """Pseudonyms of new and of changed ones."""
        moved, fresh = [], []
        for pseudonym, prediction in predictions.items():
            before = self.present.get(f"{pseudonym}:{self.task}")
            if before is None:
                fresh.append(pseudonym)
            elif self._is_other(before) or not abs(prediction["score"] - before.score) < self.change:
                moved.append(pseudonym)
        fresh.sort(key=lambda pseudonym: (-predictions[pseudonym]["score"], pseudonym))
        return sorted([*moved, *fresh[:top]])

    def mark(self, predictions: Mapping[str, Mapping[str, Any]], asked: set[str]) -> list[str]:
        """Keys of predictions that were not renewed though they should have been."""
        refused = {f"{pseudonym}:{self.task}" for pseudonym in asked - set(predictions)}
        renewed = {f"{pseudonym}:{self.task}" for pseudonym in predictions}
        return sorted(
            key
            for key, before in self.present.items()
            if before.status != "Stale"
            and key not in renewed
            and (key in refused or before.version != self.model.facts.version)
        )

    def _is_other(self, before: _Present) -> bool:
        facts = self.model.facts
        # "not at or after": a prediction without a date is old.
        return (
            before.version != facts.version
            or before.status != ("Withheld" if facts.withheld else "Current")
            or not before.scored_at >= self.old
        )


def _upsert(
    client: Client, pairing: Pairing, rows: Sequence[Mapping[str, object]], failures: Path | None
) -> WriteReport:
    if not rows:
        return _NOTHING
    target, by = pairing.name("Prediction__c"), pairing.name("Entity_Key__c")
    return WriteBack(client).upsert(target, by, rows, failures=failures)


def _naive(moment: str) -> datetime:
    """UTC without its zone, as numpy has it."""
    return datetime.fromisoformat(moment).replace(tzinfo=None)


def _row(
    pairing: Pairing,
    model: LoadedModel,
    run: Run,
    pseudonym: str,
    prediction: Mapping[str, Any],
    present: Mapping[str, _Present],
) -> dict[str, object]:
    before = present.get(f"{pseudonym}:{run.task}")
    points = json.loads(before.trend) if before is not None and before.trend else []
    values: Row = prediction_row(model, model_reply(model.facts), pseudonym, prediction, points)
    return {pairing.name(field): value for field, value in values.items()}
