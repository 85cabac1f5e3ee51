"""The learner's recipe: every number in one place, each with its reason.

Reasons cite the measurements they rest on: [A] noise, pairs and rounds on simulated federations, [B] small
budgets, [C] a sweep over four real sets, 8 paired seeds, [D] this code on the same sets, 3 to 6 paired seeds, [E]
likewise, 4 to 16 seeds of two draws; all scored on validation parts. `Recipe.of` picks what depends on the signal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Recipe", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every tunable number of the learner; the defaults are the product."""

    # --- binning -------------------------------------------------------------------------------------------
    cells: int = 128  # equal-width cells a number's range is counted in; more only cost noise
    cells_high: int = 4096
    cells_highest: int = (
        16_384  # [C, E] exact values (round amounts, indicators) get bins of their own: +.9 at epsilon 8
    )
    bins: int = 16  # bins of a number at low signal: [A] 64 were no better under noise
    bins_high: int = 64  # [E] with 4096 cells: +.3 on win at epsilon 1, level on bank at 8
    bins_highest: int = 255
    most_levels: int = 64  # bins of a category; rarer levels share one
    counted_levels: int = 24  # categories with more levels than this are counted first, to merge the rare ones
    range_share: float = 0.01  # of the training, for ranges nobody declared
    cell_share: float = 0.01  # of the training, for cell counts; [A] .01 to .03 made no difference at epsilon >= 1

    # --- rounds --------------------------------------------------------------------------------------------
    main_rounds: int = 10  # before pairs; [A] more rounds only split the budget further
    pair_rounds: int = 8  # with pairs
    free_rounds: int = 4  # first rounds, in which every structure gets the same share
    step: float = 0.15  # first step towards the posterior mean; fields overlap, so more overshoots (.3: -.15 at eps 8)
    step_least: float = 0.05
    step_most: float = 0.8
    memory: float = 0.85  # discount of older targets: with noise an average of rounds beats the last one
    importance_power: float = 0.5  # a structure's share goes with evidence ** this
    importance_least: float = 0.002  # structures below this fraction of the budget rest for a round

    # --- pairs ---------------------------------------------------------------------------------------------
    pair_signal: float = 4500.0  # below it pairs cost more than they bring: [E] -.1 bank (3,000), -.4 olist (3,700)
    high_signal: float = 4500.0  # from here on a wider search and finer bins pay: [E] +.3 on win at epsilon 1
    high_rows: float = 8000.0  # and with no fewer rows than that
    highest_signal: float = 25_000.0  # signal and rows from which on the finest do
    pair_fields: int = 8  # best fields whose pairs are tried: [E] 16 cost bank .3 (.1) at epsilon 8, win .1 (.1) at 1
    pair_fields_highest: int = 16  # [A] +2 to +5 points where the signal carries it
    pairs: int = 12  # kept
    pairs_highest: int = 25
    pair_bins: int = 5  # coarse bins a numeric side
    pair_bins_highest: int = 8  # [E] with 12 levels, on win: +.15 without noise, level at epsilon 8
    pair_levels: int = 8  # coarse bins a category's side
    pair_levels_highest: int = 12
    pair_most_levels: int = 40  # a category with more is left out: grouped by noisy effect it may fit noise (a guess)
    pair_share: float = 0.35  # of what is left after binning, for detection and rounds with pairs; [D] .6 cost olist .5
    pair_share_high: float = 0.6  # [A]
    detection_share: float = 0.35  # of that, for the one round that tries all candidates
    pair_gain: float = 0.5  # evidence, nats, that a pair needs to be kept

    # --- little signal -------------------------------------------------------------------------------------
    compact_signal: float = 2000.0  # below it `compact` learns: [E] +1.7 telco, +1.9 olist, -.05 bank, -.3 win at eps 1
    compact_rounds: int = 10  # [E] 4 to 10 within .3
    compact_damping: float = 3.0  # fields overlap: 2 lets five collinear ones overshoot (bank -2.3), 4 costs .1
    compact_waves: int = 6  # of a number's quantile; [E] 3 within .1
    compact_cells: int = 64
    compact_bins: int = 32
    compact_range_share: float = 0.02  # [E] .03 no better
    compact_cell_share: float = 0.1  # masses of all fields' bins: [E] +.24 (.08) on telco over .03

    @classmethod
    def fast(cls) -> Settings:
        """Fewer rounds and pairs, for a quick look."""
        return cls(
            main_rounds=6,
            pair_rounds=4,
            free_rounds=2,
            pair_fields=8,
            pair_fields_highest=8,
            pairs=8,
            pairs_highest=8,
            compact_rounds=4,
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the signal decides.

    share: most that all structures' shares over the training may add up to.
    """

    share: float
    cells: int
    bins: int
    main_rounds: int
    pair_rounds: int
    pair_fields: int
    pair_bins: int
    pair_levels: int
    pairs: int
    pair_share: float
    memory: float

    @property
    def rounds(self) -> int:
        """Gradient rounds in all, the one that tries pairs included."""
        return self.main_rounds + (1 + self.pair_rounds if self.pair_rounds else 0)

    @classmethod
    def of(cls, settings: Settings, signal: float, rows: float, share: float) -> Recipe:
        """The recipe at S = sqrt(sum (n_i mu_i)^2), math.inf without noise, and this many rows."""
        s = settings
        # Without noise the rows alone limit what can be told apart.
        high = signal >= s.high_signal and rows >= s.high_rows
        highest = high and min(signal, rows) >= s.highest_signal
        tier = high + highest
        paired = signal >= s.pair_signal
        return cls(
            share=share,
            cells=(s.cells, s.cells_high, s.cells_highest)[tier],
            bins=(s.bins, s.bins_high, s.bins_highest)[tier],
            main_rounds=s.main_rounds,
            pair_rounds=s.pair_rounds if paired else 0,
            pair_fields=s.pair_fields_highest if highest else s.pair_fields,
            pair_bins=s.pair_bins_highest if highest else s.pair_bins,
            pair_levels=s.pair_levels_highest if highest else s.pair_levels,
            pairs=s.pairs_highest if highest else s.pairs,
            pair_share=(s.pair_share_high if high else s.pair_share) if paired else 0.0,
            memory=0.0 if math.isinf(signal) else s.memory,
        )
