"""What releases cost, and what is quoted for it.

Gaussian releases are accounted as mu-GDP (Dong, Roth & Su, "Gaussian differential privacy", JRSS-B 2022): a
Gaussian release with noise multiplier s is (1/s)-GDP, and mu's compose as sqrt(sum mu^2). The sum may be
compared with a limit *while* releases are chosen adaptively, without losing anything: Smith & Thakurta, "Fully
adaptive composition for Gaussian differential privacy" (arXiv 2210.17520); Koskela, Tobaben & Honkela,
"Individual privacy accounting with Gaussian differential privacy" (ICLR 2023). (epsilon, delta) follow by the
closed form of Balle & Wang, "Improving the Gaussian mechanism for differential privacy" (ICML 2018), theorem 8.

Pure-epsilon releases add up plainly, deltas too. What is quoted for everything together is

    (eps0 + eps(mu, delta - extras), delta)

by basic composition (Dwork & Roth, "The algorithmic foundations of differential privacy", theorem 3.16),
proven for interleaved, adaptively stopped releases in docs/privacy.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import erfcx, ndtr

from fedcrm.errors import MechanismError
from fedcrm.privacy.gaussian import TOTAL_VARIATION_PER_SAMPLE

__all__ = ["Cost", "gdp_delta", "gdp_epsilon", "gdp_mu"]

# The closed form is good to 4e-12 relative (tested against 80 digits), roots to less; they are moved to the safe
# side by more.
_SAFETY = 1e-11
_LARGEST_EPSILON = 1e4


def gdp_delta(mu: float, epsilon: float) -> float:
    """Smallest delta for which a mu-GDP mechanism is (epsilon, delta)-differentially private.

    Phi(-eps/mu + mu/2) - e^eps Phi(-eps/mu - mu/2), without its cancellation: with a = eps/mu - mu/2 and
    b = eps/mu + mu/2, e^eps * exp(-b^2/2) = exp(-a^2/2), so both terms share one factor.
    mu >= 0, epsilon >= 0. Raises MechanismError on anything else.
    """
    if not (mu >= 0 and epsilon >= 0 and math.isfinite(mu) and math.isfinite(epsilon)):
        raise MechanismError(f"mu and epsilon are finite and not negative (mu={mu}, epsilon={epsilon})")
    if mu == 0 or epsilon / mu > 1e9:
        return 0.0
    a, b = epsilon / mu - mu / 2, epsilon / mu + mu / 2
    if a >= 0:
        gap = float(erfcx(a / math.sqrt(2)) - erfcx(b / math.sqrt(2)))
        return math.exp(-a * a / 2) * max(gap, 0.0) / 2
    return max(float(ndtr(-a)) - math.exp(-a * a / 2) * float(erfcx(b / math.sqrt(2))) / 2, 0.0)


def gdp_epsilon(mu: float, delta: float) -> float:
    """Smallest epsilon for which a mu-GDP mechanism is (epsilon, delta)-DP; never below the truth.

    mu >= 0, 0 < delta < 1. Infinite where it would pass 10,000.
    """
    _check_delta(delta)
    if gdp_delta(mu, 0.0) <= delta:
        return 0.0
    high = 1.0
    while gdp_delta(mu, high) > delta:
        high *= 2
        if high > _LARGEST_EPSILON:
            return math.inf
    root = float(brentq(lambda e: _log_ratio(gdp_delta(mu, e), delta), 0.0, high, xtol=1e-15, rtol=1e-14))
    return _first_safe(root, up=True, safe=lambda e: gdp_delta(mu, e) <= delta)


def gdp_mu(epsilon: float, delta: float) -> float:
    """Largest mu for which a mu-GDP mechanism is (epsilon, delta)-DP; never above the truth.

    epsilon >= 0, 0 < delta < 1.
    """
    _check_delta(delta)
    high = 1.0
    while gdp_delta(high, epsilon) <= delta:
        high *= 2
    root = float(brentq(lambda m: _log_ratio(gdp_delta(m, epsilon), delta), 0.0, high, xtol=1e-18, rtol=1e-14))
    return _first_safe(root, up=False, safe=lambda m: gdp_delta(m, epsilon) <= delta)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an event costs, or a sum of events.

    mu_squared:   of Gaussian releases.
    pure_epsilon: of pure releases.
    delta:        thresholds of unknown domains and residues of floating-point samplers.
    samples:      exact Gaussian samples drawn; their total-variation error goes into delta when it is quoted.
    """

    mu_squared: float = 0.0
    pure_epsilon: float = 0.0
    delta: float = 0.0
    samples: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.mu_squared + other.mu_squared,
            self.pure_epsilon + other.pure_epsilon,
            self.delta + other.delta,
            self.samples + other.samples,
        )

    def epsilon(self, delta: float) -> float:
        """Epsilon quoted at this delta: pure epsilon + eps(mu, delta - extras); infinite where delta is too small.

        The sampler's error, `samples` times TOTAL_VARIATION_PER_SAMPLE, counts (1 + e^epsilon)-fold, at an
        epsilon that is at least the one quoted.
        """
        _check_delta(delta)
        mu, rest = math.sqrt(self.mu_squared), delta - self.delta
        if rest <= 0:
            return math.inf
        first = gdp_epsilon(mu, rest) + self.pure_epsilon + 1.0
        if math.isinf(first):
            return math.inf
        rest -= sampler_delta(self.samples, first)
        quoted = self.pure_epsilon + gdp_epsilon(mu, rest) if rest > 0 else math.inf
        return quoted if quoted <= first else math.inf


def sampler_delta(samples: int, epsilon: float) -> float:
    """What this many exact Gaussian samples add to the delta of an (epsilon, delta)-DP mechanism.

    A mechanism within total variation t of an (epsilon, delta)-DP one is (epsilon, delta + (1 + e^epsilon) t)-DP.
    """
    exponent = math.log2(max(samples, 1)) + math.log2(TOTAL_VARIATION_PER_SAMPLE) + epsilon / math.log(2) + 1
    return 0.0 if samples == 0 else 2.0 ** min(exponent, 0.0)


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise MechanismError(f"delta lies strictly between 0 and 1, not {delta}")


def _log_ratio(value: float, target: float) -> float:
    return math.log(value / target) if value > 0 else -800.0


def _first_safe(root: float, *, up: bool, safe: Callable[[float], bool]) -> float:
    """The root, moved to the side on which the guarantee holds."""
    step = _SAFETY
    while True:
        moved = root * (1 + step) if up else root * (1 - step)
        if safe(moved):
            return moved
        step *= 2
