"""Train, validation and test rows of every participant: 70/10/20, the same for every method that is compared.

Rows of one privacy unit stay together: a customer whose other contract was trained on is no test of anything.

A unit's place in the order that is cut depends on that unit alone: a hash, under a key made of seed and participant,
of its name, or of the record's own contents where units have no names. So a table with one unit more is cut almost
alike: at each of the two cuts at most one other unit changes sides, and the training rows of the two tables differ
in the rows of at most two units, the new one's and one other's. A shuffle would move any number of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from fedcrm.errors import SettingsError
from fedcrm.features.dataset import DataSet

__all__ = ["LEAST_OF_A_CLASS", "Part", "Split", "split"]

LEAST_OF_A_CLASS = 5
"""Fewer positives or negatives than this in its test part, and a participant's own metric means nothing."""


class Part(StrEnum):
    """What a row is for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


_SHARES: Mapping[Part, float] = MappingProxyType({Part.TRAIN: 0.7, Part.VALIDATION: 0.1, Part.TEST: 0.2})


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row numbers by participant and part.

    by_time:  oldest rows train, newest test.
    left_out: participants whose test part cannot be judged, in the data set's order.
    """

    seed: int
    by_time: bool
    parts: Mapping[str, Mapping[Part, NDArray[np.int64]]]
    left_out: tuple[str, ...]

    @property
    def participants(self) -> tuple[str, ...]:
        """Every participant, evaluable or not, in the data set's order."""
        return tuple(self.parts)

    def rows(self, participant: str, *parts: Part) -> NDArray[np.int64]:
        """Row numbers of one or more parts together, ascending."""
        return np.sort(np.concatenate([self.parts[participant][part] for part in parts]))

    def evaluable(self, participant: str) -> bool:
        """Whether the participant's own test rows count in means."""
        return participant in self.parts and participant not in self.left_out


def split(data: DataSet, seed: int, by_time: bool = False) -> Split:
    """Cut every participant's units into 70/10/20, stratified by label, or by time: oldest, next, newest.

    The cut of a participant depends on its name, its rows and the seed only, not on who else takes part.
    Raises SettingsError where by_time is asked of a data set without order.
    """
    order = data.order if by_time else None
    if by_time and order is None:
        raise SettingsError(f"{data.description.name} has no time order, so it cannot be split by time")
    parts = {}
    for name in data.participants:
        rows = data.rows(name)
        units = _Units.among(data, rows, hashlib.sha256(f"{seed} {name}".encode()).digest())
        of_row = _stratified(data, rows, units) if order is None else _by_time(order[rows], units)
        parts[name] = {part: rows[of_row == i] for i, part in enumerate(Part)}
    left_out = tuple(name for name in parts if not _can_be_judged(data.label[parts[name][Part.TEST]]))
    return Split(seed, by_time, parts, left_out)


def _can_be_judged(label: NDArray[np.int8]) -> bool:
    positives = int(label.sum())
    return min(positives, len(label) - positives) >= LEAST_OF_A_CLASS


@dataclass(frozen=True, slots=True)
class _Units:
    """Privacy units among some rows.

    of_row: number of each row's unit from 0, (rows,). rank: place of each unit in a fixed order of all that could
    be, uint64, (units,).
    """

    of_row: NDArray[np.int64]
    rank: NDArray[np.uint64]

    @classmethod
    def among(cls, data: DataSet, rows: NDArray[np.int64], key: bytes) -> _Units:
        """The units of these rows; a row without a unit's name is one of its own."""
        numbers: dict[bytes, int] = {}
        of_row = np.array([numbers.setdefault(name, len(numbers)) for name in _names(data, rows)], dtype=np.int64)
        ranks = [int.from_bytes(hashlib.blake2b(name, key=key, digest_size=8).digest(), "big") for name in numbers]
        return cls(of_row, np.array(ranks, dtype=np.uint64))


def _names(data: DataSet, rows: NDArray[np.int64]) -> Iterator[bytes]:
    """What tells each row's unit from others: its name, or the record's contents and how many alike came before."""
    units = np.full(len(rows), "", dtype=object) if data.unit is None else data.unit[rows]
    seen: dict[bytes, int] = {}
    for unit, contents in zip(units, _contents(data, rows), strict=True):
        if unit:
            yield b"unit " + str(unit).encode()
        else:
            seen[contents] = seen.get(contents, 0) + 1
            yield b"row %d " % seen[contents] + contents


def _contents(data: DataSet, rows: NDArray[np.int64]) -> list[bytes]:
    """A digest of every row's raw values and label: nothing of where the row stands or of what stands beside it."""
    parts = [data.label[rows].astype(np.uint64)]
    for name in sorted(data.columns):
        column = data.columns[name]
        digests = [hashlib.blake2b(str(value).encode(), digest_size=8).digest() for value in column.values]
        parts.append(np.frombuffer(b"".join(digests), dtype=np.uint64)[column.codes[rows]])
    return [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in np.column_stack(parts)]


def _cut(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Part (0, 1, 2) of each unit; order: their numbers, first to last.

    Neither boundary moves by more than one when there is one unit more, since validation and test are never rounded
    up at the same number of units.
    """
    test, validation = round(len(order) * _SHARES[Part.TEST]), round(len(order) * _SHARES[Part.VALIDATION])
    part = np.empty(len(order), dtype=np.int64)
    part[order] = np.repeat(np.arange(3), [len(order) - test - validation, validation, test])
    return part


def _stratified(data: DataSet, rows: NDArray[np.int64], units: _Units) -> NDArray[np.int64]:
    """Part of each row: units with any positive row and units with none are cut apart from each other."""
    positive = np.bincount(units.of_row, weights=data.label[rows]) > 0
    part = np.empty(len(positive), dtype=np.int64)
    for stratum in (positive, ~positive):
        members = np.flatnonzero(stratum)
        part[members] = _cut(np.argsort(units.rank[members], kind="stable"))
    of_row: NDArray[np.int64] = part[units.of_row]
    return of_row


def _by_time(order: NDArray[np.float64], units: _Units) -> NDArray[np.int64]:
    """Part of each row: units by their newest row, so that nothing trained on is newer than what is tested.

    order: of the rows. Units of one moment stand by rank.
    """
    newest = np.full(len(units.rank), -np.inf)
    np.maximum.at(newest, units.of_row, order)
    of_row: NDArray[np.int64] = _cut(np.lexsort((units.rank, newest)))[units.of_row]
    return of_row
