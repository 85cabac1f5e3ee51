from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.errors import MechanismError, SettingsError
from fedcrm.privacy.accountant import Cost, gdp_mu
from fedcrm.privacy.budget import ROUNDING, TrainingBudget


def spent_to_the_last_drop(budget: TrainingBudget) -> Cost:
    """Every limit, and what rounding lets through beyond it."""
    limits, more = budget.limits, 1 + ROUNDING
    return Cost(limits.mu_squared * more, limits.pure_epsilon * more, limits.delta * more, limits.samples)


@given(
    st.floats(0.01, 100),
    st.floats(1e-9, 1e-3),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
    st.floats(0, 0.5),
)
def test_a_budget_spent_completely_is_quoted_as_its_epsilon_and_never_above(epsilon, delta, pure, domains, reserve):
    budget = TrainingBudget.plan(epsilon, delta, pure_share=pure, domain_delta_share=domains, reserve_share=reserve)
    quoted = spent_to_the_last_drop(budget).epsilon(delta)
    assert quoted <= epsilon
    assert quoted == pytest.approx(epsilon, rel=1e-6)


def test_without_extras_mu_is_the_textbooks():
    budget = TrainingBudget.plan(
        8.0, pure_share=0.0, domain_delta_share=0.0, residue_delta_share=0.0, reserve_share=0.0
    )
    assert budget.mu == pytest.approx(gdp_mu(8.0, 1e-5), rel=1e-7)
    assert budget.learning_mu == budget.mu
    assert budget.reserve_mu_squared == 0.0


def test_the_parts_add_up():
    budget = TrainingBudget.plan(2.0, pure_share=0.1, reserve_share=0.25, unit_rows=3)
    assert budget.learning_mu**2 + budget.reserve_mu_squared == pytest.approx(budget.mu**2)
    assert budget.record_mu * 3 == pytest.approx(budget.learning_mu)
    assert budget.pure_epsilon == 0.2
    assert budget.domain_delta < budget.extra_delta < budget.delta


def test_what_the_extras_cost_is_small():
    # 4 % of epsilon for pure releases and 11 % of delta: mu falls by less than 4 %.
    assert TrainingBudget.plan(8.0).mu > 0.96 * gdp_mu(8.0, 1e-5)
    assert TrainingBudget.plan(1.0).mu > 0.95 * gdp_mu(1.0, 1e-5)


@pytest.mark.parametrize("parts", [1, 2, 4, 7])
def test_proportional_trainings_fit_their_period_in_every_respect(parts):
    period = TrainingBudget.plan(8.0, reserve_share=0.0)
    part = TrainingBudget.part_of(period, 8.0 / parts)
    total = sum((part.limits for _ in range(parts)), Cost())
    for value, limit in (
        (total.mu_squared, period.limits.mu_squared),
        (total.pure_epsilon, period.limits.pure_epsilon),
        (total.delta, period.limits.delta),
        (total.samples, period.limits.samples),
    ):
        assert value <= limit * (1 + ROUNDING)
    assert spent_to_the_last_drop(part).epsilon(1e-5) == pytest.approx(8.0 / parts, rel=1e-6)


def test_a_training_of_the_whole_period_has_its_very_limits():
    period = TrainingBudget.plan(8.0, reserve_share=0.0)
    assert TrainingBudget.part_of(period, 8.0).limits == period.limits


def test_a_training_larger_than_its_period_is_refused():
    with pytest.raises(SettingsError):
        TrainingBudget.part_of(TrainingBudget.plan(2.0), 2.1)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan, math.inf, 101.0])
def test_an_epsilon_that_is_none_is_refused(epsilon):
    with pytest.raises(SettingsError, match="epsilon"):
        TrainingBudget.plan(epsilon)


@pytest.mark.parametrize(
    "option",
    [
        {"delta": 0.0},
        {"delta": 0.5},
        {"pure_share": 1.0},
        {"pure_share": -0.1},
        {"domain_delta_share": 0.95},
        {"residue_delta_share": 0.2},
        {"reserve_share": 1.0},
        {"samples": 0},
        {"unit_rows": 0},
    ],
)
def test_shares_that_make_no_sense_are_refused(option):
    with pytest.raises(SettingsError):
        TrainingBudget.plan(1.0, **option)


def test_a_budget_survives_json():
    budget = TrainingBudget.plan(3.3, unit_rows=2)
    assert TrainingBudget.from_json(json.loads(json.dumps(budget.to_json()))) == budget


@pytest.mark.parametrize("change", [{"mu": "1"}, {"mu": True}, {"more": 1}])
def test_json_that_is_no_budget_is_refused(change):
    with pytest.raises(MechanismError):
        TrainingBudget.from_json({**TrainingBudget.plan(1.0).to_json(), **change})
