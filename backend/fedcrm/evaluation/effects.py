"""What the federated model says of each field, in words and points: for the report and the model card."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fedcrm.boosting import FederatedModel
from fedcrm.evaluation.results import FieldEffect
from fedcrm.features import Field, Kind

__all__ = ["field_effects", "pair_names"]


def field_effects(model: FederatedModel) -> tuple[FieldEffect, ...]:
    """One effect a field that has any, largest spread (weighted by the released masses) first."""
    found = []
    for term in model.terms:
        if len(term.grid.axes) != 1:
            continue
        index = term.grid.fields[0]
        field, mass = model.schema.fields[index], model.masses[index]
        places = np.array(term.grid.axes[0].places)
        points, variance = term.mean[places], term.variance[places]
        spread = float(np.sqrt(np.sum(mass * points**2) / np.sum(mass)))
        effect = FieldEffect(
            field.name,
            field.words(),
            _labels(model, index, field),
            tuple(points.tolist()),
            tuple(np.sqrt(variance).tolist()),
        )
        found.append((spread, effect))
    return tuple(effect for _, effect in sorted(found, key=lambda pair: (-pair[0], pair[1].field)))


def pair_names(model: FederatedModel) -> tuple[str, ...]:
    """The pairs of fields that have a table of their own."""
    fields = model.schema.fields
    return tuple(" x ".join(fields[f].name for f in t.grid.fields) for t in model.terms if len(t.grid.axes) == 2)


def _labels(model: FederatedModel, index: int, field: Field) -> tuple[str, ...]:
    bins = model.bins[index]
    if field.kind is Kind.CATEGORICAL:
        names: list[list[str]] = [[] for _ in range(bins.count)]
        for level, name in enumerate((*(field.categories or ()), "other")):
            names[int(bins.members[np.searchsorted(bins.cuts, level, side="right")])].append(name)
        return (*(", ".join(group) for group in names), "missing")
    cuts = [f"{cut:.6g}" for cut in bins.cuts]
    if not cuts:
        return ("any", "missing")
    between = [f"{low} to {high}" for low, high in pairwise(cuts)]
    return (f"below {cuts[0]}", *between, f"{cuts[-1]} and more", "missing")
