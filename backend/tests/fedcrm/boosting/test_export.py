import json
import math

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedcrm.boosting import FederatedModel, Term, to_booster
from fedcrm.boosting.bins import Bins, whole_levels
from fedcrm.boosting.export import booster_json
from fedcrm.boosting.grid import Axis, Grid

from .conftest import category, number, schema_of, train


def random_model(seed: int, terms: int) -> FederatedModel:
    """Any model: numbers and categories, merged levels, coarse pairs, uncentred tables."""
    r = np.random.default_rng(seed)
    fields, bins, masses = [], [], []
    for j in range(5):
        if j % 2:
            levels = int(r.integers(2, 9))
            fields.append(category(f"c{j}", levels))
            members = r.integers(0, max(levels - 1, 1), levels)
            _, members = np.unique(members, return_inverse=True)
            whole = whole_levels(levels)
            bins.append(Bins(whole.cuts, members.astype(np.uint8), int(members.max()) + 1, False))
        else:
            count = int(r.integers(1, 12))
            fields.append(number(f"x[{j}] <n>", -3.0, 3.0))
            cuts = np.unique(r.normal(size=count - 1).astype(np.float32))
            bins.append(Bins(cuts, np.arange(len(cuts) + 1, dtype=np.uint8), len(cuts) + 1, True))
        masses.append(r.uniform(0.01, 100, bins[-1].count + 1))

    def axis(j: int) -> Axis:
        places = r.integers(0, 3, bins[j].count + 1)
        _, places = np.unique(places, return_inverse=True)
        return Axis(j, tuple(places.tolist()), True)

    made = []
    for _ in range(terms):
        a, b = r.choice(5, 2, replace=False).tolist()
        grid = Grid.of_field(a, bins[a]) if r.random() < 0.4 else Grid((axis(a), axis(b)))
        made.append(Term(grid, r.normal(size=grid.cells), r.uniform(0, 1, grid.cells)))
    return FederatedModel.centred(schema_of(*fields), float(r.normal()), tuple(bins), tuple(masses), made)


def records(model: FederatedModel, seed: int, n: int = 300) -> np.ndarray:
    r = np.random.default_rng(seed)
    X = np.stack([r.normal(size=n) if j % 2 == 0 else r.integers(0, 9, n) for j in range(5)], 1).astype(np.float32)
    for j, b in enumerate(model.bins):  # exactly on the cuts too
        if len(b.cuts):
            X[: len(b.cuts), j] = b.cuts
    X[r.random(X.shape) < 0.15] = np.nan
    return X


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.integers(0, 8))
def test_xgboost_predicts_and_explains_as_we_do(seed, terms):
    model = random_model(seed, terms)
    booster, X = to_booster(model), records(model, seed)
    data = xgb.DMatrix(X, feature_names=booster.feature_names, nthread=1)
    np.testing.assert_allclose(booster.predict(data, output_margin=True), model.margin(X), atol=1e-5)
    np.testing.assert_allclose(booster.predict(data, pred_contribs=True), model.contributions(X), atol=1e-5)
    np.testing.assert_allclose(booster.predict(data), 1 / (1 + np.exp(-model.margin(X))), atol=1e-6)


def test_ubj_round_trip_gives_the_same_booster(tmp_path):
    model = random_model(7, 6)
    booster, X = to_booster(model), records(model, 7)
    booster.save_model(tmp_path / "model.ubj")
    again = xgb.Booster(model_file=tmp_path / "model.ubj")
    data = xgb.DMatrix(X, feature_names=booster.feature_names, nthread=1)
    np.testing.assert_array_equal(again.predict(data), booster.predict(data))
    np.testing.assert_array_equal(again.predict(data, pred_contribs=True), booster.predict(data, pred_contribs=True))


def test_xgboost_can_go_on_training_from_the_export(federation):
    model = train(federation, 1.67)[0].model()
    booster = to_booster(model)
    X, y = federation.X[-1], federation.y[-1]
    data = xgb.DMatrix(X, y, feature_names=booster.feature_names, nthread=1)
    on = xgb.train({"objective": "binary:logistic", "eta": 0.1, "nthread": 1}, data, 5, xgb_model=booster)
    assert on.num_boosted_rounds() == booster.num_boosted_rounds() + 5

    def loss(b: xgb.Booster) -> float:
        p = b.predict(data)
        return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))

    assert loss(on) < loss(booster)


def test_the_right_child_is_the_left_child_plus_one_and_covers_are_positive_and_add_up():
    for tree in booster_json(random_model(11, 8))["learner"]["gradient_booster"]["model"]["trees"]:
        left, right, cover = tree["left_children"], tree["right_children"], tree["sum_hessian"]
        for node, (a, b) in enumerate(zip(left, right, strict=True)):
            assert cover[node] > 0
            if a >= 0:
                assert b == a + 1 > node
                assert math.isclose(cover[node], cover[a] + cover[b])
                assert tree["parents"][a] == tree["parents"][b] == node


def test_contributions_add_up_to_the_margin_and_centring_leaves_the_function_alone():
    model = random_model(3, 8)
    X = records(model, 3)
    np.testing.assert_allclose(model.contributions(X).sum(axis=1), model.margin(X), atol=1e-10)
    again = FederatedModel.centred(model.schema, model.base, model.bins, model.masses, model.terms)
    np.testing.assert_allclose(again.margin(X), model.margin(X), atol=1e-10)
    for term in model.terms:
        sides = [a.collapse(model.masses[a.field]) for a in term.grid.axes]
        table = term.mean.reshape(term.grid.shape)
        for axis, mass in enumerate(sides):
            np.testing.assert_allclose(np.tensordot(mass, table, axes=(0, axis)) / mass.sum(), 0, atol=1e-9)


def test_json_round_trips_to_the_last_bit():
    model = random_model(5, 7)
    again = FederatedModel.from_json(model.to_json())
    assert again.to_json() == model.to_json()
    assert again.digest() == model.digest()
    X = records(model, 5)
    np.testing.assert_array_equal(again.margin(X), model.margin(X))


@pytest.mark.parametrize("change", [{"format": 2}, {"base": None}, {"bins": []}, {"masses": [[0.0]]}, {"terms": [{}]}])
def test_text_that_is_no_model_is_refused(change):
    raw = json.loads(random_model(5, 3).to_json()) | change
    with pytest.raises(ValueError):  # noqa: PT011  # which check caught it does not matter
        FederatedModel.from_json(json.dumps(raw))
    with pytest.raises(ValueError):  # noqa: PT011  # which check caught it does not matter
        FederatedModel.from_json("{}")
