"""What an organisation does with a model it received: judge it, stack it with its own, choose what it serves.

All of it happens on the organisation's own rows and machine. Nothing leaves, so nothing is charged, and what
it chooses changes nothing in what it contributes.

    models/federated.json   the last received model that passed the gate
    models/home/            own and stacked models
    models/choice.json      which of them serves, and the gate's verdicts
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fedcrm.boosting import FederatedModel, HomeModel
from fedcrm.errors import StorageError
from fedcrm.features import blocks_of
from fedcrm.federation.gate import Gate, Verdict, judge
from fedcrm.federation.node import write_atomically
from fedcrm.federation.participant import Records

__all__ = ["Adoption", "adopt", "adoption_of"]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the organisation decided. model: digest of the received model, hex. choice: "personal" or "local"."""

    model: str
    choice: str
    gate: Gate
    verdicts: Mapping[Gate, Verdict]
    weights: Mapping[str, float]

    @property
    def accepted(self) -> bool:
        """Whether the received model passed the gate in force."""
        return self.verdicts[self.gate].accepted


def adopt(
    models: Path, received: FederatedModel, organisation: str, records: Records, *, seed: int, gate: Gate
) -> Adoption:
    """Judge, stack, choose and store; once per received model.

    models: the node's directory of models. A model that fails the gate is not stacked: the last good one is,
    or nothing where there is none, and then the organisation serves its own.
    Raises StorageError where the directory cannot be written; then the former choice still stands.
    """
    digest = received.digest().hex()
    if (before := adoption_of(models)) is not None and before.model == digest:
        return before
    schema, data = received.schema, records.data
    own = received.restricted(blocks_of(schema, data, organisation))
    training, validation = (schema.encode(data, rows) for rows in (records.training, records.validation))
    last = _last_good(models)
    margins = (own.margin(validation.X), None if last is None else _margin_on(last, records, organisation))
    verdicts = {kind: judge(validation.y, *margins, kind, np.random.default_rng(seed)) for kind in Gate}
    accepted = verdicts[gate].accepted
    home = HomeModel.fit(own, training.X, training.y, validation.X, validation.y, seed=seed)
    choice = home.chosen if accepted else "local"
    adoption = Adoption(digest, choice, gate, verdicts, dict(home.weights))
    _store(models, own if accepted else last, home, adoption)
    return adoption


def adoption_of(models: Path) -> Adoption | None:
    """The organisation's standing choice, or None before the first."""
    try:
        raw = json.loads((models / "choice.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{models / 'choice.json'} cannot be read") from error
    verdicts = {Gate(kind): Verdict(**{**verdict, "gate": Gate(kind)}) for kind, verdict in raw["verdicts"].items()}
    return Adoption(raw["model"], raw["choice"], Gate(raw["gate"]), verdicts, raw["weights"])


def _last_good(models: Path) -> FederatedModel | None:
    path = models / "federated.json"
    return FederatedModel.from_json(path.read_text("utf-8")) if path.exists() else None


def _margin_on(model: FederatedModel, records: Records, organisation: str) -> np.ndarray:
    # Its own schema: a former training may have agreed on another one.
    table = model.schema.encode(records.data, records.validation)
    return model.restricted(blocks_of(model.schema, records.data, organisation)).margin(table.X)


def _store(models: Path, federated: FederatedModel | None, home: HomeModel, adoption: Adoption) -> None:
    """choice.json last: it names what the rest is, so a kill before it means doing this again."""
    try:
        building = models / ".home.building"
        shutil.rmtree(building, ignore_errors=True)
        home.save(building)
        if federated is not None:
            write_atomically(models / "federated.json", federated.to_json().encode())
        shutil.rmtree(models / "home", ignore_errors=True)
        building.replace(models / "home")
    except OSError as error:
        raise StorageError(f"{models}: {error.strerror}") from error
    raw = {
        "model": adoption.model,
        "choice": adoption.choice,
        "gate": adoption.gate,
        "verdicts": {kind: asdict(verdict) for kind, verdict in adoption.verdicts.items()},
        "weights": dict(adoption.weights),
    }
    write_atomically(models / "choice.json", (json.dumps(raw, indent=1) + "\n").encode())
