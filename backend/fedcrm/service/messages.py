"""Bodies of the interface (docs/api.md), checked where they enter.

Replies of /v1/predictions are described here for the OpenAPI document; they are built as plain values
(`predictions`), because checking two hundred of our own answers would cost more than making them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

__all__ = [
    "ErrorReply",
    "FeedbackReply",
    "FeedbackRequest",
    "KeyRequest",
    "PairingReply",
    "PairingRequest",
    "PredictionReply",
    "PredictionRequest",
    "RollBackRequest",
]

MOST_RECORDS = 200

OrgId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{15,18}$")]
Task = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Pseudonym = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32,64}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Cell = Annotated[str, StringConstraints(max_length=4_000)]
Version = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _with_example(example: JsonDict) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [example]})


class Record(_Body):
    """One record. vector: one cell a feature of the vocabulary, in its order; "" = missing."""

    pseudonym: Pseudonym
    vocabulary_digest: Digest
    as_of: Moment
    vector: Annotated[list[Cell], Field(max_length=1_000)]


_RECORD_EXAMPLE: JsonDict = {
    "pseudonym": "9f2c4b7a1d3e5f60718293a4b5c6d7e8",
    "vocabulary_digest": "5d0d3c6f8f6e1a3b9c2e7f4a8b1d6c0e5f9a2b7c4d8e1f6a3b0c9d5e2f7a4b81",
    "as_of": "2026-11-24T10:15:00Z",
    "vector": ["Technology", "912", "14", "", "41", "48000.00", "0.1000", "3"],
}


class PredictionRequest(_Body):
    """What an org asks."""

    model_config = _with_example(
        {"org_id": "00D000000000001EAA", "task": "opportunity_win", "records": [_RECORD_EXAMPLE]}
    )

    org_id: OrgId
    task: Task
    records: Annotated[list[Record], Field(min_length=1, max_length=MOST_RECORDS)]


class PrivacyReply(BaseModel):
    """Smaller epsilon is stronger."""

    epsilon: float
    delta: float
    participants: int
    budget_spent: float


class ModelReply(BaseModel):
    """Which model answered."""

    version: str
    origin: Literal["local", "federated", "personal"]
    round: int | None
    trained_at: str
    status: Literal["serving", "withheld"]
    card: str
    privacy: PrivacyReply | None


class IntervalReply(BaseModel):
    """Where the probability lies, on the score's scale."""

    low: float
    high: float
    level: float


class AttributionReply(BaseModel):
    """One idea's points; federation_points + own_points = points."""

    feature: str
    label: str
    source: Literal["federation", "own_data"]
    value: str
    points: float
    federation_points: float
    own_points: float
    actionable: bool


class WhyReply(BaseModel):
    """A template and the features it names; text: the English of it."""

    template: Literal["mostly_raised", "mostly_lowered", "balanced", "near_average"]
    features: list[str]
    text: str


class CounterfactualReply(BaseModel):
    """One change that somebody can make, verified by scoring again."""

    feature: str
    from_: str = Field(alias="from")
    to: str
    comparison: Literal["at_most", "at_least", "equal"]
    score: float


class ReasonReply(BaseModel):
    """Why a score deserves less trust."""

    code: Literal["few_similar_records", "out_of_range", "missing_features", "wide_interval"]
    feature: str | None
    parameters: dict[str, float]


class Prediction(BaseModel):
    """10 baseline + sum of 10 points + 10 other_points = 10 score, in whole numbers."""

    score: float
    interval: IntervalReply
    confidence: float
    confidence_reasons: list[str]
    confidence_details: list[ReasonReply]
    baseline: float
    attributions: list[AttributionReply]
    other_points: float
    why: WhyReply
    counterfactuals: list[CounterfactualReply]
    as_of: str
    scored_at: str


class ErrorFacts(BaseModel):
    """code: a program's; message: a person's."""

    code: str
    message: str


class Result(BaseModel):
    """One record's answer: a prediction, or why there is none."""

    pseudonym: str
    status: Literal["scored", "refused"]
    prediction: Prediction | None
    error: ErrorFacts | None


class PredictionReply(BaseModel):
    """One result a record, in the request's order."""

    request_id: str
    task: str
    model: ModelReply
    results: list[Result]


class ErrorReply(BaseModel):
    """Nothing was done."""

    error: ErrorFacts
    request_id: str


class FeedbackReason(StrEnum):
    """Why a score did not help."""

    WRONG_VALUE = "wrong_value"
    OUTDATED = "outdated"
    KNOWS_BETTER = "knows_better"


class Opinion(_Body):
    """What somebody thought of one score."""

    pseudonym: Pseudonym
    task: Task
    model_version: Version
    helpful: bool
    reason: FeedbackReason | None = None
    at: Moment


class FeedbackRequest(_Body):
    """Opinions; a second one about the same score replaces the first."""

    model_config = _with_example(
        {
            "org_id": "00D000000000001EAA",
            "feedback": [
                {
                    "pseudonym": "9f2c4b7a1d3e5f60718293a4b5c6d7e8",
                    "task": "opportunity_win",
                    "model_version": "opportunity_win-r18-0003",
                    "helpful": False,
                    "reason": "outdated",
                    "at": "2026-11-24T10:20:00Z",
                }
            ],
        }
    )

    org_id: OrgId
    feedback: Annotated[list[Opinion], Field(min_length=1, max_length=MOST_RECORDS)]


class FeedbackReply(BaseModel):
    """How many were taken."""

    request_id: str
    accepted: int


class PairingRequest(_Body):
    """A one-time code from the node's administrator, and who redeems it. public_key: PEM, for signed tokens."""

    model_config = _with_example({"code": "a-one-time-code-of-24-ch", "org_id": "00D000000000001EAA", "name": "Acme"})

    code: Annotated[str, StringConstraints(min_length=8, max_length=64)]
    org_id: OrgId
    name: Annotated[str, StringConstraints(max_length=255)] = ""
    public_key: Annotated[str, StringConstraints(max_length=8_192)] | None = None


class PairingReply(BaseModel):
    """api_key is shown once."""

    request_id: str
    org_id: str
    key_id: str
    api_key: str
    audience: str


class KeyRequest(_Body):
    """A new API key of one's own organisation."""

    model_config = _with_example({"scope": "predict", "label": "record page"})

    scope: Literal["predict", "admin"] = "predict"
    label: Annotated[str, StringConstraints(max_length=255)] = ""


class SignerRequest(_Body):
    """Whose tokens to believe. public_key: PEM of an RSA public key or of a certificate, e.g. one the org exported."""

    model_config = _with_example({"public_key": "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n"})

    public_key: Annotated[str, StringConstraints(max_length=8_192)]


class RollBackRequest(_Body):
    """Which task goes back to the model before."""

    model_config = _with_example({"task": "opportunity_win"})

    task: Task


def now_text(seconds: float) -> str:
    """UTC as the interface writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(moment: str) -> float:
    """Inverse of now_text. Raises ValueError for a day that no calendar has."""
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
