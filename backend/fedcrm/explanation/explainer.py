"""A model ready to score and explain: the served model taken apart, and what an organisation's own records look like.

`prepare` is run once, at home, when a model is adopted. What it makes is exact, so it never leaves: it is stored
beside the model and read by the service, which then knows no training rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fedcrm.explanation.calibration import Calibration
from fedcrm.explanation.confidence import Confidence, Yardstick, confidence_of
from fedcrm.explanation.counterfactuals import Change, Possibilities
from fedcrm.explanation.ideas import Idea, Meaning, ideas_of, meanings_from_json, meanings_to_json
from fedcrm.explanation.intervals import Doubt
from fedcrm.explanation.log_odds import LogOdds, Parts, Served
from fedcrm.explanation.points import Figures, figures, path_slope
from fedcrm.explanation.profile import Profile
from fedcrm.explanation.spread import Spread, resampled_margins
from fedcrm.features import Schema

__all__ = ["DECIMALS", "Background", "Explained", "Explainer", "prepare"]

FORMAT = 1
DECIMALS = 1
"""Places after the point of a score and of everything on its scale."""


@dataclass(frozen=True)
class Background:
    """What an explanation needs beside the model.

    federation, own: mean log-odds of every field over own records, (k,): the typical record.
    better:          +1 where a high score is good, -1 where it is bad.
    """

    calibration: Calibration
    federation: NDArray[np.float64]
    own: NDArray[np.float64]
    profile: Profile
    doubt: Doubt
    meanings: Mapping[str, Meaning]
    better: int

    def to_json(self) -> str:
        """Canonical text; from_json is the inverse."""
        raw = {
            "format": FORMAT,
            "calibration": self.calibration.to_raw(),
            "federation": self.federation.tolist(),
            "own": self.own.tolist(),
            "profile": self.profile.to_raw(),
            "doubt": self.doubt.to_raw(),
            "meanings": meanings_to_json(self.meanings),
            "better": self.better,
        }
        return json.dumps(raw, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Background:
        """Raises ValueError for anything that to_json does not write."""
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']} is not {FORMAT}")
            federation, own = (np.asarray(raw[name], np.float64) for name in ("federation", "own"))
            return cls(
                Calibration.from_raw(raw["calibration"]),
                federation,
                own,
                Profile.from_raw(raw["profile"]),
                Doubt.from_raw(raw["doubt"], len(own)),
                meanings_from_json(raw["meanings"]),
                1 if raw["better"] > 0 else -1,
            )
        except (KeyError, TypeError, IndexError, AttributeError) as wrong:
            raise ValueError("this is not the background of an explanation") from wrong


@dataclass(frozen=True)
class Explained:
    """n records, column by column.

    probability, low, high: (n,). federation: points of the federation, in units of figures, (n, ideas).
    cells: of the profile, (n, k).
    """

    probability: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    figures: Figures
    federation: NDArray[np.int64]
    confidence: Confidence
    changes: list[tuple[Change, ...]]
    cells: NDArray[np.uint8]


@dataclass(frozen=True)
class Explainer:
    """Scores and explains encoded records."""

    schema: Schema
    parts: Parts
    background: Background

    @cached_property
    def ideas(self) -> tuple[Idea, ...]:
        """Lines of an explanation."""
        return ideas_of(self.schema, self.background.meanings)

    @cached_property
    def baseline(self) -> float:
        """Log-odds of the typical record."""
        b = self.background
        return float(self.parts.constant + self.parts.trees.constant + self._logit + b.federation.sum() + b.own.sum())

    @property
    def _logit(self) -> float:
        return 0.0 if self.parts.logit is None else self.parts.logit_weight * self.parts.logit.intercept

    @cached_property
    def _members(self) -> NDArray[np.float64]:
        """(k, ideas): 1 where a field belongs to an idea."""
        out = np.zeros((len(self.schema.fields), len(self.ideas)))
        for n, idea in enumerate(self.ideas):
            out[list(idea.fields), n] = 1.0
        return out

    @cached_property
    def _yardstick(self) -> Yardstick:
        return Yardstick.of(self.background.profile, self.ideas)

    @cached_property
    def _possibilities(self) -> Possibilities:
        return Possibilities.of(self.schema, self.ideas, self.background.profile, self.parts)

    def probability(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated, (n,); X (n, k), NaN = missing."""
        return self.background.calibration.probability(self.parts.margin(X))

    def explain(self, X: NDArray[np.float32], *, changes: bool = True) -> Explained:
        """Everything about each record; changes: also look for what would change its score."""
        b = self.background
        found = self.parts.read(X)
        federation = (found.federation - b.federation) @ self._members
        shares = federation + (found.own - b.own) @ self._members
        probability, shown = figures(b.calibration, self.baseline, shares, DECIMALS)
        margin = self.baseline + shares.sum(axis=1)
        unit = 100 * 10**DECIMALS * path_slope(b.calibration, self.baseline, margin)[:, None]
        cells = b.profile.cells(X)
        low, high = b.doubt.interval(b.calibration, cells, margin, found.variance)
        return Explained(
            probability,
            low,
            high,
            shown,
            _split(shown.points, unit * federation, unit * shares),
            confidence_of(b.profile, self._yardstick, X, cells, low, high),
            self._possibilities.changes(X, cells, margin, b.calibration, b.better) if changes else [()] * len(X),
            cells,
        )


def _split(points: NDArray[np.int64], federation: NDArray[np.float64], exact: NDArray[np.float64]) -> NDArray[np.int64]:
    """The federation's part of rounded points, (n, ideas), so that it and the rest add up to them.

    federation, exact: its part and the whole, unrounded, in the same units. What rounding moved is halved between
    the two parts, save where one of them is nothing.
    """
    near = 1e-9
    rounded = np.rint(federation + (points - exact) / 2).astype(np.int64)
    return np.where(np.abs(exact - federation) < near, points, np.where(np.abs(federation) < near, 0, rounded))


def prepare(
    model: Served,
    schema: Schema,
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    calibration: Calibration,
    meanings: Mapping[str, Meaning],
    *,
    better: int,
    rng: np.random.Generator,
) -> Explainer:
    """Everything an organisation's explanations need, from the rows the model was adopted on.

    X, y:   own records, (n, k) and (n,), n >= 1.
    better: +1 where a high score is good, -1 where it is bad.
    """
    parts = Parts.of(model)
    found: LogOdds = parts.read(X)
    total = found.federation + found.own
    federation, own = found.federation.mean(axis=0), found.own.mean(axis=0)
    profile = Profile.fit(schema, X, np.abs(total - total.mean(axis=0)).mean(axis=0), rng)
    refits = resampled_margins(model, schema, X, y, rng)
    spread = Spread.none(X.shape[1]) if refits is None else Spread.fit(profile.cells(X), refits)
    doubt = Doubt.of(model, spread, found.margin, np.asarray(y, np.float64))
    background = Background(calibration, federation, own, profile, doubt, meanings, better)
    return Explainer(schema, parts, background)
