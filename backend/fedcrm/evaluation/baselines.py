"""What federated learning is held against from above: training on everybody's rows pooled, without privacy.

It is the machine an organisation uses on its own rows (`fedcrm.boosting.LocalModel`), with the same freedom to
choose; only the rows are more, and whose a row is is one categorical field more. A weak opponent would make any
method look good: this one is 1.6 points above XGBoost with usual settings on four public sets.

Rows handed in are for training, train and validation parts together; test rows are scored once, outside.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting import LocalModel
from fedcrm.features import Field, Kind, Schema, Table

__all__ = ["Central", "fit_central"]

OWNER = "\0whose"
"""The further field; no field of a data set has a name like it."""


def fit_central(
    tables: Mapping[str, Table], schema: Schema, seed: int, units: Mapping[str, NDArray[np.int64] | None] | None = None
) -> Central:
    """One model on everybody's rows pooled, without privacy; whose a row is may be used where that helps.

    units: by participant, a number for each row's privacy unit, whose rows no fold parts; None: every row is one,
        for one participant as for all.

    Deterministic in (tables, seed, units), whatever the order of the participants. Raises ValueError with fewer
    than two rows of either class.
    """
    names = tuple(sorted(tables))
    X = np.concatenate([_with_owner(tables[n].X, i) for i, n in enumerate(names)])
    y = np.concatenate([tables[n].y for n in names]).astype(np.float64)
    owner = Field(OWNER, Kind.CATEGORICAL, (OWNER,), "category", categories=names)
    pooled = dataclasses.replace(schema, fields=(*schema.fields, owner))
    return Central(LocalModel.fit(X, y, seed, pooled, _groups(tables, names, units or {})), names)


@dataclass(frozen=True, slots=True, eq=False)
class Central:
    """The pooled model, asked for one participant's records at a time."""

    model: LocalModel
    participants: tuple[str, ...]

    def margin(self, X: NDArray[np.float32], participant: str) -> NDArray[np.float64]:
        """Log-odds of one participant's encoded records, float64, (n,). Raises ValueError for a stranger."""
        return self.model.margin(_with_owner(X, self.participants.index(participant)))


def _with_owner(X: NDArray[np.float32], code: int) -> NDArray[np.float32]:
    return np.column_stack([X, np.full(len(X), code, np.float32)])


def _groups(
    tables: Mapping[str, Table], names: tuple[str, ...], units: Mapping[str, NDArray[np.int64] | None]
) -> NDArray[np.int64] | None:
    """One numbering for all participants' units: equal numbers of two participants are two units."""
    if all(units.get(name) is None for name in names):
        return None
    numbered = [np.arange(len(tables[n])) if (u := units.get(n)) is None else u for n in names]
    first = np.cumsum([0, *(int(u.max(initial=-1)) + 1 for u in numbered[:-1])])
    return np.concatenate([u + start for u, start in zip(numbered, first, strict=True)])
