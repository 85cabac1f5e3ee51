from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fedcrm.errors import MechanismError
from fedcrm.privacy import Ledger
from fedcrm.privacy.domains import plan_domains, release_domain


def test_frequent_values_are_found_and_rare_ones_are_not():
    plan = plan_domains(mu=0.5, fields=2, threshold_delta=1e-6)
    values = ["Web"] * 900 + ["Phone"] * 200 + ["Carrier pigeon"] * 2 + [None] * 50
    found = release_domain(values, plan)
    assert list(found) == ["Web", "Phone"]
    assert abs(found["Web"] - 900) < 8 * plan.scale


def test_nobody_is_no_category():
    plan = plan_domains(mu=0.5, fields=1, threshold_delta=1e-6)
    assert release_domain([], plan) == release_domain([None] * 1000, plan) == {}


def test_the_order_of_records_leaves_no_trace():
    plan = plan_domains(mu=1.0, fields=1, threshold_delta=1e-3)
    values = ["b"] * 40 + ["a"] * 40 + ["c"] * 60
    source = np.random.default_rng(4).bytes
    fixed = source(8 * 3)
    first = release_domain(values, plan, lambda n: fixed[:n])
    again = release_domain(sorted(values, reverse=True), plan, lambda n: fixed[:n])
    assert list(first.items()) == list(again.items())


@given(st.floats(0.01, 3), st.integers(1, 40), st.floats(1e-9, 1e-4), st.integers(1, 5))
def test_a_value_only_one_unit_has_stays_below_the_threshold(mu, fields, delta, rows):
    plan = plan_domains(mu=mu, fields=fields, threshold_delta=delta, unit_rows=rows)
    # Every way in which a unit's rows can bring new values to one field: `distinct` of them, the fullest with what
    # is left. A rounded count reaches T where the Gaussian reaches T - 1/2.
    for distinct in range(1, rows + 1):
        fullest = rows - distinct + 1
        each = [fullest] + [1] * (distinct - 1)
        released = sum(norm.sf((plan.threshold - 0.5 - c) / plan.scale) for c in each)
        assert fields * released <= delta * (1 + 1e-9)
    # Not wastefully high: one lower would not do for the worst single value.
    lower = rows * fields * norm.sf((plan.threshold - 1.5 - rows) / plan.scale)
    assert lower > delta * (1 - 1e-9)


@given(st.floats(0.05, 3), st.integers(1, 10), st.integers(1, 4))
def test_counts_of_all_fields_together_cost_what_is_charged(mu, fields, rows):
    plan = plan_domains(mu=mu, fields=fields, threshold_delta=1e-6, unit_rows=rows)
    sensitivity = math.sqrt(fields * rows**2)  # all rows with one value in every field
    assert plan.event("x").cost.mu_squared == pytest.approx((sensitivity / plan.scale) ** 2, rel=1e-12)
    assert plan.event("x").cost.mu_squared == pytest.approx(mu**2, rel=1e-12)
    assert plan.event("x").cost.delta == 1e-6


def test_a_lone_value_is_released_as_rarely_as_promised():
    plan = plan_domains(mu=2.0, fields=1, threshold_delta=0.02)
    values = [f"name {i}" for i in range(60_000)]  # each a unit of its own
    released = len(release_domain(values, plan, np.random.default_rng(8).bytes))
    expected = norm.sf((plan.threshold - 1.5) / plan.scale) * len(values)
    assert expected <= 0.02 * len(values)
    assert abs(released - expected) < 5 * math.sqrt(expected)


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_presence_of_one_record_cannot_be_told_beyond_epsilon_and_delta(seed):
    """Audit of the whole mechanism: does "rare" come out, with and without one record of it?"""
    mu, delta = 1.0, 0.01
    plan = plan_domains(mu=mu, fields=1, threshold_delta=delta)
    rng, runs = np.random.default_rng(seed), 300
    for others in (0, 3):
        rates = [
            np.mean(["rare" in release_domain(["rare"] * count, plan, rng.bytes) for _ in range(runs)])
            for count in (others, others + 1)
        ]
        # (0, delta_total)-style bound of the pair at epsilon 0: total variation of mu-GDP plus delta, and sampling.
        allowed = 2 * norm.cdf(mu / 2) - 1 + delta
        assert abs(rates[0] - rates[1]) <= allowed + 5 * math.sqrt(0.25 / runs)


def test_a_trainings_allowance_pays_for_it(tmp_path):
    ledger = Ledger.create(tmp_path / "node.sqlite", organisation="Alpha", epsilon_budget=8.0)
    budget = ledger.plan_training(8.0)
    ledger.open_training("t", budget)
    plan = plan_domains(mu=budget.learning_mu * 0.2, fields=3, threshold_delta=budget.domain_delta)
    ledger.charge(plan.event("categories"), training="t", key="domains")
    assert 0 < ledger.spent("t").epsilon < 8.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"mu": 0.0},
        {"mu": math.inf},
        {"threshold_delta": 0.0},
        {"threshold_delta": 1.0},
        {"fields": 0},
        {"unit_rows": 0},
    ],
)
def test_a_release_that_cannot_be_private_is_refused(wrong):
    with pytest.raises(MechanismError):
        plan_domains(**{"mu": 1.0, "fields": 1, "threshold_delta": 1e-6, **wrong})
