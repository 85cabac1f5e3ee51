"""What organisations' systems have: columns, their kinds and units, and who has which. No value of any record.

This is what they agree on before they train, and all that a public schema is made from (`proposal.schema_of`).
Where an org's extractor declared its columns, that is what is taken and no record is looked at. A CSV file has no
field types: there one word a column is read off its form (`forms.form_of`), and which participants fill it.

Organisations meet in `join`: each brings its own description, nobody its records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import DataSetError
from fedcrm.features.dataset import Column, DataSet
from fedcrm.features.description import DeclaredColumn, Description, PublicCategories, PublicRange
from fedcrm.features.forms import HALF, Form, date_format_of, form_of, has_clock, is_missing, parse_number

__all__ = ["ColumnFacts", "Joined", "Systems", "given_values", "join", "systems_of"]

_KINDS = {"number": Form.NUMBER, "flag": Form.NUMBER, "category": Form.CATEGORY}
_BY_KIND = {"flag": PublicRange(0.0, 1.0, "a flag is 0 or 1")}
_BY_UNIT = {"percent": PublicRange(0.0, 100.0, "a percentage")}


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """One column.

    holders:     participants whose systems have it.
    unit:        of a number, as its feature definition says; "" = not said.
    date_format: of a date. clock: whether a date carries a time of day.
    block:       the feature block that its definition names; "" = it belongs to the common vocabulary.
    declared:    whether the organisation said what it is; otherwise it was read off the column's form.
    """

    form: Form
    holders: tuple[str, ...]
    unit: str = ""
    date_format: str = ""
    clock: bool = False
    block: str = ""
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Systems:
    """What one or more organisations' systems have.

    columns:    by name, in order.
    ranges:     public ones, by column, or by "A / B" for the ratio of two. categories: likewise.
    missing:    texts that stand for no value in every column. sentinels: by column, values of a meaning of their own.
    origin:     what errors name.
    """

    name: str
    participants: tuple[str, ...]
    columns: Mapping[str, ColumnFacts]
    ranges: Mapping[str, PublicRange] = field(default_factory=dict)
    categories: Mapping[str, PublicCategories] = field(default_factory=dict)
    missing: tuple[str, ...] = ("",)
    sentinels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origin: Path = Path()


@dataclass(frozen=True, slots=True)
class Joined:
    """Several organisations' systems as one.

    left_out:  by organisation, why it cannot take part: it contradicts what most others say.
    strangers: by organisation, its columns that share a name with another block's: they take no part.
    """

    systems: Systems
    left_out: Mapping[str, str]
    strangers: Mapping[str, frozenset[str]]


def systems_of(data: DataSet) -> Systems:
    """The systems behind a data set. Raises DataSetError where its description does not fit its columns."""
    d = data.description
    sentinels = {c: v for c, v in d.sentinels.items() if c in data.columns}
    declared = {} if d.vocabulary is None else {column.name: column for column in d.vocabulary.columns}
    columns: dict[str, ColumnFacts] = {}
    ranges = dict(d.ranges)
    for name, column in data.columns.items():
        if (said := declared.get(name)) is None:
            columns[name] = _read_off(data, name, column, given_values(column, d.missing, sentinels.get(name, ())))
        else:
            columns[name] = ColumnFacts(
                _KINDS[said.kind], data.participants, said.unit, block=said.block, declared=True
            )
            if (public := _range_of(said)) is not None:
                ranges.setdefault(name, public)
    return Systems(d.name, data.participants, columns, ranges, d.categories, d.missing, sentinels, origin=data.origin)


def join(systems: Sequence[Systems], name: str) -> Joined:
    """What a federation's systems have, from what each organisation says of its own.

    A column is what most say it is, at a tie what the first by name says; an organisation that declared something
    else is left out. A form that was only read off a file gives way instead: what does not parse is missing. Where
    two blocks use one name, the one that more organisations share keeps it.
    """
    systems = sorted(systems, key=lambda s: s.participants)
    standing = _standing(systems)
    wrong = {one.participants: _contradictions(one, standing) for one in systems}
    worst = max(systems, key=lambda one: len(wrong[one.participants]), default=None)
    if worst is not None and wrong[worst.participants]:
        # One at a time: without it the others may agree. Whoever is out has no say either.
        rest = join([one for one in systems if one is not worst], name)
        out = dict.fromkeys(worst.participants, wrong[worst.participants][0])
        return replace(rest, left_out={**rest.left_out, **out})
    holders: dict[str, list[str]] = {}
    strangers: dict[str, set[str]] = {}
    for one in systems:
        for column, facts in one.columns.items():
            if facts.block == standing[column].block:
                holders.setdefault(column, []).extend(facts.holders)
            else:
                for participant in one.participants:
                    strangers.setdefault(participant, set()).add(column)
    joined = Systems(
        name,
        tuple(p for one in systems for p in one.participants),
        {column: replace(facts, holders=tuple(holders.get(column, ()))) for column, facts in standing.items()},
        _hull(systems),
        _all_names(systems),
        tuple(dict.fromkeys(text for one in systems for text in one.missing)),
        _all_sentinels(systems),
        Path(name),
    )
    return Joined(joined, {}, {participant: frozenset(columns) for participant, columns in strangers.items()})


def given_values(column: Column, missing: Sequence[str], sentinels: Sequence[str]) -> NDArray[np.bool_]:
    """Which distinct values of a column are values, (distinct,)."""
    return np.array([not is_missing(str(v), missing, sentinels) for v in column.values], dtype=bool)


# --- of one data set -------------------------------------------------------------------------------


def _range_of(column: DeclaredColumn) -> PublicRange | None:
    return _BY_KIND.get(column.kind) or _BY_UNIT.get(column.unit)


def _read_off(data: DataSet, name: str, column: Column, given: NDArray[np.bool_]) -> ColumnFacts:
    """What the description says a column is, otherwise what it looks like."""
    has = set(data.participant[given[column.codes]])
    texts = [str(v) for v in column.values[given]]
    form, declared = _form(data.description, data.origin, name, texts, column.counts()[given])
    date_format = (date_format_of(texts, HALF) or "iso") if form is Form.DATE else ""
    return ColumnFacts(
        form,
        tuple(p for p in data.participants if p in has),
        date_format=date_format,
        clock=bool(date_format) and has_clock(date_format, map(str, column.values)),
        declared=declared,
    )


def _form(
    d: Description, origin: Path, name: str, texts: Sequence[str], counts: NDArray[np.int64]
) -> tuple[Form, bool]:
    inferred = form_of(name, texts, counts)
    if d.numeric is not None and name in d.numeric:
        if texts and inferred is not Form.NUMBER and np.isnan([parse_number(t) for t in texts]).all():
            raise DataSetError(origin, f"calls '{name}' numeric, but it holds no number")
        return Form.NUMBER, True
    if name in d.dates:
        if texts and date_format_of(texts, HALF) is None:
            raise DataSetError(origin, f"calls '{name}' a date, but no known format reads it")
        return Form.DATE, True
    if name in d.categories or (d.numeric is not None and inferred is Form.NUMBER):
        return Form.CATEGORY, name in d.categories
    return inferred, False


# --- of several ------------------------------------------------------------------------------------


def _standing(systems: Sequence[Systems]) -> dict[str, ColumnFacts]:
    """By column, what counts: the block that most share, in it the meaning that most declare, else that most read."""
    said: dict[str, list[ColumnFacts]] = {}
    for one in systems:
        for column, facts in one.columns.items():
            said.setdefault(column, []).append(facts)
    return {column: _most(_in_widest_block(all_facts)) for column, all_facts in said.items()}


def _in_widest_block(facts: Sequence[ColumnFacts]) -> list[ColumnFacts]:
    # The common vocabulary goes first: what everybody may have is not given up for a block's use of the name.
    blocks = Counter(f.block for f in facts)
    widest = "" if "" in blocks else blocks.most_common(1)[0][0]
    return [f for f in facts if f.block == widest]


def _most(facts: Sequence[ColumnFacts]) -> ColumnFacts:
    considered = [f for f in facts if f.declared] or list(facts)
    meaning = Counter(_meaning(f) for f in considered).most_common(1)[0][0]
    return next(f for f in considered if _meaning(f) == meaning)


def _meaning(facts: ColumnFacts) -> tuple[Form, str, str]:
    return facts.form, facts.unit, facts.date_format


def _contradictions(one: Systems, standing: Mapping[str, ColumnFacts]) -> list[str]:
    found = []
    for column, facts in one.columns.items():
        other = standing[column]
        if not facts.declared or facts.block != other.block:
            continue
        if facts.form is not other.form:
            found.append(f"it calls '{column}' a {facts.form} where the others call it a {other.form}")
        elif facts.unit != other.unit:
            units = (facts.unit or "no unit", other.unit or "no unit")
            found.append(f"it counts '{column}' in {units[0]} where the others count it in {units[1]}")
    return found


def _hull(systems: Iterable[Systems]) -> dict[str, PublicRange]:
    found: dict[str, PublicRange] = {}
    for one in systems:
        for column, given in one.ranges.items():
            before = found.get(column, given)
            found[column] = replace(given, low=min(before.low, given.low), high=max(before.high, given.high))
    return found


def _all_names(systems: Iterable[Systems]) -> dict[str, PublicCategories]:
    found: dict[str, PublicCategories] = {}
    for one in systems:
        for column, given in one.categories.items():
            names = found[column].names if column in found else ()
            found[column] = replace(given, names=tuple(dict.fromkeys((*names, *given.names))))
    return found


def _all_sentinels(systems: Iterable[Systems]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in systems:
        for column, values in one.sentinels.items():
            found[column] = tuple(dict.fromkeys((*found.get(column, ()), *values)))
    return found
