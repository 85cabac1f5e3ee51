"""From a request's texts to its reply: each record checked by itself, all good ones scored at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.explanation import (
    DECIMALS,
    Caution,
    Comparison,
    Explained,
    Explainer,
    Idea,
    Story,
    sentence,
    why_of,
)
from fedcrm.explanation.intervals import COVERAGE
from fedcrm.features import Kind
from fedcrm.features.forms import is_missing
from fedcrm.service.messages import Record
from fedcrm.service.registry import LoadedModel, ModelFacts

__all__ = ["Scored", "model_reply", "score_records"]

MOST_ATTRIBUTIONS = 12
_UNIT = 10**DECIMALS

_REASONS: Mapping[Caution, str] = {
    Caution.FEW_SIMILAR: "few_similar_records",
    Caution.OUT_OF_RANGE: "out_of_range",
    Caution.UNKNOWN_VALUE: "out_of_range",
    Caution.MISSING: "missing_features",
    Caution.WIDE_INTERVAL: "wide_interval",
}
_STORIES: Mapping[Story, str] = {
    Story.RAISED: "mostly_raised",
    Story.LOWERED: "mostly_lowered",
    Story.RAISED_AND_LOWERED: "balanced",
    Story.TYPICAL: "near_average",
}
_COMPARISONS: Mapping[Comparison, str] = {
    Comparison.AT_MOST: "at_most",
    Comparison.AT_LEAST: "at_least",
    Comparison.EQUAL: "equal",
}


@dataclass(frozen=True, slots=True)
class Scored:
    """A reply's results and, for the watch, what was scored. count: records. explained: None where none was."""

    results: list[dict[str, Any]]
    count: int
    explained: Explained | None


def model_reply(facts: ModelFacts) -> dict[str, Any]:
    """Which model answered, as the interface says it."""
    privacy = facts.privacy
    return {
        "version": facts.version,
        "origin": facts.origin,
        "round": facts.round,
        "trained_at": facts.trained_at,
        "status": "withheld" if facts.withheld else "serving",
        "card": f"/v1/models/{facts.version}/card",
        "privacy": None
        if privacy is None
        else {
            "epsilon": privacy.epsilon,
            "delta": privacy.delta,
            "participants": privacy.participants,
            "budget_spent": privacy.budget_spent,
        },
    }


def score_records(model: LoadedModel, records: Sequence[Record], scored_at: str) -> Scored:
    """One result a record, in order."""
    facts = model.facts
    refused: dict[int, dict[str, str]] = {}
    for i, record in enumerate(records):
        if record.vocabulary_digest != facts.vocabulary_digest:
            refused[i] = {
                "code": "vocabulary_digest_mismatch",
                "message": f"The vector follows vocabulary {record.vocabulary_digest[:16]}; the model was trained on "
                f"{facts.vocabulary_digest[:16]}. Extract again.",
            }
        elif len(record.vector) != len(facts.vocabulary):
            refused[i] = {
                "code": "vector_length",
                "message": f"The vector has {len(record.vector)} values; the vocabulary has "
                f"{len(facts.vocabulary)} features.",
            }
    kept = [i for i in range(len(records)) if i not in refused]
    vectors = [records[i].vector for i in kept]
    X = model.encoder.encode(vectors)
    sound = np.ones(len(kept), np.bool_)
    for row, feature in _malformed(model, X, vectors):
        sound[row] = False
        refused[kept[row]] = {"code": "malformed_value", "message": f"{feature}: not a number."}
    X = X[sound]
    good = [kept[row] for row in np.flatnonzero(sound)]
    explained = model.explainer.explain(X) if good else None
    results: list[dict[str, Any]] = [
        {"pseudonym": r.pseudonym, "status": "refused", "prediction": None, "error": refused.get(i)}
        for i, r in enumerate(records)
    ]
    if explained is not None:
        writer = _Writer(model, explained, scored_at)
        for n, i in enumerate(good):
            results[i] = {
                "pseudonym": records[i].pseudonym,
                "status": "scored",
                "prediction": writer.prediction(n, X[n], records[i]),
                "error": None,
            }
    return Scored(results, len(X), explained)


