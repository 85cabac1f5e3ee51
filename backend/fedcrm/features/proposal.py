"""Propose the public schema of a data set: from the description and the form of its columns, nothing else.

What is read off records here is one word a column (`forms.form_of`), the format of dates, and which participants
have a column at all; these are facts about the organisations' systems that are agreed when they join. Ranges and
categories are never read off records: where the description does not give them, they stay open for the learner
to ask, with a charge.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import DataSetError
from fedcrm.features.dataset import Column, DataSet
from fedcrm.features.derived import MOST_DERIVED, RULES, TRANSFORMS, Kind, is_money
from fedcrm.features.description import DataSetWarning, Description, ratio_of
from fedcrm.features.forms import HALF, Form, date_format_of, form_of, has_clock, is_missing, parse_number
from fedcrm.features.schema import Field, Schema, spreads_by_factor

__all__ = ["block_examples", "blocks_of", "category_values", "observed_categories", "observed_ranges", "propose_schema"]


def propose_schema(data: DataSet, *, block_min: int = 3) -> Schema:
    """The schema to agree on, base fields first, derived fields after them.

    block_min: a column that fewer than this many participants have is left out (unless all have it): a block
        needs company to hide in.

    Warns (DataSetWarning) for every column left out. Raises DataSetError where the description does not fit.
    """
    proposal = _Proposal(data, block_min)
    base: list[Field] = []
    derived: list[Field] = []
    for name, column in data.columns.items():
        block = proposal.block_of(name)
        form = proposal.form_of(name, column)
        if block is None or form is None:
            continue
        base += proposal.base_fields(name, form, block[0])
        derived += proposal.derived_fields(name, form, block[0])
    declared = [*proposal.sentinel_fields(), *proposal.ratio_fields()]
    if len(derived) > MOST_DERIVED:
        _left_out(data, ", ".join(f.name for f in derived[MOST_DERIVED:]), "more derived fields than budget is worth")
    fields = (*base, *declared, *derived[:MOST_DERIVED])
    if not fields:
        raise DataSetError(data.origin, "no column can become a feature")
    return Schema(fields, data.description.missing, MappingProxyType(proposal.sentinels))


def blocks_of(schema: Schema, data: DataSet, participant: str) -> frozenset[str]:
    """Feature blocks for which a participant has any value: its own knowledge, uploaded to nobody."""
    return frozenset(block for block, count in block_examples(schema, data, data.rows(participant)).items() if count)


def block_examples(schema: Schema, data: DataSet, rows: NDArray[np.int64]) -> dict[str, int]:
    """How many of these rows have a value in some field of each feature block. Exact, so it stays where it is."""
    filled = {block: np.zeros(len(rows), dtype=bool) for block in schema.blocks}
    for field in schema.fields:
        if field.block is not None and all(c in data.columns for c in field.source):
            given = (
                _given(data.columns[c], schema.missing, schema.sentinels.get(c, ()))[data.columns[c].codes[rows]]
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
    given = _given(column, schema.missing, schema.sentinels.get(field.source[0], ()))
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


def _given(column: Column, missing: Sequence[str], sentinels: Sequence[str]) -> NDArray[np.bool_]:
    """Which distinct values are values, (distinct,)."""
    return np.array([not is_missing(str(v), missing, sentinels) for v in column.values], dtype=bool)


def _left_out(data: DataSet, what: str, why: str) -> None:
    warnings.warn(f"{data.description.name}: left out {what}: {why}", DataSetWarning, stacklevel=4)


class _Proposal:
    """The pieces of one proposal."""

    def __init__(self, data: DataSet, block_min: int) -> None:
        self.data, self.block_min = data, block_min
        self.description: Description = data.description
        self.sentinels = {c: v for c, v in self.description.sentinels.items() if c in data.columns}
        self.forms: dict[str, Form] = {}
        self.blocks: dict[tuple[str, ...], str] = {}

    def given(self, name: str) -> NDArray[np.bool_]:
        """Which distinct values of a column are values."""
        return _given(self.data.columns[name], self.description.missing, self.sentinels.get(name, ()))

    def block_of(self, name: str) -> tuple[str | None] | None:
        """(block,) of a column, (None,) where everybody has it, None where too few do."""
        data, column = self.data, self.data.columns[name]
        has = data.participant[self.given(name)[column.codes]]
        holders = tuple(p for p in data.participants if p in set(has))
        if len(holders) == len(data.participants):
            return (None,)
        if len(holders) < max(self.block_min, 1):
            _left_out(data, f"'{name}'", f"{len(holders)} participants have it; {self.block_min} are needed")
            return None
        return (self.blocks.setdefault(holders, f"block of {name}"),)

    def form_of(self, name: str, column: Column) -> Form | None:
        """What the description says a column is, otherwise what it looks like; None: not a feature."""
        d, given = self.description, self.given(name)
        texts = [str(v) for v in column.values[given]]
        inferred = form_of(name, texts, column.counts()[given])
        declared = None
        if d.numeric is not None and name in d.numeric:
            declared = Form.NUMBER
            if texts and inferred is not Form.NUMBER and np.isnan([parse_number(t) for t in texts]).all():
                raise self.wrong(f"calls '{name}' numeric, but it holds no number")
        elif name in d.dates:
            declared = Form.DATE
            if texts and date_format_of(texts, HALF) is None:
                raise self.wrong(f"calls '{name}' a date, but no known format reads it")
        elif name in d.categories or (d.numeric is not None and inferred is Form.NUMBER):
            declared = Form.CATEGORY
        form = declared or inferred
        if form is Form.IDENTIFIER:
            _left_out(self.data, f"'{name}'", "it looks like an identifier")
            return None
        if name in d.ranges and form not in (Form.NUMBER, Form.DATE):
            raise self.wrong(f"gives a range for '{name}', which is neither a number nor a date")
        self.forms[name] = form
        return form

    def base_fields(self, name: str, form: Form, block: str | None) -> Iterator[Field]:
        """The column itself, where it can be a feature as it stands."""
        d = self.description
        if form is Form.CATEGORY:
            public = d.categories.get(name)
            names, provenance = (public.names, public.source) if public else (None, "")
            yield Field(
                name, Kind.CATEGORICAL, (name,), "category", categories=names, block=block, provenance=provenance
            )
        elif form is Form.NUMBER:
            yield self.ranged(Field(name, Kind.NUMERIC, (name,), "number", block=block))
        elif form is Form.DATE:
            transform = TRANSFORMS["days_since_epoch"]
            date_format = self.date_format(name)
            yield self.ranged(
                Field(name, Kind.NUMERIC, (name,), "days_since_epoch", date_format, unit=transform.unit, block=block)
            )

    def derived_fields(self, name: str, form: Form, block: str | None) -> Iterator[Field]:
        """What RULES gives a column of this form."""
        public = self.description.ranges.get(name)
        if form is Form.NUMBER and not is_money(name, public.high if public else None):
            return
        argument = self.date_format(name) if form is Form.DATE else ""
        for key in RULES[form]:
            if key == "hour" and not has_clock(argument, map(str, self.data.columns[name].values)):
                continue
            yield self.fixed(key, name, argument, block)

    def sentinel_fields(self) -> Iterator[Field]:
        """An indicator for each value of a meaning of its own."""
        for name, values in self.sentinels.items():
            if name in self.forms:
                block = self.block_of(name)
                for value in values:
                    yield self.fixed("is_sentinel", name, value, block[0] if block else None)

    def ratio_fields(self) -> Iterator[Field]:
        """A ratio for each range that is named "A / B"."""
        for key in self.description.ranges:
            pair = ratio_of(key)
            if pair is None or key in self.data.columns:
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
        """The field with its public range, if the description has one."""
        public = self.description.ranges.get(field.name)
        if public is None:
            return field
        log = spreads_by_factor(public.low, public.high)
        return replace(field, low=public.low, high=public.high, log=log, provenance=public.source)

    def date_format(self, name: str) -> str:
        """The format that most of a date column's values have."""
        return date_format_of([str(v) for v in self.data.columns[name].values[self.given(name)]], HALF) or "iso"

    def wrong(self, reason: str) -> DataSetError:
        return DataSetError(self.data.origin, reason)
