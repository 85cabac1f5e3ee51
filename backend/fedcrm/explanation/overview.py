"""A model as a whole, in exact figures of the organisation's own records: the part of a model card that never leaves.

Importance, effects of every idea in points, how well probabilities hold, how far records drifted between training and
validation, and how segments that the administrator named are treated.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.explanation.explainer import Explained, Explainer
from fedcrm.explanation.intervals import COVERAGE
from fedcrm.explanation.points import path_slope
from fedcrm.explanation.profile import stability_index
from fedcrm.features import Kind

__all__ = ["calibration_curve", "effects", "overview", "segments"]

BINS = 10
FEWEST = 30
"""Records of a segment or a bin of the curve, below which only their number is told."""
MOST_SEGMENTS = 20
HIGH = 0.67


def overview(
    explainer: Explainer,
    X: NDArray[np.float32],
    X_validation: NDArray[np.float32],
    y_validation: NDArray[np.float64],
    by: Mapping[str, NDArray[np.object_]],
) -> dict[str, Any]:
    """Plain values for the card.

    X: records the model was adopted on, (n, k). X_validation, y_validation: those of them that judged it, (v, k), (v,).
    by: raw values of each segment column, (v,).
    """
    found = explainer.explain(X, changes=False)
    judged = explainer.explain(X_validation, changes=False)
    size = np.abs(found.figures.points).mean(axis=0) / 10**found.figures.decimals
    profile = explainer.background.profile
    fields = explainer.schema.fields
    return {
        "scope": "exact figures of the organisation's own records; not to be passed on",
        "rows": len(X),
        "baseline": found.figures.baseline / 10**found.figures.decimals,
        "importance": [
            {"feature": explainer.ideas[i].name, "label": explainer.ideas[i].label, "points": round(float(size[i]), 3)}
            for i in np.argsort(-size, kind="stable").tolist()
        ],
        "effects": effects(explainer, X),
        "calibration": calibration_curve(judged.probability, y_validation),
        "calibration_map": {
            "a": explainer.background.calibration.a,
            "b": explainer.background.calibration.b,
            "c": explainer.background.calibration.c,
            "rows": explainer.background.calibration.rows,
        },
        "interval": {"level": COVERAGE, "mean_width": round(float(100 * np.mean(judged.high - judged.low)), 2)},
        "drift": {
            f.name: round(stability_index(known.counts, now), 4)
            for f, known, now in zip(fields, profile.fields, profile.counts(judged.cells), strict=True)
        },
        "fairness": {name: segments(judged, y_validation, values) for name, values in by.items()},
    }


def effects(explainer: Explainer, X: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Mean points of every idea by the value of the field that stands for it, as these records have it.

    deviation: how far records of one value differ among themselves, through pairs and through what else they are.
    """
    b = explainer.background
    found = explainer.parts.read(X)
    slope = 100 * path_slope(b.calibration, explainer.baseline, found.margin)
    shares = (found.federation - b.federation) + (found.own - b.own)
    cells = b.profile.cells(X)
    out = []
    for idea in explainer.ideas:
        points = slope * shares[:, list(idea.fields)].sum(axis=1)
        known = b.profile.fields[idea.shown]
        rows = []
        for cell, label in enumerate(_labels(explainer, idea.shown)):
            here = points[cells[:, idea.shown] == cell]
            if len(here):
                rows.append(
                    {
                        "value": label,
                        "records": len(here),
                        "points": round(float(here.mean()), 3),
                        "deviation": round(float(here.std()), 3),
                    }
                )
        out.append({"feature": idea.name, "label": idea.label, "ordered": known.ordered, "values": rows})
    return out


def _labels(explainer: Explainer, j: int) -> list[str]:
    """One a cell of the field's profile, missing last."""
    field, known = explainer.schema.fields[j], explainer.background.profile.fields[j]
    if field.kind is Kind.CATEGORICAL:
        return [*(field.label_of(float(c)) for c in range(len(known.cuts) + 1)), "missing"]
    cuts = [f"{c:.6g}" for c in known.cuts]
    if not cuts:
        return ["any", "missing"]
    return [
        f"below {cuts[0]}",
        *(f"{low} to {high}" for low, high in pairwise(cuts)),
        f"{cuts[-1]} and more",
        "missing",
    ]


def calibration_curve(probability: NDArray[np.float64], y: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Tenths of the records by probability: mean predicted, observed rate and its standard error."""
    if len(y) == 0:
        return []
    order = np.argsort(probability, kind="stable")
    rows = []
    for part in np.array_split(order, min(BINS, max(1, len(y) // FEWEST))):
        rate = float(y[part].mean())
        rows.append(
            {
                "records": len(part),
                "predicted": round(float(probability[part].mean()), 4),
                "observed": round(rate, 4),
                "error": round(float(np.sqrt(max(rate * (1 - rate), 1e-4) / len(part))), 4),
            }
        )
    return rows


def segments(judged: Explained, y: NDArray[np.float64], values: NDArray[np.object_]) -> list[dict[str, Any]]:
    """How records of each value fare: mean score and observed rate, share scored high, and of those with the outcome.

    Values with fewer than FEWEST records are named with their number only: a rate of so few says nothing.
    """
    names, counts = np.unique(values.astype(str), return_counts=True)
    rows: list[dict[str, Any]] = []
    for name, count in sorted(zip(names.tolist(), counts.tolist(), strict=True), key=lambda nc: (-nc[1], nc[0])):
        row: dict[str, Any] = {"segment": name, "records": count}
        here = values.astype(str) == name
        if count >= FEWEST:
            p, outcome = judged.probability[here], y[here]
            high = p >= HIGH
            positives = float(outcome.sum())
            row |= {
                "mean_score": round(float(100 * p.mean()), 2),
                "observed": round(float(100 * outcome.mean()), 2),
                "error": round(float(100 * np.sqrt(max(outcome.var(), 1e-4) / count)), 2),
                "high": round(float(high.mean()), 4),
                "high_of_positive": None if positives == 0 else round(float((high * outcome).sum() / positives), 4),
                "mean_confidence": round(float(judged.confidence.value[here].mean()), 3),
            }
        rows.append(row)
    return rows[:MOST_SEGMENTS]
