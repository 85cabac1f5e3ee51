"""From a node's directory to the service: what the organisation chose, made ready to explain, published.

Run where the organisation's rows are, after it has adopted a model (`fedcrm.federation.adopt`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fedcrm.boosting import FederatedModel, HomeModel
from fedcrm.errors import SettingsError, StorageError
from fedcrm.explanation import Explainer, Meaning, Served, overview, prepare
from fedcrm.features import Schema
from fedcrm.federation import Records, Serves, adoption_of, calibration_of
from fedcrm.service.registry import ModelFacts, Privacy, Registry

__all__ = ["Published", "publish", "vocabulary_digest"]


@dataclass(frozen=True, slots=True)
class Published:
    """What became of it."""

    facts: ModelFacts
    explainer: Explainer


def vocabulary_digest(names: Sequence[str]) -> str:
    """SHA-256 of a plain list of columns, for data sets that no package extracted."""
    return hashlib.sha256(json.dumps(list(names), separators=(",", ":")).encode()).hexdigest()


def publish(
    registry: Registry,
    org_id: str,
    models: Path,
    records: Records,
    *,
    task: str,
    vocabulary: Sequence[str],
    digest: str,
    meanings: Mapping[str, Meaning],
    high_is_good: bool,
    round_number: int | None,
    privacy: Privacy | None,
    segments: Sequence[str] = (),
    seed: int = 0,
) -> Published:
    """Publish what the organisation serves by, and serve it.

    models:       the node's directory of models. records: the organisation's own, as it adopted.
    vocabulary:   columns of a vector, in order; digest: the package's name for them.
    round_number: of the training the federated model came from. privacy: what it cost; left out for a local model.
    segments:     columns whose values the model card compares (fairness).
    Raises SettingsError before the first adoption, StorageError where its files cannot be read.
    """
    adoption = adoption_of(models)
    if adoption is None:
        raise SettingsError(f"{models}: nothing was adopted yet")
    schema = _schema(models)
    rows = np.concatenate([records.training, records.validation])
    table = schema.encode(records.data, rows)
    explainer = prepare(
        _served(models, adoption.choice),
        schema,
        table.X,
        table.y.astype(np.float64),
        calibration_of(models, adoption.choice),
        meanings,
        better=1 if high_is_good else -1,
        rng=np.random.default_rng(seed),
    )
    local = adoption.choice is Serves.LOCAL
    facts = ModelFacts(
        task=task,
        origin=str(adoption.choice),
        round=None if local else round_number,
        trained_at=_moment(models / "choice.json"),
        withheld=not adoption.accepted and not local,
        vocabulary=tuple(vocabulary),
        vocabulary_digest=digest,
        polarity="HIGH_IS_GOOD" if high_is_good else "HIGH_IS_BAD",
        privacy=None if local else privacy,
    )
    validation = schema.encode(records.data, records.validation)
    card = overview(
        explainer,
        table.X,
        validation.X,
        validation.y.astype(np.float64),
        {s: records.data.columns[s].texts(records.validation) for s in segments if s in records.data.columns},
    )
    return Published(registry.publish(org_id, facts, explainer, card), explainer)


def _served(models: Path, choice: Serves) -> Served:
    if choice is Serves.FEDERATED:
        path = models / "federated.json"
        try:
            return FederatedModel.from_json(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(f"{path} cannot be read") from error
    home = HomeModel.load(models / "home")
    return home.personal if choice is Serves.PERSONAL else home.local


def _schema(models: Path) -> Schema:
    path = models / "home" / "schema.json"
    try:
        return Schema.from_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read") from error


def _moment(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
