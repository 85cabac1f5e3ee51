"""Records as three organisations' packages would have extracted them, and a model of them, published.

Made up, but to the vocabulary that the org under test says it has: names, kinds, decimals and order are the org's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import Settings
from fedcrm.explanation import Meaning, Moves
from fedcrm.features import DataSet, Part, propose_schema, split
from fedcrm.features.description import Description, PublicCategories, PublicRange
from fedcrm.federation import Gate, Records, adopt
from fedcrm.service import Privacy, Service, publish

from ...fedcrm.boosting.conftest import Federation, train

__all__ = ["MEANINGS", "Trained", "published", "withheld"]

ROWS = {"Northwind": 600, "Contoso": 1800, "Fabrikam": 1500}
CATEGORIES = {
    "account.industry": ("Banking", "Manufacturing", "Retail", "Technology"),
    "opportunity.type": ("new", "existing"),
    "source.lead_source": ("Web", "Partner", "Phone Inquiry", "Purchased List"),
}
ANY = ("first", "second", "third")  # what a category is where nothing better is known
MEANINGS = {
    "source.lead_source": Meaning("Lead source"),
    "opportunity.type": Meaning("Type"),
    "stakeholder.count": Meaning("Contacts involved", moves=Moves.UP, low=0, high=6, whole=True),
    "meeting.count_90d": Meaning("Meetings, 90 days", moves=Moves.UP, low=0, high=8, whole=True),
    "activity.count_30d": Meaning("Activities, 30 days", moves=Moves.UP, low=0, high=20, whole=True),
    "opportunity.discount": Meaning("Discount", moves=Moves.BOTH, low=0, high=20),
}
SHORT = Settings(main_rounds=12, free_rounds=2, pair_rounds=2)


@dataclass(frozen=True)
class Trained:
    """What the first organisation has after a training."""

    data: DataSet
    federation: Federation
    records: Records
    models: Path


def _cells(columns: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Made-up values for the columns of a vocabulary."""
    n = sum(ROWS.values())
    found: dict[str, NDArray[Any]] = {}
    for column in columns:
        name = str(column["name"])
        if column["kind"] == "category":
            found[name] = rng.choice(np.array(CATEGORIES.get(name, ANY)), n)
        elif column["kind"] == "flag":
            found[name] = rng.integers(0, 2, n)
        elif "days" in name:
            found[name] = rng.integers(0, 180, n)
        elif name.endswith(("amount", "revenue")):
            found[name] = np.exp(rng.normal(10, 1, n)).round(2)
        elif name.endswith("probability"):
            found[name] = rng.choice(np.array([10, 20, 50, 75, 90]), n)
        elif name.endswith("employee_count"):
            found[name] = np.exp(rng.normal(5, 1, n)).round()
        else:
            found[name] = rng.poisson(1.5, n)
    return found


def _of_opportunities(found: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    return np.asarray(
        -1.1
        + 0.030 * (found["opportunity.stage_probability"].astype(float) - 50)
        + 1.0 * (found["source.lead_source"] == "Partner")
        - 0.9 * (found["source.lead_source"] == "Purchased List")
        + 0.8 * (found["opportunity.type"] == "existing")
        + 0.35 * found["meeting.count_90d"]
        + 0.25 * found["stakeholder.count"]
        - 0.4 * found["support.open_cases"]
        - 0.25 * (np.log(found["opportunity.amount"].astype(float)) - 10)
        + 0.3 * (found["account.industry"] == "Banking"),
        np.float64,
    )


def _of_anything(found: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Every number counts a little, more and less in turn."""
    numbers = [column.astype(float) for column in found.values() if column.dtype.kind in "if"]
    return np.asarray(
        sum((-1) ** i * 0.6 * (x - x.mean()) / max(x.std(), 1e-9) for i, x in enumerate(numbers)) - 0.5, np.float64
    )


def _data(task: str, columns: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> DataSet:
    found = _cells(columns, rng)
    margin = (_of_opportunities if task == "opportunity_win" else _of_anything)(found)
    outcome = np.where(rng.random(len(margin)) < 1 / (1 + np.exp(-margin)), "yes", "no")
    description = Description(
        name=f"made_up_{task}",
        task=task,
        label="outcome",
        positive=frozenset({"yes"}),
        numeric=tuple(str(c["name"]) for c in columns if c["kind"] != "category"),
        ranges={
            str(c["name"]): PublicRange(0, float(found[str(c["name"])].max()))
            for c in columns
            if c["kind"] != "category"
        },
        categories={
            str(c["name"]): PublicCategories(CATEGORIES.get(str(c["name"]), ANY))
            for c in columns
            if c["kind"] == "category"
        },
    )
    owner = [name for name, rows in ROWS.items() for _ in range(rows)]
    return DataSet.from_columns(
        description, {**{k: list(v) for k, v in found.items()}, "outcome": list(outcome)}, owner
    )


def published(service: Service, org_id: str, task: str, vocabulary: str, digest: str, models: Path) -> Trained:
    """Train, adopt as the first organisation would, and let the service serve it. vocabulary: the org's JSON."""
    data = _data(task, json.loads(vocabulary), np.random.default_rng(7))
    parts, schema = split(data, 0), propose_schema(data)
    tables = [schema.encode(data, parts.rows(n, Part.TRAIN)) for n in ROWS]
    X, y = [t.X for t in tables], [t.y.astype(np.float64) for t in tables]
    records = Records(
        data, parts.rows("Northwind", Part.TRAIN), parts.rows("Northwind", Part.VALIDATION), as_of=20_000.0
    )
    models.mkdir(parents=True)
    trained = Trained(data, Federation(schema, X, y, lambda _: np.zeros(0), X[0]), records, models)
    assert _adopted(service, org_id, trained, vocabulary, digest)
    return trained


def withheld(service: Service, org_id: str, trained: Trained, vocabulary: str, digest: str) -> None:
    """The next training's model is worse than useless: the gate refuses it, and the last good one goes on."""
    upside_down = replace(trained.federation, y=[1 - y for y in trained.federation.y])
    assert not _adopted(service, org_id, replace(trained, federation=upside_down), vocabulary, digest)


def _adopted(service: Service, org_id: str, trained: Trained, vocabulary: str, digest: str) -> bool:
    """Whether the gate took the model; published either way."""
    model = train(trained.federation, 1.67, settings=SHORT)[0].model()
    adoption = adopt(trained.models, model, "Northwind", trained.records, seed=0, gate=Gate.BOOTSTRAP)
    task = trained.data.description.task
    publish(
        service.registry,
        org_id,
        trained.models,
        trained.records,
        task=task,
        vocabulary=[str(c["name"]) for c in json.loads(vocabulary)],
        digest=digest,
        meanings=MEANINGS,
        high_is_good=task in ("opportunity_win", "lead_conversion"),
        round_number=len(ROWS),
        privacy=Privacy(8.0, 1e-5, len(ROWS), 7.5),
    )
    return adoption.accepted