def _malformed(model: LoadedModel, X: NDArray[np.float32], vectors: Sequence[Sequence[str]]) -> list[tuple[int, str]]:
    """(row, column) of every cell of a number that holds a text which is none, the first of each row."""
    schema = model.explainer.schema
    place = {name: n for n, name in enumerate(model.facts.vocabulary)}
    found: dict[int, str] = {}
    for j, f in enumerate(schema.fields):
        if f.transform != "number" or f.source[0] not in place:
            continue
        column = f.source[0]
        for row in np.flatnonzero(np.isnan(X[:, j])).tolist():
            text = vectors[row][place[column]]
            if text.strip() and not is_missing(text, schema.missing, schema.sentinels.get(column, ())):
                found.setdefault(row, column)
    return list(found.items())


class _Writer:
    """Turns columns into one record's plain values; whatever is the same for all records is made once."""

    def __init__(self, model: LoadedModel, explained: Explained, scored_at: str) -> None:
        explainer = model.explainer
        place = {name: n for n, name in enumerate(model.facts.vocabulary)}
        self._schema, self._x, self._scored_at = explainer.schema, explained, scored_at
        self._ideas: tuple[Idea, ...] = explainer.ideas
        self._labels = [idea.label for idea in self._ideas]
        self._cells = [_cell_of(explainer, idea, place) for idea in self._ideas]
        f = explained.figures
        self._baseline = f.baseline / _UNIT
        self._points, self._federation = f.points.tolist(), explained.federation.tolist()
        self._order = np.argsort(-np.abs(f.points), axis=1, kind="stable")[:, :MOST_ATTRIBUTIONS].tolist()
        self._reasons = explained.confidence.reasons(self._ideas, explainer.background.profile)
        self._score = f.score.tolist()
        # Outwards, so that the score lies inside whatever is rounded.
        self._low = np.minimum(np.floor(100 * _UNIT * explained.low), f.score).tolist()
        self._high = np.maximum(np.ceil(100 * _UNIT * explained.high), f.score).tolist()
        self._confidence = np.round(explained.confidence.value, 2).tolist()

    def prediction(self, n: int, x: NDArray[np.float32], record: Record) -> dict[str, Any]:
        points, federation, score = self._points[n], self._federation[n], self._score[n]
        listed = [i for i in self._order[n] if points[i]]
        rest = score - self._x.figures.baseline - sum([points[i] for i in listed])
        reasons = self._reasons[n]
        why = why_of(points)
        return {
            "score": score / _UNIT,
            "interval": {"low": self._low[n] / _UNIT, "high": self._high[n] / _UNIT, "level": COVERAGE},
            "confidence": self._confidence[n],
            "confidence_reasons": list(dict.fromkeys([_REASONS[r.code] for r in reasons])),
            "confidence_details": [
                {"code": _REASONS[r.code], "feature": r.idea, "parameters": r.parameters} for r in reasons
            ],
            "baseline": self._baseline,
            "attributions": [
                {
                    "feature": self._ideas[i].name,
                    "label": self._labels[i],
                    "source": "federation" if abs(federation[i]) > abs(points[i] - federation[i]) else "own_data",
                    "value": self._value(i, x, record),
                    "points": points[i] / _UNIT,
                    "federation_points": federation[i] / _UNIT,
                    "own_points": (points[i] - federation[i]) / _UNIT,
                    "actionable": self._ideas[i].actionable,
                }
                for i in listed
            ],
            "other_points": rest / _UNIT,
            "why": {
                "template": _STORIES[why.story],
                "features": [self._ideas[i].name for i in (*why.raises, *why.lowers)],
                "text": sentence(why, self._labels, f"{self._baseline:.1f}"),
            },
            "counterfactuals": [
                {
                    "feature": self._ideas[c.idea].name,
                    "from": self._value(c.idea, x, record),
                    "to": c.to,
                    "comparison": _COMPARISONS[c.comparison],
                    "score": round(100 * c.probability, DECIMALS),
                }
                for c in self._x.changes[n]
            ],
            "as_of": record.as_of,
            "scored_at": self._scored_at,
        }

    def _value(self, i: int, x: NDArray[np.float32], record: Record) -> str:
        """The cell itself; of a family without one, the value of the field that stands for it."""
        cell = self._cells[i]
        if cell is not None:
            return record.vector[cell]
        value = float(x[self._ideas[i].shown])
        field = self._schema.fields[self._ideas[i].shown]
        if math.isnan(value):
            return ""
        return f"{value:.6g}" if field.kind is Kind.NUMERIC else field.label_of(value)


def _cell_of(explainer: Explainer, idea: Idea, place: Mapping[str, int]) -> int | None:
    """Position in a vector of the value that stands for an idea."""
    field = explainer.schema.fields[idea.shown]
    plain = len(field.source) == 1 and field.transform in ("number", "category")
    return place.get(field.source[0]) if plain else None
