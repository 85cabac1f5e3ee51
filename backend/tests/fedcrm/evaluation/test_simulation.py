"""Simulated trainings repeat, and train rows are all they see."""

import numpy as np
import pytest

from fedcrm.boosting import Settings
from fedcrm.evaluation.metrics import auc
from fedcrm.evaluation.simulation import Federation, exact_calibration, seeded_bytes, train_noiseless, train_private
from fedcrm.features import DataSet, Part, propose_schema, split
from fedcrm.features.description import Description, PublicCategories, PublicRange
from fedcrm.federation import WeightSettings
from fedcrm.privacy import CalibrationRecords

QUICK = Settings(main_rounds=3, free_rounds=1, pair_rounds=0, pair_signal=1e18)


def made_up(flip_test=False):
    rng = np.random.default_rng(3)
    n = 1500
    visits, plan = rng.integers(0, 60, n), rng.choice(["monthly", "yearly"], n)
    left = rng.random(n) < 1 / (1 + np.exp(0.1 * visits - 2 + 0.8 * (plan == "yearly")))
    description = Description(
        name="made_up",
        task="churn",
        label="left",
        positive=frozenset({"yes"}),
        numeric=("visits",),
        ranges={"visits": PublicRange(0, 60)},
        categories={"plan": PublicCategories(("monthly", "yearly"))},
    )
    columns = {"visits": list(map(str, visits)), "plan": list(plan), "left": ["yes" if y else "no" for y in left]}
    data = DataSet.from_columns(description, columns, ["North", "South", "West"] * (n // 3))
    parts = split(data, seed=0)
    if flip_test:
        for name in parts.participants:
            held = parts.rows(name, Part.VALIDATION, Part.TEST)
            data.label[held] = 1 - data.label[held]
    return Federation(data, parts, propose_schema(data), QUICK)


def private(federation, epsilon=8.0, **weights):
    return train_private(federation, epsilon=epsilon, delta=1e-5, weights=WeightSettings(**weights))


def test_the_same_seed_gives_the_same_model_and_another_epsilon_another():
    assert private(made_up()).digest() == private(made_up()).digest()
    assert private(made_up()).digest() != private(made_up(), epsilon=4.0).digest()


@pytest.mark.parametrize("trained", [private, lambda f: train_noiseless(f, weights=WeightSettings())])
def test_held_out_labels_change_nothing(trained):
    assert trained(made_up()).digest() == trained(made_up(flip_test=True)).digest()


def test_without_noise_the_model_ranks_nearly_as_well_as_the_truth():
    federation = made_up()
    model = train_noiseless(federation, weights=WeightSettings())
    rows = np.concatenate([federation.split.rows(name, Part.TEST) for name in federation.split.participants])
    table = model.schema.encode(federation.data, rows)
    truth = -0.1 * table.X[:, 0] - 0.8 * (table.X[:, 1] == 1)
    assert auc(table.y, model.margin(table.X)) > auc(table.y, truth) - 0.03


def test_exact_calibration_is_plain_counting():
    found = exact_calibration(
        CalibrationRecords(
            np.array([True, False, False]), np.array([1.0, 0.5, 0.0]), np.ones(3), np.array([True, True, False])
        )
    )
    assert (found.positives.value, found.negatives.value) == (1.0, 2.0)
    assert found.completeness.value == 0.5
    assert found.label_reliability.value == pytest.approx(2 / 3)
    assert found.rows.standard_error == 0.0


def test_seeded_bytes_repeat_and_differ_by_words():
    assert seeded_bytes("a", 1)(16) == seeded_bytes("a", 1)(16) != seeded_bytes("a", 2)(16)


def test_an_encrypted_simulation_gives_the_very_same_model():
    encrypted = train_private(made_up(), epsilon=8.0, delta=1e-5, weights=WeightSettings(), encrypted=True)
    assert encrypted.to_json() == private(made_up()).to_json()
