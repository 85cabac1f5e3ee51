import numpy as np
import pytest

from fedcrm.explanation import Parts


def models(world):
    return {"federated": world.federated, "personal": world.home.personal, "local": world.home.local}


@pytest.mark.parametrize("kind", ["federated", "personal", "local"])
def test_shares_are_the_models_own_contributions(world, kind):
    model, X = models(world)[kind], world.federation.held[:300]
    found = Parts.of(model).read(X)
    theirs = model.contributions(X)
    np.testing.assert_allclose(found.federation + found.own, theirs[:, :-1], atol=1e-5)
    np.testing.assert_allclose(found.constant, theirs[0, -1], atol=1e-5)
    np.testing.assert_allclose(found.margin, model.margin(X), atol=1e-5)


@pytest.mark.parametrize("kind", ["federated", "personal", "local"])
def test_the_short_way_to_the_margin_is_the_same_margin(world, kind):
    parts, X = Parts.of(models(world)[kind]), world.federation.held[:300]
    np.testing.assert_allclose(parts.margin(X), parts.read(X).margin, atol=1e-9)


def test_a_federated_model_has_nothing_of_ones_own_and_a_local_one_nothing_else(world):
    X = world.federation.held[:50]
    assert not Parts.of(world.federated).read(X).own.any()
    local = Parts.of(world.home.local).read(X)
    assert not local.federation.any()
    assert not local.variance.any()


def test_of_the_personal_model_the_released_tables_are_from_the_federation(world):
    X = world.federation.held[:100]
    found = Parts.of(world.home.personal).read(X)
    weight = sum(world.home.weights[part] for part in ("A", "R", "F"))
    np.testing.assert_allclose(found.federation, weight * world.federated.contributions(X)[:, :-1], atol=1e-9)


def test_the_variance_is_that_of_the_cells_a_record_lies_in(world):
    X = world.federation.held[:20]
    codes = world.federated.codes(X)
    expected = np.zeros(len(X))
    for term in world.federated.terms:
        for i in range(len(X)):
            places = [axis.places[codes[axis.field, i]] for axis in term.grid.axes]
            expected[i] += term.variance.reshape(term.grid.shape)[tuple(places)]
    np.testing.assert_allclose(Parts.of(world.federated).read(X).variance, expected, atol=1e-12)


def test_another_width_is_refused(world):
    with pytest.raises(ValueError, match="columns"):
        Parts.of(world.federated).read(world.X[:, :2])
