"""A night's scores: every entity of an extraction as a row for `Prediction__c`, upserted by `Entity_Key__c`.

Rows hold what a reply would (docs/api.md, "What lies in the org"). An entity that cannot be scored now keeps its old
score in the org and is marked stale; nothing else of its row is touched. The same entities give the same rows but for
the time, so that a run that was interrupted is simply run again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from fedcrm.service.messages import Record
from fedcrm.service.predictions import model_reply, score_records
from fedcrm.service.registry import LoadedModel

__all__ = ["MOST_TREND", "Row", "prediction_row", "prediction_rows"]

BLOCK = 1_000
MOST_TREND = 60  # as Extraction_Setting__mdt.Trend_Length__c ships

Row = dict[str, str | float | int | None]
"""Fields of `Prediction__c` by their API names."""


def prediction_rows(
    model: LoadedModel,
    records: Iterable[Record],
    scored_at: str,
    trends: Mapping[str, list[dict[str, Any]]] | None = None,
) -> Iterator[Row]:
    """One row a record, in order; records are read a thousand at a time.

    scored_at: UTC as the interface writes it.
    trends:    by pseudonym, what the org holds in `Trend__c`, oldest first; this score is added at its end.
    """
    told = model_reply(model.facts)
    waiting = iter(records)
    while block := list(islice(waiting, BLOCK)):
        for result in score_records(model, block, scored_at).results:
            prediction = result["prediction"]
            if prediction is None:
                yield {"Entity_Key__c": f"{result['pseudonym']}:{model.facts.task}", "Status__c": "Stale"}
                continue
            trend = [] if trends is None else trends.get(result["pseudonym"], [])
            yield prediction_row(model, told, result["pseudonym"], prediction, trend)


def prediction_row(
    model: LoadedModel,
    told: Mapping[str, Any],
    pseudonym: str,
    prediction: Mapping[str, Any],
    trend: list[dict[str, Any]],
) -> Row:
    """The row of one scored entity.

    told:       the model as a reply has it. prediction: a result's.
    trend:      what the org holds, oldest first.
    """
    version = model.facts.version
    latest = {"at": prediction["scored_at"], "score": prediction["score"], "version": version}
    explanation = {n: prediction[n] for n in ("attributions", "confidence_reasons", "counterfactuals", "why")}
    return {
        "Entity_Key__c": f"{pseudonym}:{model.facts.task}",
        "Task__c": model.facts.task,
        "Score__c": prediction["score"],
        "Interval_Low__c": prediction["interval"]["low"],
        "Interval_High__c": prediction["interval"]["high"],
        "Confidence__c": prediction["confidence"],
        "Baseline__c": prediction["baseline"],
        "Other_Points__c": prediction["other_points"],
        "Model_Version__c": version,
        "Model_Origin__c": model.facts.origin,
        "Round__c": model.facts.round,
        "Vocabulary_Digest__c": model.facts.vocabulary_digest,
        "As_Of__c": prediction["as_of"],
        "Scored_At__c": prediction["scored_at"],
        "Explanation__c": _compact({**explanation, "model": told}),
        "Trend__c": _compact([*trend[-(MOST_TREND - 1) :], latest]),
        "Status__c": "Withheld" if model.facts.withheld else "Current",
        "Applied_At__c": None,  # the org's own job links the row to its record again
    }


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
