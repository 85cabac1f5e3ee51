"""A scoring run scored, and its scores brought into the org: `Prediction__c`, upserted by `Entity_Key__c`.

Only what is new or has moved is written, so that a second time changes nothing and the org's storage stays small.
The fields are those that the package writes for a record scored on demand (`PredictionRecords`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedcrm.salesforce import Client, Extraction, Pairing, Run, Vector, WriteBack, WriteReport, extractor_for
from fedcrm.salesforce.soql import text_literal
from fedcrm.service.messages import Record
from fedcrm.service.predictions import model_reply, score_records
from fedcrm.service.registry import LoadedModel

__all__ = ["ScoredRun", "bring_scores"]

_BATCH = 1_000  # vectors explained at a time
_TREND_LENGTH = 60  # as Extraction_Setting__mdt.Trend_Length__c ships
_EXPLAINED = ("attributions", "confidence_reasons", "counterfactuals", "why")


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """What became of a run's vectors.

    scored, refused: vectors; refusals: the first reason of each kind.
    written:         what the org answered; unchanged ones were not sent.
    """

    scored: int
    refused: int
    refusals: tuple[str, ...]
    written: WriteReport


@dataclass(frozen=True, slots=True)
class _Present:
    """A prediction that the org has. trend: its JSON, or None."""

    score: float
    version: str | None
    trend: str | None


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
) -> ScoredRun:
    """Score vectors by the model that serves and write what is new or moved.

    scored_at: UTC, ISO 8601. change: points by which a score must have moved to be written again.
    top:       of entities without a prediction, only so many with the highest scores; None: all.
    failures:  a CSV of the rows that the org refused.

    Raises SalesforceError where the org refuses all of them.
    """
    results = _scored(model, run, vectors, scored_at)
    predictions = {r["pseudonym"]: r["prediction"] for r in results if r["status"] == "scored"}
    present = _present(client, pairing, run.task)
    chosen = _worth_writing(predictions, present, model.facts.version, run.task, change, top)
    rows = [_row(pairing, model, run, key, predictions[key], present.get(f"{key}:{run.task}")) for key in chosen]
    written = WriteReport(0, 0, ())
    if rows:
        target, by = pairing.name("Prediction__c"), pairing.name("Entity_Key__c")
        written = WriteBack(client).upsert(target, by, rows, failures=failures)
    reasons = {r["error"]["code"]: r["error"]["message"] for r in reversed(results) if r["error"] is not None}
    return ScoredRun(len(predictions), len(results) - len(predictions), tuple(reasons.values()), written)


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
    names = [pairing.name(field) for field in ("Entity_Key__c", "Score__c", "Model_Version__c", "Trend__c")]
    where = f"{pairing.name('Task__c')} = {text_literal(task)}"
    wanted = Extraction(pairing.name("Prediction__c"), tuple(names), where)
    found: dict[str, _Present] = {}
    for block in extractor_for(client, wanted).blocks(wanted):
        for key, score, version, trend in zip(*(block.values[name].values for name in names), strict=True):
            found[key] = _Present(float(score), version, trend)
    return found


def _worth_writing(
    predictions: Mapping[str, Mapping[str, Any]],
    present: Mapping[str, _Present],
    version: str,
    task: str,
    change: float,
    top: int | None,
) -> list[str]:
    moved, fresh = [], []
    for pseudonym, prediction in predictions.items():
        before = present.get(f"{pseudonym}:{task}")
        if before is None:
            fresh.append(pseudonym)
        elif before.version != version or not abs(prediction["score"] - before.score) < change:
            moved.append(pseudonym)
    fresh.sort(key=lambda pseudonym: (-predictions[pseudonym]["score"], pseudonym))
    return sorted([*moved, *fresh[:top]])


def _row(
    pairing: Pairing,
    model: LoadedModel,
    run: Run,
    pseudonym: str,
    prediction: Mapping[str, Any],
    before: _Present | None,
) -> dict[str, object]:
    facts = model.facts
    points = json.loads(before.trend) if before is not None and before.trend else []
    points.append({"at": prediction["scored_at"], "score": prediction["score"], "version": facts.version})
    explanation = {name: prediction[name] for name in _EXPLAINED} | {"model": model_reply(facts)}
    values: dict[str, object] = {
        "Entity_Key__c": f"{pseudonym}:{run.task}",
        "Task__c": run.task,
        "Score__c": prediction["score"],
        "Interval_Low__c": prediction["interval"]["low"],
        "Interval_High__c": prediction["interval"]["high"],
        "Confidence__c": prediction["confidence"],
        "Baseline__c": prediction["baseline"],
        "Other_Points__c": prediction["other_points"],
        "Model_Version__c": facts.version,
        "Model_Origin__c": facts.origin,
        "Round__c": facts.round,
        "Vocabulary_Digest__c": run.digest,
        "As_Of__c": prediction["as_of"],
        "Scored_At__c": prediction["scored_at"],
        "Status__c": "Withheld" if facts.withheld else "Current",
        "Explanation__c": json.dumps(explanation, separators=(",", ":"), ensure_ascii=False),
        "Trend__c": json.dumps(points[-_TREND_LENGTH:], separators=(",", ":")),
    }
    return {pairing.name(field): value for field, value in values.items()}
