import math

import pytest

from fedcrm.errors import SettingsError
from fedcrm.federation.weighting import (
    QUALITY_RANGE,
    UNIT,
    Quality,
    Standing,
    WeightSettings,
    integer_weights,
    quality_multipliers,
)
from fedcrm.learning import Query, Structure
from fedcrm.privacy import Calibration, Estimate


def standing(rows=1000.0, mu=1.0, completeness=1.0, recency=1.0, reliability=1.0):
    def exactly(value):
        return Estimate(value, 0.0)

    return Standing(
        Calibration(
            positives=exactly(rows * 0.25),
            negatives=exactly(rows * 0.75),
            completeness=exactly(completeness),
            recency=exactly(recency),
            label_reliability=exactly(reliability),
        ),
        mu,
    )


QUERY = Query("fields", (Structure("a", 32, 0.01), Structure("b", 32, 0.01)), 64.2, 64, b"", places=16.0)


def test_volume_is_one_for_everybody_because_a_histogram_counts_its_own_rows():
    standings = {"big": standing(50_000), "small": standing(500)}
    weights = integer_weights(QUERY, standings, WeightSettings(inverse_variance=False), dict.fromkeys(standings, 1.0))
    assert weights == {"big": UNIT, "small": UNIT}


def test_alpha_minus_one_gives_every_organisation_the_same_say():
    standings = {"big": standing(50_000), "small": standing(500)}
    settings = WeightSettings(alpha=-1.0, inverse_variance=False)
    weights = integer_weights(QUERY, standings, settings, dict.fromkeys(standings, 1.0))
    assert weights["small"] == UNIT
    assert weights["big"] == pytest.approx(UNIT / 100, abs=0.5)


def test_inverse_variance_follows_the_formula_cell_by_cell():
    standings = {"strict": standing(5_000, mu=0.27), "generous": standing(5_000, mu=1.67)}
    weights = integer_weights(QUERY, standings, WeightSettings(), dict.fromkeys(standings, 1.0))

    def best(mu):
        return 1 / (0.14 + (1 / mu**2 / 0.01) * 16 / 5_000)

    assert weights["generous"] == UNIT
    assert weights["strict"] / UNIT == pytest.approx(best(0.27) / best(1.67), abs=1 / UNIT)


def test_without_noise_inverse_variance_is_volume():
    standings = {"big": standing(50_000, mu=math.inf), "small": standing(500, mu=math.inf)}
    weights = integer_weights(QUERY, standings, WeightSettings(), dict.fromkeys(standings, 1.0))
    assert weights == {"big": UNIT, "small": UNIT}


def test_plain_counts_weigh_everybody_alike():
    counts = Query("cells", QUERY.structures, 64.0, 64, b"")
    standings = {"strict": standing(mu=0.1), "generous": standing(mu=2.0)}
    assert set(integer_weights(counts, standings, WeightSettings(), {}).values()) == {UNIT}


def test_nobody_is_weighed_to_nothing():
    standings = {"hopeless": standing(60, mu=0.001), "fine": standing(50_000, mu=2.0)}
    assert integer_weights(QUERY, standings, WeightSettings(), dict.fromkeys(standings, 1.0))["hopeless"] == 1


def test_the_papers_multiplier_grows_above_its_two_thresholds():
    standings = {
        "above": standing(completeness=0.90, recency=0.95),
        "at": standing(completeness=0.85, recency=0.90),
        "below": standing(completeness=0.60, recency=0.70),
    }
    quality = quality_multipliers(standings, Quality.PAPER)
    assert quality["above"] > 1.0
    assert quality["at"] == pytest.approx(1.0)
    assert quality["below"] < 1.0


def test_measured_quality_ignores_completeness_and_follows_reliability_and_recency():
    base = {"a": standing(), "b": standing(completeness=0.2)}
    assert set(quality_multipliers(base, Quality.MEASURED).values()) == {1.0}
    stale = quality_multipliers({"a": standing(), "b": standing(recency=0.5)}, Quality.MEASURED)
    assert stale["b"] < 1.0 < stale["a"]
    guessed = quality_multipliers({"a": standing(), "b": standing(reliability=0.6)}, Quality.MEASURED)
    assert guessed["b"] < 1.0 < guessed["a"]


@pytest.mark.parametrize("quality", list(Quality))
def test_multipliers_stay_in_their_range_whatever_the_statistics(quality):
    standings = {
        f"{c}{r}{q}": standing(completeness=c, recency=r, reliability=q)
        for c in (0.0, 1.0)
        for r in (0.0, 1.0)
        for q in (0.0, 1.0)
    }
    low, high = QUALITY_RANGE
    assert all(low <= m <= high for m in quality_multipliers(standings, quality).values())


def test_nonsense_exponents_are_refused():
    with pytest.raises(SettingsError):
        WeightSettings(alpha=math.nan)
    with pytest.raises(SettingsError):
        WeightSettings(beta=-1.0)
