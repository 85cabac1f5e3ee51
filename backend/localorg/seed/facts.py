"""A table's rows in an org's words: what the record holds, what changed since, when the outcome happened.

Everything is dated around landmarks that lie 180 to 271 days back (a horizon of 180 days, drawn at a distance of
91): a record is older than all of them, its outcome happens within the horizon of each, and at each of
them it holds the table's own values, although some had others before and some have others since.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Mapping

from localorg.seed.dialect import Dialect, LocalField
from localorg.seed.lives import Life, Row
from localorg.seed.table import Table

__all__ = ["AS_OF", "BORN", "OUTCOMES", "Facts"]

# Days before now, earliest and latest.
BORN = (1460, 400)
OUTCOMES = (170, 100)
AS_OF = (280, 90)  # in between, a record holds the table's values
_CHANGED_BEFORE = 0.1  # share of values that were others before, of fields that change
_CHANGED_SINCE = 0.15

Change = tuple[dt.datetime, Row]


class Facts:
    """One table in one dialect. Rows are asked for in order; dates and gaps are drawn without looking at outcomes."""

    def __init__(self, table: Table, dialect: Dialect, *, seeds: str, now: dt.datetime) -> None:
        """seeds: what all draws follow from."""
        self._table = table
        self._dialect = dialect
        self._now = now
        self._dates, self._gaps, self._changes = (
            random.Random(f"{seeds}/{stream}")  # noqa: S311 - variety, not secrecy # nosec B311
            for stream in ("dates", "gaps", "changes")
        )

    def born(self) -> dt.datetime:
        """When the next record was made."""
        return self._between(self._dates, *BORN)

    def outcome(self, number: int) -> Row:
        """The outcome of a row, dated where it is positive."""
        happened = self._between(self._dates, *OUTCOMES).date()
        if not self._table.outcomes[number]:
            return {self._dialect.outcome: False}
        return {self._dialect.outcome: True, self._dialect.outcome_date: happened}

    def lives(self, number: int, born: dt.datetime) -> tuple[Life, Life]:
        """What the record itself and its satellite hold of a row."""
        rows: dict[bool, Row] = {False: {}, True: {}}
        changes: dict[bool, list[Change]] = {False: [], True: []}
        given = self._table.rows[number]
        for local in self._dialect.fields:
            kept = self._gaps.random() < local.fill
            value = _value(local, given[local.column.name])
            drawn = list(self._changed(local, value, born)) if local.changes else [(born, value)]
            if value is None or not kept:
                continue
            (_, first), *later = drawn
            rows[local.satellite][local.api_name] = first
            changes[local.satellite] += [(when, {local.api_name: changed}) for when, changed in later]
        own, moved = (
            Life(rows[side], tuple(sorted(changes[side], key=lambda item: item[0]))) for side in (False, True)
        )
        return own, moved

    def _changed(self, local: LocalField, value: object, born: dt.datetime) -> Iterator[tuple[dt.datetime, object]]:
        """The value at first, and what it changed to when."""
        draw, other = self._changes.random(), self._other(local, value)
        early, late = AS_OF
        oldest = (self._now - born).days
        before, since = self._between(self._changes, oldest, early), self._between(self._changes, late, 1)
        if draw < _CHANGED_BEFORE:
            yield born, other
            yield before, value
        else:
            yield born, value
            if draw < _CHANGED_BEFORE + _CHANGED_SINCE:
                yield since, other

    def _other(self, local: LocalField, value: object) -> object:
        share = self._changes.random()
        if isinstance(value, float):
            return round(value * (0.9 + 0.3 * share), local.decimals)
        others = [each for each in local.values.values() if each != value]
        return others[int(share * len(others))] if others else value

    def _between(self, rng: random.Random, earliest: int, latest: int) -> dt.datetime:
        """A moment between so many whole days before now."""
        return self._now - dt.timedelta(seconds=rng.randrange(latest * 86_400, earliest * 86_400))


def _value(local: LocalField, value: str | None) -> object:
    if value is None or not value.strip():
        return None
    if local.type == "Number":
        return round(float(value) * local.scale, local.decimals)
    values: Mapping[str, str | bool] = local.values
    return values.get(value) if values else value[:255]
