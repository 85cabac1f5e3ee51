"""Train, validation and test rows of every participant: 70/10/20, the same for every method that is compared.

Rows of one privacy unit stay together: a customer whose other contract was trained on is no test of anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
    """Cut every participant's rows into 70/10/20, stratified by label, or by time: oldest, next, newest.

    The cut of a participant depends on its name, its rows and the seed only, not on who else takes part.
    Raises SettingsError where by_time is asked of a data set without order.
    """
    if by_time and data.order is None:
        raise SettingsError(f"{data.description.name} has no time order, so it cannot be split by time")
    parts = {}
    for name in data.participants:
        rows = data.rows(name)
        rng = np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")])
        of_row = _by_time(data, rows) if by_time else _stratified(data, rows, rng)
        parts[name] = {part: rows[of_row == i] for i, part in enumerate(Part)}
    left_out = tuple(name for name in parts if not _can_be_judged(data.label[parts[name][Part.TEST]]))
    return Split(seed, by_time, parts, left_out)


def _can_be_judged(label: NDArray[np.int8]) -> bool:
    positives = int(label.sum())
    return min(positives, len(label) - positives) >= LEAST_OF_A_CLASS


def _groups(data: DataSet, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number from 0 for each row's privacy unit, (rows,)."""
    if data.unit is None:
        return np.arange(len(rows))
    seen: dict[str, int] = {}
    numbers = (seen.setdefault(str(u) or f"\0{i}", len(seen)) for i, u in enumerate(data.unit[rows]))
    return np.fromiter(numbers, dtype=np.int64, count=len(rows))


def _cuts(total: int) -> tuple[int, int]:
    """Rows that are train, and rows that are train or validation; validation and test are rounded."""
    test, validation = round(total * _SHARES[Part.TEST]), round(total * _SHARES[Part.VALIDATION])
    return total - test - validation, total - test


def _fill(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Part (0, 1, 2) of each group, in the given order: a group goes where its middle row falls."""
    total = int(sizes.sum())
    middle = np.cumsum(sizes) - (sizes + 1) // 2
    return np.searchsorted(np.array(_cuts(total)), middle, side="right")


def _stratified(data: DataSet, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Part of each row: units with any positive row and units with none are shuffled and cut apart from each other."""
    group = _groups(data, rows)
    sizes = np.bincount(group)
    positive = np.bincount(group, weights=data.label[rows]) > 0
    part = np.empty(len(sizes), dtype=np.int64)
    for stratum in (positive, ~positive):
        members = rng.permutation(np.flatnonzero(stratum))
        part[members] = _fill(sizes[members])
    of_row: NDArray[np.int64] = part[group]
    return of_row


def _by_time(data: DataSet, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Part of each row: units by their newest row, so that nothing trained on is newer than what is tested."""
    order = data.order
    if order is None:  # refused by the caller
        raise SettingsError(f"{data.description.name} has no time order")
    group = _groups(data, rows)
    newest = np.full(int(group.max()) + 1, -np.inf)
    np.maximum.at(newest, group, order[rows])
    members = np.argsort(newest, kind="stable")
    part = np.empty(len(members), dtype=np.int64)
    part[members] = _fill(np.bincount(group)[members])
    of_row: NDArray[np.int64] = part[group]
    return of_row
