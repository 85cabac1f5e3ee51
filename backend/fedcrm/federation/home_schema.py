"""How an organisation encodes its own records at home: the agreed schema, and its own names on top.

Names that were not released privately are "other" to the federation. At home nothing has to be hidden from
oneself: own models may tell these names apart. They get the codes after the agreed ones, where everything made
for the agreed schema still reads them as "other"; so one encoding serves the federated model and the own ones.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from fedcrm.features import DataSet, Kind, Schema, category_values, observed_ranges

__all__ = ["home_schema", "unit_names", "unit_numbers"]


def home_schema(agreed: Schema, data: DataSet, rows: NDArray[np.int64]) -> Schema:
    """The agreed schema with the further names in these rows after the agreed ones, sorted.

    Numbers keep their values whatever their range; which of them spread by factor is read off these rows.
    NOT private: it must not leave the organisation.
    """
    further = {}
    for field in agreed.fields:
        if field.kind is Kind.CATEGORICAL and field.categories is not None:
            known = set(field.categories)
            seen = sorted(set(map(str, np.unique(category_values(agreed, data, rows, field.name)))) - known - {""})
            if seen:
                further[field.name] = (*field.categories, *seen)
    rangeless = dataclasses.replace(
        agreed,
        fields=tuple(
            dataclasses.replace(f, low=None, high=None) if f.kind is Kind.NUMERIC else f for f in agreed.fields
        ),
    )
    ranges = observed_ranges(rangeless, data, rows)
    return agreed.with_categories(further, provenance="at home").with_ranges(ranges, provenance="at home")


def unit_names(data: DataSet, rows: NDArray[np.int64]) -> NDArray[np.str_] | None:
    """The privacy unit of each of these rows, a name of its own where it has none; None where every row is a unit.

    A row's name depends on that row alone, so that adding a unit renames no other.
    """
    if data.unit is None:
        return None
    return np.array([unit or f"\0{row}" for row, unit in zip(rows, data.unit[rows], strict=True)], dtype=str)


def unit_numbers(data: DataSet, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """A number for the privacy unit of each of these rows; None where every row is its own."""
    names = unit_names(data, rows)
    if names is None:
        return None
    numbers: NDArray[np.int64] = np.unique(names, return_inverse=True)[1]
    return numbers
