"""Coverage, where the true probability of every record is known."""

import numpy as np
import pytest

from fedcrm.explanation import Calibration, Parts, Profile
from fedcrm.explanation.calibration import sigmoid
from fedcrm.explanation.intervals import Doubt
from fedcrm.explanation.spread import Spread, resampled_margins

from .conftest import make_world

KINDS = ("federated", "personal", "local")


def coverage(world, kind):
    """Share of held-out records whose true probability lies in the likely range, and its mean width."""
    home, X = world.home, world.federation.held
    model = {"federated": world.federated, "personal": home.personal, "local": home.local}[kind]
    oof = world.federated.margin(world.X) if kind == "federated" else model.oof
    fresh = np.arange(len(world.y)) >= world.trained
    calibration = Calibration.fit(np.where(fresh, oof, np.nan), world.y)
    parts = Parts.of(model)
    own, found = parts.read(world.X), parts.read(X)
    shares = np.abs(own.federation + own.own).mean(axis=0)
    profile = Profile.fit(world.federation.schema, world.X, shares, np.random.default_rng(0))
    refits = resampled_margins(model, world.federation.schema, world.X, world.y, np.random.default_rng(1))
    fields = world.X.shape[1]
    spread = Spread.none(fields) if refits is None else Spread.fit(profile.cells(world.X), refits)
    doubt = Doubt.of(model, spread, own.margin, world.y)
    low, high = doubt.interval(calibration, profile.cells(X), found.margin, found.variance)
    truth = sigmoid(world.federation.truth(X))
    return float(np.mean((low <= truth) & (truth <= high))), float(np.mean(high - low))


@pytest.mark.slow
def test_nine_of_ten_true_probabilities_lie_in_the_range_for_each_kind_of_model():
    found = {kind: [] for kind in KINDS}
    for seed, rows in ((0, 500), (1, 800), (2, 1200), (4, 1600)):
        world = make_world(rows, seed)
        for kind in KINDS:
            found[kind].append(coverage(world, kind))
    print({kind: np.round(values, 3).tolist() for kind, values in found.items()})
    for kind, values in found.items():
        mean = np.mean([c for c, _ in values])
        assert 0.87 <= mean <= 0.97, (kind, values)


def test_a_range_is_wider_where_tables_are_less_sure(explainer_of, world):
    explainer = explainer_of("federated")
    X = world.federation.held[:300]
    found = explainer.parts.read(X)
    doubt, calibration = explainer.background.doubt, explainer.background.calibration
    cells = explainer.background.profile.cells(X)
    low, high = doubt.interval(calibration, cells, found.margin, found.variance)
    lower, higher = doubt.interval(calibration, cells, found.margin, found.variance + 0.5)
    assert np.all(lower < low)
    assert np.all(high < higher)


def test_the_written_down_variance_follows_the_bootstraps():
    rng = np.random.default_rng(0)
    cells = rng.integers(0, 4, (800, 3)).astype(np.uint8)
    deviation = np.array([0.1, 0.2, 0.4, 0.8])[cells[:, 0]]
    margins = rng.normal(size=(800, 1)) + deviation[:, None] * rng.normal(size=(800, 16))
    spread = Spread.fit(cells, margins)
    said = np.sqrt(spread.variance(cells, margins.mean(axis=1)))
    for value in (0.1, 0.2, 0.4, 0.8):
        assert said[deviation == value].mean() == pytest.approx(value, rel=0.25)
    again = Spread.from_raw(spread.to_raw(), 3)
    np.testing.assert_allclose(again.variance(cells, margins[:, 0]), spread.variance(cells, margins[:, 0]))


def test_where_nothing_was_fitted_at_home_there_is_nothing_to_draw_again(world):
    assert (
        resampled_margins(world.federated, world.federation.schema, world.X, world.y, np.random.default_rng(0)) is None
    )
    none = Spread.from_raw(Spread.none(4).to_raw(), 4)
    assert not none.variance(np.zeros((3, 4), np.uint8), np.zeros(3)).any()


def test_one_refit_on_all_rows_is_close_to_the_model_itself(world):
    """Configuration and rounds are kept: without a draw, a refit is the model but for its fold models."""
    from fedcrm.explanation.spread import _refit

    rows = np.arange(len(world.y))
    for model in (world.home.personal, world.home.local):
        refitted = _refit(model, world.federation.schema, world.X, world.y, rows, 0)
        off = refitted - model.margin(world.X)
        assert np.sqrt(np.mean(off**2)) < 0.35 * model.margin(world.X).std()
