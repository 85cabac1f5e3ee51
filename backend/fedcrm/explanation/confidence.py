"""One number for how far a score can be trusted, and why it is not higher.

    confidence = (1 - width) * n / (n + 5) * (1 - out / 2) * (1 - missing / 2)

width:   of the likely range, as a probability.
n:       own records similar to this one (`profile`).
out:     share, in what moves scores, of the ideas whose value lies outside what own records hold: a number beyond the
         least or greatest seen, a category never seen.
missing: the same share of ideas without a value, each times the rate at which own records do have one: where a value is
         rarely known, not knowing it is normal.

Every idea counts at least LEAST_SHARE, so that nothing unusual passes unseen. What takes a factor below its
threshold is named, as a code with figures; words are for whoever shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from fedcrm.explanation.ideas import Idea
from fedcrm.explanation.profile import Profile

__all__ = ["Caution", "Confidence", "Reason", "Yardstick", "confidence_of"]

SIMILAR = 5.0
FEW = 20.0
WIDE = 0.3
LEAST_SHARE = 0.02


class Caution(StrEnum):
    """Why a score deserves less trust."""

    WIDE_INTERVAL = "WIDE_INTERVAL"
    FEW_SIMILAR = "FEW_SIMILAR"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNKNOWN_VALUE = "UNKNOWN_VALUE"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class Reason:
    """idea: name, None where it is about the record as a whole; parameters: figures for the words."""

    code: Caution
    idea: str | None = None
    parameters: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Confidence:
    """Of n records.

    value: (n,) in [0, 1]. similar: (n,).
    out, unknown, missing: (n, ideas) bool.
    """

    value: NDArray[np.float64]
    similar: NDArray[np.float64]
    width: NDArray[np.float64]
    out: NDArray[np.bool_]
    unknown: NDArray[np.bool_]
    missing: NDArray[np.bool_]

    def reasons(self, ideas: Sequence[Idea], profile: Profile) -> list[tuple[Reason, ...]]:
        """Of every record, what concerns the whole record first."""
        found: list[list[Reason]] = [[] for _ in range(len(self.value))]
        for i in np.flatnonzero(self.similar < FEW).tolist():
            found[i].append(Reason(Caution.FEW_SIMILAR, None, {"count": round(float(self.similar[i]))}))
        for i in np.flatnonzero(self.width > WIDE).tolist():
            found[i].append(Reason(Caution.WIDE_INTERVAL, None, {"width": round(100 * float(self.width[i]))}))
        for code, flags in (
            (Caution.OUT_OF_RANGE, self.out),
            (Caution.UNKNOWN_VALUE, self.unknown),
            (Caution.MISSING, self.missing),
        ):
            for i, n in np.argwhere(flags).tolist():
                known = profile.fields[ideas[n].shown]
                ends = {"low": known.low, "high": known.high} if code is Caution.OUT_OF_RANGE else {}
                found[i].append(Reason(code, ideas[n].name, ends))
        return [tuple(reasons) for reasons in found]


@dataclass(frozen=True)
class Yardstick:
    """What is usual for every idea, put together once for a model.

    shown:    field that stands for the idea, (ideas,). low, high: of own records, NaN for categories.
    empty:    cells of categories that own records never have, (ideas, 256).
    shares:   of what moves scores, at least LEAST_SHARE. known: rate at which own records have a value.
    """

    shown: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    empty: NDArray[np.bool_]
    shares: NDArray[np.float64]
    known: NDArray[np.float64]

    @classmethod
    def of(cls, profile: Profile, ideas: Sequence[Idea]) -> Yardstick:
        """From a profile."""
        fields = [profile.fields[idea.shown] for idea in ideas]
        empty = np.zeros((len(ideas), 256), np.bool_)
        for n, f in enumerate(fields):
            if not f.ordered:
                empty[n, : len(f.counts) - 1] = f.counts[:-1] == 0
        return cls(
            np.array([idea.shown for idea in ideas], np.int64),
            np.array([f.low if f.ordered else np.nan for f in fields]),
            np.array([f.high if f.ordered else np.nan for f in fields]),
            empty,
            np.array([max(float(profile.shares[list(idea.fields)].sum()), LEAST_SHARE) for idea in ideas]),
            np.array([1 - f.missing_rate for f in fields]),
        )


def confidence_of(
    profile: Profile,
    yardstick: Yardstick,
    X: NDArray[np.float32],
    cells: NDArray[np.uint8],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Confidence:
    """X, cells: (n, k), encoded and in cells of the profile; low, high: likely range, (n,)."""
    x, c = X[:, yardstick.shown], cells[:, yardstick.shown]
    missing = np.isnan(x)
    out = (x < yardstick.low) | (x > yardstick.high)  # a comparison with NaN is false
    unknown = yardstick.empty[np.arange(c.shape[1]), c]
    similar = profile.similar(cells)
    width = high - low
    strange = (out | unknown) @ yardstick.shares
    # Named only where most records have a value; it lowers confidence in that same proportion everywhere.
    gone = missing @ (yardstick.shares * yardstick.known)
    value = (1 - width) * similar / (similar + SIMILAR)
    value = value * (1 - np.minimum(strange, 1) / 2) * (1 - np.minimum(gone, 1) / 2)
    return Confidence(np.clip(value, 0, 1), similar, width, out, unknown, missing & (yardstick.known > 0.5))
