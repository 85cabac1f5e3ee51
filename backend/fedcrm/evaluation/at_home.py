"""After a training: every organisation's own step, each in a process of its own, and the pooled comparison beside them.

The pooled comparison is no organisation's to make: it is for somebody who has all their directories on one machine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fedcrm.boosting import FederatedModel
from fedcrm.errors import FedCRMError
from fedcrm.evaluation.baselines import fit_central
from fedcrm.evaluation.metrics import auc
from fedcrm.evaluation.progress import Progress
from fedcrm.evaluation.workers import finished
from fedcrm.features import DataSet, Part, Schema, Split
from fedcrm.federation import Adoption, Gate, Records, adopt, unit_names, unit_numbers
from fedcrm.files import write_atomically
from fedcrm.privacy import bound_rows_per_unit

__all__ = ["AtHome", "Central", "Holding", "adopt_everywhere"]

Central = Mapping[str, float | None]
"""AUC by organisation of the pooled model, on its own test rows; None where these cannot judge it."""


@dataclass(frozen=True, slots=True, eq=False)
class Holding:
    """One organisation's rows, cut into parts. data: may hold others' rows too; models: its directory of models."""

    organisation: str
    models: Path
    data: DataSet
    parts: Split

    def records(self, *, unit_rows: int | None = None, seed: int = 0) -> Records:
        """What it brings to a training: of each privacy unit at most unit_rows rows; None: every record is a unit.

        Which of them is a split, not a secret: by the seed, so that a resumed run draws the same.
        """
        training = self.parts.rows(self.organisation, Part.TRAIN)
        units = None if unit_rows is None else unit_names(self.data, training)
        if units is not None and unit_rows is not None:
            training = training[bound_rows_per_unit(units, unit_rows, np.random.default_rng(seed))]
        validation = self.parts.rows(self.organisation, Part.VALIDATION)
        return Records(self.data, training, validation, as_of=_newest_activity(self.data), unit_rows=unit_rows or 1)


def _newest_activity(data: DataSet) -> float:
    """When recency is measured: for a table of the past, its newest activity."""
    dates = data.activity_date
    known = np.array([]) if dates is None else dates[np.isfinite(dates)]
    return float(known.max()) if len(known) else 0.0


@dataclass(frozen=True, slots=True)
class AtHome:
    """adoptions: by organisation that could. failed: why the others could not. central: empty where not asked for."""

    adoptions: Mapping[str, Adoption]
    failed: Mapping[str, FedCRMError] = field(default_factory=dict)
    central: Central = field(default_factory=dict)


def adopt_everywhere(
    holdings: Mapping[str, Holding],
    records: Mapping[str, Records],
    model: FederatedModel,
    *,
    seed: int,
    gate: Gate,
    pool: Executor,
    central: Path | None,
    show: Progress,
) -> AtHome:
    """Let each organisation judge, stack and choose on its own rows. central: where the comparison is kept, if any.

    pool: of processes (`workers`). One organisation's failure is its own: the others finish.
    """
    total = len(holdings) + (central is not None)
    show.begin("at home", total)
    pooled = None if central is None else pool.submit(_central, central, model.schema, holdings, seed)
    # The largest first: the last one to finish decides how long it takes.
    largest = sorted(holdings, key=lambda name: -len(records[name].training))
    waiting = {
        name: pool.submit(adopt, holdings[name].models, model, name, records[name], seed=seed, gate=gate)
        for name in largest
    }
    adoptions, failed = finished(waiting, lambda done: show.advance("at home", done, total))
    found = {} if pooled is None else pooled.result()
    show.advance("at home", total, total)
    return AtHome({name: adoptions[name] for name in holdings if name in adoptions}, failed, found)


def _central(path: Path, schema: Schema, holdings: Mapping[str, Holding], seed: int) -> Central:
    """The machine an organisation uses at home, on everybody's pooled rows and without privacy."""
    if path.exists():
        cached: dict[str, float | None] = json.loads(path.read_text("utf-8"))
        if set(cached) == set(holdings):
            return cached
    rows = {n: h.parts.rows(n, Part.TRAIN, Part.VALIDATION) for n, h in holdings.items()}
    units = {n: unit_numbers(h.data, rows[n]) for n, h in holdings.items()}
    model = fit_central({n: schema.encode(h.data, rows[n]) for n, h in holdings.items()}, schema, seed, units)
    found: dict[str, float | None] = {}
    for name, holding in holdings.items():
        test = schema.encode(holding.data, holding.parts.rows(name, Part.TEST))
        found[name] = auc(test.y, model.margin(test.X, name)) if holding.parts.evaluable(name) else None
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, (json.dumps(found, indent=1) + "\n").encode())
    return found
