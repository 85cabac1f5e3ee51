import numpy as np
import pytest

from fedcrm.explanation import overview, stability_index
from fedcrm.explanation.overview import calibration_curve


@pytest.fixture
def card(explainer, world):
    fresh = np.arange(len(world.y)) >= world.trained - 80
    channel = world.X[fresh, 2]
    by = {"channel": np.where(np.isnan(channel), "none", channel.astype(str)).astype(object)}
    return overview(explainer, world.X, world.X[fresh], world.y[fresh], by)


def test_importance_is_the_mean_size_of_points_and_sorted(card, explainer, world):
    points = explainer.explain(world.X, changes=False).figures.points
    names = [i.name for i in explainer.ideas]
    said = {row["feature"]: row["points"] for row in card["importance"]}
    for n, name in enumerate(names):
        assert said[name] == pytest.approx(float(np.abs(points[:, n]).mean() / 10), abs=0.001)
    values = [row["points"] for row in card["importance"]]
    assert values == sorted(values, reverse=True)
    assert card["importance"][-1]["feature"] == "noise"


def test_effects_average_to_nothing_over_ones_own_records_and_count_them_all(card, world):
    for effect in card["effects"]:
        counts = np.array([v["records"] for v in effect["values"]])
        assert counts.sum() == len(world.X)
        points = np.array([v["points"] for v in effect["values"]])
        # Centred in log-odds; in points the slope differs by record.
        assert abs(float(points @ counts) / counts.sum()) < 4


def test_the_curve_compares_what_was_said_with_what_came():
    p = np.repeat(np.array([0.1, 0.9]), 500)
    y = np.concatenate([np.r_[np.ones(50), np.zeros(450)], np.r_[np.ones(450), np.zeros(50)]])
    curve = calibration_curve(p, y)
    assert sum(row["records"] for row in curve) == 1000
    assert curve[0]["predicted"] == 0.1
    assert curve[-1]["predicted"] == 0.9
    low = [r for r in curve if r["predicted"] < 0.5]
    assert np.mean([r["observed"] for r in low]) == pytest.approx(0.1)
    assert calibration_curve(np.array([]), np.array([])) == []


def test_segments_too_small_to_judge_show_their_number_only(card):
    rows = card["fairness"]["channel"]
    assert sum(r["records"] for r in rows) == 120
    for row in rows:
        assert ("mean_score" in row) == (row["records"] >= 30)


def test_drift_is_against_the_records_behind_the_profile(card, explainer, world):
    fresh = np.arange(len(world.y)) >= world.trained - 80
    profile = explainer.background.profile
    counts = profile.counts(profile.cells(world.X[fresh]))
    assert card["drift"]["amount"] == pytest.approx(stability_index(profile.fields[0].counts, counts[0]), abs=1e-4)
