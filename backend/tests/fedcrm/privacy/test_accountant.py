"""The closed forms against 80 digits, against dp-accounting's PLD and RDP, and against a simulated adversary."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, LaplaceDpEvent, NeighboringRelation
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fedcrm.errors import MechanismError
from fedcrm.privacy.accountant import Cost, gdp_delta, gdp_epsilon, gdp_mu, sampler_delta

DELTA = 1e-5


def exact_delta(mu: float, epsilon: float) -> mpmath.mpf:
    """Balle & Wang, theorem 8, at 80 digits."""
    with mpmath.workdps(80):
        m, e = mpmath.mpf(mu), mpmath.mpf(epsilon)
        return mpmath.ncdf(-e / m + m / 2) - mpmath.exp(e) * mpmath.ncdf(-e / m - m / 2)


@pytest.mark.parametrize("mu", [1e-4, 1e-3, 0.01, 0.142, 0.5, 1.0, 2.0, 5.0, 12.0, 40.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.1, 1.0, 8.0, 30.0, 100.0])
def test_delta_is_right_to_eleven_digits(mu, epsilon):
    expected = exact_delta(mu, epsilon)
    if expected > 1e-280:
        assert gdp_delta(mu, epsilon) == pytest.approx(float(expected), rel=1e-11)
    else:
        assert gdp_delta(mu, epsilon) < 1e-270


@given(st.floats(0.01, 100), st.floats(1e-12, 1e-2))
def test_mu_and_epsilon_are_inverse_and_always_on_the_safe_side(epsilon, delta):
    mu = gdp_mu(epsilon, delta)
    assert exact_delta(mu, epsilon) <= delta
    back = gdp_epsilon(mu, delta)
    assert back == pytest.approx(epsilon, rel=1e-8)
    assert exact_delta(mu, back) <= delta


@pytest.mark.parametrize(("epsilon", "mu"), [(0.5, 0.142), (1, 0.268), (2, 0.502), (4, 0.925), (8, 1.666), (10, 2.000)])
def test_mu_of_the_usual_epsilons(epsilon, mu):
    # As dp-accounting gave them for 24 unequal releases.
    assert gdp_mu(epsilon, DELTA) == pytest.approx(mu, abs=5e-4)


def test_spending_nothing_costs_nothing():
    assert gdp_epsilon(0.0, DELTA) == 0.0
    assert gdp_delta(0.0, 1.0) == 0.0
    assert Cost().epsilon(DELTA) == 0.0
    # So little that delta alone covers it.
    assert gdp_epsilon(1e-6, DELTA) == 0.0


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 8.0])
def test_pld_of_an_unequal_schedule_is_what_the_closed_form_says(epsilon):
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(12))
    mu = gdp_mu(epsilon, DELTA)
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE)
    cost = Cost()
    for share in shares:
        multiplier = 1 / (mu * math.sqrt(share))
        accountant.compose(GaussianDpEvent(multiplier))
        cost += Cost(mu_squared=1 / multiplier**2)
    # dp-accounting discretises pessimistically: it may only be a little above.
    theirs = accountant.get_epsilon(DELTA)
    assert cost.epsilon(DELTA) <= theirs + 1e-9
    assert theirs == pytest.approx(cost.epsilon(DELTA), rel=2e-3)


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 8.0])
def test_rdp_bounds_the_same_schedule_from_above_by_its_known_slack(epsilon):
    mu = gdp_mu(epsilon, DELTA)
    accountant = RdpAccountant(neighboring_relation=NeighboringRelation.ADD_OR_REMOVE_ONE)
    accountant.compose(GaussianDpEvent(math.sqrt(20) / mu), 20)
    assert epsilon < accountant.get_epsilon(DELTA) < 1.2 * epsilon


def test_pld_of_gaussian_and_laplace_together_is_below_what_we_quote():
    # Basic composition is an upper bound on the true curve of a mixed schedule.
    accountant = PLDAccountant(NeighboringRelation.ADD_OR_REMOVE_ONE)
    cost = Cost()
    for _ in range(20):
        accountant.compose(GaussianDpEvent(4.0))
        cost += Cost(mu_squared=1 / 16)
    for _ in range(3):
        accountant.compose(LaplaceDpEvent(1 / 0.1))
        cost += Cost(pure_epsilon=0.1)
    assert accountant.get_epsilon(DELTA) <= cost.epsilon(DELTA) <= accountant.get_epsilon(DELTA) + 0.31


def test_pure_epsilon_adds_and_deltas_are_taken_from_what_the_gaussians_may_use():
    cost = Cost(0.25, 0.3, 1e-6) + Cost(0.75, 0.1, 2e-6)
    assert cost.epsilon(DELTA) == pytest.approx(0.4 + gdp_epsilon(1.0, 7e-6), rel=1e-12)


def test_a_delta_that_is_used_up_quotes_infinity():
    assert Cost(0.1, 0.0, 1e-5).epsilon(1e-5) == math.inf
    assert Cost(0.1, 0.0, 2e-5).epsilon(1e-5) == math.inf


def test_the_samplers_error_enters_delta_and_is_nothing_one_could_see():
    assert sampler_delta(0, 8.0) == 0.0
    assert 0 < sampler_delta(10**6, 8.0) < 1e-120
    assert sampler_delta(2**40, 100.0) < 1e-60
    # 1 + e^eps <= 2 e^eps.
    assert sampler_delta(1000, 8.0) >= 1000 * 2.0**-450 * (1 + math.exp(8.0))
    assert Cost(1.0, samples=10**6).epsilon(DELTA) == pytest.approx(Cost(1.0).epsilon(DELTA), rel=1e-12)


def test_an_absurd_number_of_samples_quotes_infinity_instead_of_a_wrong_number():
    assert Cost(1.0, samples=2**460).epsilon(DELTA) == math.inf


@pytest.mark.parametrize("delta", [0.0, 1.0, -1e-5, math.nan])
def test_a_delta_that_is_none_is_refused(delta):
    for ask in (lambda: gdp_epsilon(1.0, delta), lambda: gdp_mu(1.0, delta), lambda: Cost().epsilon(delta)):
        with pytest.raises(MechanismError):
            ask()


@pytest.mark.parametrize(("mu", "epsilon"), [(-1.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)])
def test_a_mu_or_epsilon_that_is_none_is_refused(mu, epsilon):
    with pytest.raises(MechanismError):
        gdp_delta(mu, epsilon)


def test_an_adaptive_adversary_gains_nothing_over_the_filter():
    """Choose each noise multiplier by the answers so far; stop where the sum of mu^2 would pass the limit.

    The adversary spends boldly once it thinks it is on the right track. Its true log-likelihood ratio is known, so
    (epsilon, delta) can be checked directly, on both sides.
    """
    limit, epsilon, runs = 1.0, 2.0, 400_000
    rng = np.random.default_rng(17)
    allowed = gdp_delta(math.sqrt(limit), epsilon)
    for truth in (0.0, 1.0):
        loss, left = np.zeros(runs), np.full(runs, limit)
        for _ in range(6):
            bold = np.abs(loss) > 0.4
            mu_squared = np.minimum(np.where(bold, left, left * 0.3), left)
            mu = np.sqrt(mu_squared)
            # Release: mu * [record present] + N(0, 1); loss is log of present over absent.
            answer = mu * truth + rng.standard_normal(runs)
            loss += mu * answer - mu_squared / 2
            left -= mu_squared
        toward = loss if truth else -loss
        observed = np.maximum(0.0, -np.expm1(epsilon - toward)).mean()
        spread = np.maximum(0.0, -np.expm1(epsilon - toward)).std() / math.sqrt(runs)
        assert observed <= allowed + 5 * spread


def test_delta_is_the_hockey_stick_of_two_normals():
    # Independent of any closed form: integrate max(0, p - e^eps q) numerically.
    mu, epsilon = 1.3, 0.9
    x = np.linspace(-15, 15, 2_000_001)
    gap = np.maximum(0.0, norm.pdf(x, mu) - math.exp(epsilon) * norm.pdf(x))
    assert gdp_delta(mu, epsilon) == pytest.approx(float(np.trapezoid(gap, x)), rel=1e-6)
