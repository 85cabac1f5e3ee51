"""What an organisation does with a model it received: judge it, stack it with its own, choose what it serves.

All of it happens on the organisation's own rows and machine. Nothing leaves, so nothing is charged, and what
it chooses changes nothing in what it contributes.

    models/federated.json   the last received model that passed the gate
    models/home/            own and stacked models, the organisation's own encoding, and how each model's margins
                            become probabilities
    models/choice.json      which of them serves, and the gate's verdicts
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import FederatedModel, HomeModel
from fedcrm.errors import StorageError
from fedcrm.explanation import Calibration
from fedcrm.features import Schema, blocks_of
from fedcrm.federation.gate import Gate, Verdict, judge
from fedcrm.federation.home_schema import home_schema, unit_numbers
from fedcrm.federation.participant import Records
from fedcrm.files import write_atomically

__all__ = ["Adoption", "Serves", "adopt", "adoption_of", "calibration_of"]


FEWEST = 2
"""Rows of either class that own models need."""


class Serves(StrEnum):
    """What an organisation scores its records by."""

    PERSONAL = "personal"
    LOCAL = "local"
    FEDERATED = "federated"


@dataclass(frozen=True, slots=True)
class Adoption:
    """What the organisation decided. model: digest of the received model, hex. weights: of its stack, by part."""

    model: str
    choice: Serves
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
    own = received.restricted(blocks_of(received.schema, records.data, organisation))
    last = _last_good(models)
    y = records.data.label[records.validation]
    margins = (_margin(own, records), None if last is None else _margin(last, records))
    verdicts = {kind: judge(y, *margins, kind, np.random.default_rng(seed)) for kind in Gate}
    accepted = verdicts[gate].accepted
    base = own if accepted else last
    schema, home, calibrations = _at_home(own if base is None else base, records, seed)
    if home is None:
        choice = Serves.FEDERATED
    elif base is None:
        choice = Serves.LOCAL
    else:
        choice = Serves(home.chosen)
    adoption = Adoption(digest, choice, gate, verdicts, {} if home is None else home.weights)
    _store(models, base, schema, home, calibrations, adoption)
    return adoption


def _at_home(
    base: FederatedModel, records: Records, seed: int
) -> tuple[Schema, HomeModel | None, Mapping[Serves, Calibration]]:
    """The organisation's own encoding and models; no models where hardly any of its units has one of the classes.

    Calibrated on validation rows, out of fold, which neither federated training nor the fold's models have seen.
    """
    rows = np.concatenate([records.training, records.validation])
    schema = home_schema(base.schema, records.data, rows)
    training, validation = (schema.encode(records.data, part) for part in (records.training, records.validation))
    y = records.data.label[rows]
    calibrations = {Serves.FEDERATED: Calibration.fit(base.margin(validation.X), validation.y)}
    groups = unit_numbers(records.data, rows)
    units = np.arange(len(rows)) if groups is None else groups
    if min(len(np.unique(units[y == label])) for label in (0, 1)) < FEWEST:
        return schema, None, calibrations
    home = HomeModel.fit(
        base,
        training.X,
        training.y.astype(np.float64),
        validation.X,
        validation.y.astype(np.float64),
        seed,
        groups=groups,
    )
    for kind, oof in ((Serves.PERSONAL, home.personal.oof), (Serves.LOCAL, home.local.oof)):
        calibrations[kind] = Calibration.fit(oof[len(training) :], validation.y)
    return schema, home, calibrations


def adoption_of(models: Path) -> Adoption | None:
    """The organisation's standing choice, or None before the first."""
    try:
        raw = json.loads((models / "choice.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{models / 'choice.json'} cannot be read") from error
    verdicts = {Gate(kind): Verdict(**{**verdict, "gate": Gate(kind)}) for kind, verdict in raw["verdicts"].items()}
    return Adoption(raw["model"], Serves(raw["choice"]), Gate(raw["gate"]), verdicts, raw["weights"])


def calibration_of(models: Path, serves: Serves) -> Calibration:
    """How the margins of the model it serves become probabilities. Raises StorageError."""
    path = models / "home" / "calibration.json"
    try:
        return Calibration.from_raw(json.loads(path.read_text("utf-8"))[serves])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} cannot be read") from error


def _last_good(models: Path) -> FederatedModel | None:
    path = models / "federated.json"
    return FederatedModel.from_json(path.read_text("utf-8")) if path.exists() else None


def _margin(model: FederatedModel, records: Records) -> NDArray[np.float64]:
    # By its own schema: a former training may have agreed on another one.
    return model.margin(model.schema.encode(records.data, records.validation).X)


def _store(
    models: Path,
    federated: FederatedModel | None,
    schema: Schema,
    home: HomeModel | None,
    calibrations: Mapping[Serves, Calibration],
    adoption: Adoption,
) -> None:
    """choice.json last: it names what the rest is, so a kill before it means doing this again."""
    try:
        building = models / ".home.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        if home is not None:
            home.save(building)
        write_atomically(building / "schema.json", schema.to_json().encode())
        raw_maps = {kind: calibration.to_raw() for kind, calibration in calibrations.items()}
        write_atomically(building / "calibration.json", (json.dumps(raw_maps, indent=1) + "\n").encode())
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
