"""Propose the public schema: from what organisations say of their systems (`systems`), nothing else.

Ranges and categories are never read off records: where nobody gave public ones, they stay open for the learner to
ask, with a charge.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import DataSetError
from fedcrm.features.dataset import DataSet
from fedcrm.features.derived import MOST_DERIVED, RULES, TRANSFORMS, Kind, is_money
from fedcrm.features.description import DataSetWarning, ratio_of
from fedcrm.features.forms import Form
from fedcrm.features.schema import Field, Schema, spreads_by_factor
from fedcrm.features.systems import ColumnFacts, Systems, given_values, systems_of

__all__ = [
    "block_examples",
    "blocks_of",
    "category_values",
    "observed_categories",
    "observed_ranges",
    "propose_schema",
    "schema_of",
]


def propose_schema(data: DataSet, *, block_min: int = 3) -> Schema:
    """The schema for the participants of one data set: `schema_of` what their systems have."""
    return schema_of(systems_of(data), block_min=block_min)


def schema_of(systems: Systems, *, block_min: int = 3) -> Schema:
    """The schema to agree on, base fields first, derived fields after them.

    block_min: a column that fewer than this many participants have is left out (unless all have it): a block
        needs company to hide in.

    Warns (DataSetWarning) for every column left out. Raises DataSetError where a description does not fit.
    """
    proposal = _Proposal(systems, block_min)
    base: list[Field] = []
    derived: list[Field] = []
    for name, column in systems.columns.items():
        block = proposal.block_of(name)
        if block is None or not proposal.is_feature(name, column):
            continue
        base += proposal.base_fields(name, column, block[0])
        derived += proposal.derived_fields(name, column, block[0])
    declared = [*proposal.sentinel_fields(), *proposal.ratio_fields()]
    if len(derived) > MOST_DERIVED:
        left = ", ".join(f.name for f in derived[MOST_DERIVED:])
        _left_out(systems, left, "more derived fields than budget is worth")
    fields = (*base, *declared, *derived[:MOST_DERIVED])
    if not fields:
        raise DataSetError(systems.origin, "no column can become a feature")
    return Schema(fields, systems.missing, MappingProxyType(dict(systems.sentinels)))


def blocks_of(schema: Schema, data: DataSet, participant: str) -> frozenset[str]:
    """Feature blocks for which a participant has any value: its own knowledge, uploaded to nobody."""
    return frozenset(block for block, count in block_examples(schema, data, data.rows(participant)).items() if count)


def block_examples(schema: Schema, data: DataSet, rows: NDArray[np.int64]) -> dict[str, int]:
    """How many of these rows have a value in some field of each feature block. Exact, so it stays where it is."""
    filled = {block: np.zeros(len(rows), dtype=bool) for block in schema.blocks}
    for field in schema.fields:
        if field.block is not None and all(c in data.columns for c in field.source):
            given = (
                given_values(data.columns[c], schema.missing, schema.sentinels.get(c, ()))[data.columns[c].codes[rows]]
                for c in field.source
            )
            filled[field.block] |= np.logical_and.reduce(list(given))
    return {block: int(which.sum()) for block, which in filled.items()}


def category_values(schema: Schema, data: DataSet, rows: NDArray[np.int64], field_name: str) -> NDArray[np.object_]:
    """One name a row as `Schema.encode` would look it up, object, (rows,); "" = missing.

    What a private release of categories counts.
    """
    field = schema.fields[schema.index(field_name)]
    if field.kind is not Kind.CATEGORICAL:
        raise ValueError(f"{field_name} is not categorical")
    if field.source[0] not in data.columns:
        return np.full(len(rows), "", dtype=object)
    column = data.columns[field.source[0]]
    given = given_values(column, schema.missing, schema.sentinels.get(field.source[0], ()))
    texts = [str(t) if g else "" for t, g in zip(column.values, given, strict=True)]
    names = np.empty(len(texts), dtype=object)
    names[:] = list(TRANSFORMS[field.transform].compute(texts, field.argument))
    names[~given] = ""
    chosen: NDArray[np.object_] = names[column.codes[rows]]
    return chosen


def observed_categories(
    schema: Schema, data: DataSet, rows: NDArray[np.int64], at_least: int = 1
) -> dict[str, tuple[str, ...]]:
    """Names in these rows, most frequent first, for fields without public ones. NOT private: for methods without
    privacy, which must not be handicapped by a release they do not need."""
    found = {}
    for name in schema.unknown_categories:
        values, counts = np.unique(category_values(schema, data, rows, name), return_counts=True)
        order = sorted(zip(values, counts, strict=True), key=lambda vc: (-vc[1], vc[0]))
        found[name] = tuple(str(v) for v, c in order if v != "" and c >= at_least)
    return found


def observed_ranges(schema: Schema, data: DataSet, rows: NDArray[np.int64]) -> dict[str, tuple[float, float]]:
    """Smallest and largest value in these rows, for fields without a public range. NOT private: see above."""
    X = schema.encode(data, rows).X
    found = {}
    for name in schema.unknown_ranges:
        values = X[:, schema.index(name)]
        values = values[~np.isnan(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        margin = 0.0 if low < high else max(0.5, abs(low) / 2**20)  # a half is nothing beside 1e300
        found[name] = (low - margin, high + margin)
    return found


def _left_out(systems: Systems, what: str, why: str) -> None:
    warnings.warn(f"{systems.name}: left out {what}: {why}", DataSetWarning, stacklevel=4)


class _Proposal:
    """The pieces of one proposal."""

    def __init__(self, systems: Systems, block_min: int) -> None:
        self.systems, self.block_min = systems, block_min
        self.forms: dict[str, Form] = {}
        self.blocks: dict[tuple[str, ...], str] = {}

    def block_of(self, name: str) -> tuple[str | None] | None:
        """(block,) of a column, (None,) where everybody has it, None where too few do."""
        holders = self.systems.columns[name].holders
        if len(holders) == len(self.systems.participants):
            return (None,)
        if len(holders) < max(self.block_min, 1):
            why = f"{len(holders)} participants have it; {self.block_min} are needed"
            _left_out(self.systems, f"'{name}'", why)
            return None
        return (self.blocks.setdefault(holders, f"block of {name}"),)

    def is_feature(self, name: str, column: ColumnFacts) -> bool:
        """Whether a column can be learned from; its form is kept where it can."""
        if column.form is Form.IDENTIFIER:
            _left_out(self.systems, f"'{name}'", "it looks like an identifier")
            return False
        if name in self.systems.ranges and column.form not in (Form.NUMBER, Form.DATE):
            raise self.wrong(f"gives a range for '{name}', which is neither a number nor a date")
        self.forms[name] = column.form
        return True

    def base_fields(self, name: str, column: ColumnFacts, block: str | None) -> Iterator[Field]:
        """The column itself, where it can be a feature as it stands."""
        if column.form is Form.CATEGORY:
            public = self.systems.categories.get(name)
            names, provenance = (public.names, public.source) if public else (None, "")
            yield Field(
                name, Kind.CATEGORICAL, (name,), "category", categories=names, block=block, provenance=provenance
            )
        elif column.form is Form.NUMBER:
            yield self.ranged(Field(name, Kind.NUMERIC, (name,), "number", unit=column.unit, block=block))
        elif column.form is Form.DATE:
            unit = TRANSFORMS["days_since_epoch"].unit
            yield self.ranged(
                Field(name, Kind.NUMERIC, (name,), "days_since_epoch", column.date_format, unit=unit, block=block)
            )

    def derived_fields(self, name: str, column: ColumnFacts, block: str | None) -> Iterator[Field]:
        """What RULES gives a column of this form."""
        if column.form is Form.NUMBER and not self.is_money(name, column):
            return
        for key in RULES[column.form]:
            if key != "hour" or column.clock:
                yield self.fixed(key, name, column.date_format, block)

    def is_money(self, name: str, column: ColumnFacts) -> bool:
        """Whether a number is an amount that a person wrote: by its declared unit, or by its name and public range."""
        if column.unit:
            return column.unit == "currency" and is_money(name, math.inf)
        public = self.systems.ranges.get(name)
        return is_money(name, public.high if public else None)

    def sentinel_fields(self) -> Iterator[Field]:
        """An indicator for each value of a meaning of its own."""
        for name, values in self.systems.sentinels.items():
            if name in self.forms:
                block = self.block_of(name)
                for value in values:
                    yield self.fixed("is_sentinel", name, value, block[0] if block else None)

    def ratio_fields(self) -> Iterator[Field]:
        """A ratio for each range that is named "A / B"."""
        for key in self.systems.ranges:
            pair = ratio_of(key)
            if pair is None or key in self.systems.columns:
                continue
            for name in pair:
                if self.forms.get(name) is not Form.NUMBER:
                    raise self.wrong(f"gives a range for '{key}', but '{name}' is not a numeric feature")
            blocks = {b[0] for b in map(self.block_of, pair) if b} - {None}
            if len(blocks) > 1:
                raise self.wrong(f"gives a range for '{key}', whose columns are in different feature blocks")
            yield self.ranged(Field(key, Kind.NUMERIC, pair, "ratio", block=next(iter(blocks), None)))

    def fixed(self, key: str, name: str, argument: str, block: str | None) -> Field:
        """A derived field whose range or categories belong to the transform."""
        t = TRANSFORMS[key]
        label = f"{key}({name}, {argument})" if key == "is_sentinel" else f"{key}({name})"
        log = t.low is not None and t.high is not None and spreads_by_factor(t.low, t.high)
        return Field(
            label, t.kind, (name,), key, argument, t.low, t.high, log, t.categories, t.unit, block, "fixed transform"
        )

    def ranged(self, field: Field) -> Field:
        """The field with its public range, if there is one."""
        public = self.systems.ranges.get(field.name)
        if public is None:
            return field
        log = spreads_by_factor(public.low, public.high)
        return replace(field, low=public.low, high=public.high, log=log, provenance=public.source)

    def wrong(self, reason: str) -> DataSetError:
        return DataSetError(self.systems.origin, reason)
