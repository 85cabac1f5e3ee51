"""The sampler draws exactly the rounded Gaussian; everything here compares with something that is not it."""

from __future__ import annotations

import hashlib
import math
import time
from fractions import Fraction
from itertools import count
from random import Random

import mpmath
import numpy as np
import pytest
from diffprivlib.mechanisms import GaussianDiscrete
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from fedcrm.errors import MechanismError
from fedcrm.privacy import gaussian
from fedcrm.privacy.gaussian import (
    MAX_SCALE,
    TOTAL_VARIATION_PER_SAMPLE,
    rounded_gaussian,
    rounded_gaussian_variance,
)


class Stream:
    """Reproducible bytes: SHA-256 of a counter."""

    def __init__(self, seed: str) -> None:
        self._blocks = (hashlib.sha256(f"{seed}/{i}".encode()).digest() for i in count())
        self._rest = b""

    def __call__(self, n: int) -> bytes:
        blocks = [self._rest]
        have = len(self._rest)
        while have < n:
            blocks.append(next(self._blocks))
            have += 32
        joined = b"".join(blocks)
        self._rest = joined[n:]
        return joined[:n]


class Script:
    """Exactly these 64-bit words, then an error: nothing may ask for more than it was promised."""

    def __init__(self, *words: int) -> None:
        self._bytes = b"".join(word.to_bytes(8, "little") for word in words)

    def __call__(self, n: int) -> bytes:
        taken, self._bytes = self._bytes[:n], self._bytes[n:]
        assert len(taken) == n, "the sampler asked for more bits than the sample needs"
        return taken

    @property
    def left(self) -> int:
        return len(self._bytes) // 8


def magnitude_of(u: Fraction, scale: float) -> int:
    """rint(scale * z) for tail probability u in (0, 1/2), by mpmath alone, at 300 digits."""
    with mpmath.workdps(300):
        z = mpmath.findroot(
            lambda x: mpmath.ncdf(-x) - mpmath.mpf(u.numerator) / u.denominator, -float(ndtri(float(u))), tol=1e-290
        )
        return int(mpmath.nint(mpmath.mpf(scale) * z))


def probabilities(scale: float, edges: np.ndarray) -> np.ndarray:
    """Exact mass of the rounded Gaussian between integer edges, (edges[i], edges[i+1]], ends open."""
    cdf = stats.norm.cdf((edges + 0.5) / scale)
    return np.diff(np.concatenate([[0.0], cdf, [1.0]]))


# --- distribution --------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.0, 4.5, 64.2, 3000.0, 1e6])
def test_samples_follow_the_exact_probabilities(scale):
    drawn = rounded_gaussian(scale, 400_000, Stream(f"chi {scale}"))
    width = max(1, round(scale / 8))
    reach = max(1, round(3.5 * scale / width))
    edges = np.arange(-reach, reach + 1) * width
    expected = probabilities(scale, edges) * drawn.size
    observed = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    keep = expected > 5
    statistic = ((observed[keep] - expected[keep]) ** 2 / expected[keep]).sum()
    assert stats.chi2.sf(statistic, keep.sum() - 1) > 1e-4


def test_the_tail_is_there_and_no_heavier_than_it_should_be():
    drawn = np.abs(rounded_gaussian(10.0, 1_500_000, Stream("tail")))
    for sigmas in (3, 4, 4.5):
        expected = drawn.size * 2 * stats.norm.sf((math.ceil(10 * sigmas) - 0.5) / 10)
        observed = int((drawn >= math.ceil(10 * sigmas)).sum())
        assert abs(observed - expected) < 5 * math.sqrt(expected)


def test_signs_are_fair_and_independent_of_magnitudes():
    drawn = rounded_gaussian(5.0, 500_000, Stream("signs"))
    other = drawn[drawn != 0]
    assert abs((other > 0).mean() - 0.5) < 4 * 0.5 / math.sqrt(other.size)
    assert abs(np.corrcoef(other > 0, np.abs(other))[0, 1]) < 4 / math.sqrt(other.size)


def test_neighbouring_samples_are_uncorrelated():
    drawn = rounded_gaussian(50.0, 400_000, Stream("lags")).astype(float)
    for lag in (1, 2, 3, 8):
        assert abs(np.corrcoef(drawn[:-lag], drawn[lag:])[0, 1]) < 5 / math.sqrt(drawn.size)


def test_each_coordinate_has_its_own_scale():
    scale = np.repeat([0.0, 0.5, 20.0, 4000.0], 100_000)
    drawn = rounded_gaussian(scale, scale.size, Stream("scales")).reshape(4, -1)
    assert not drawn[0].any()
    for row, s in zip(drawn[1:], (0.5, 20.0, 4000.0), strict=True):
        variance = float(rounded_gaussian_variance(s))
        assert row.var() == pytest.approx(variance, rel=0.03)
        assert abs(row.mean()) < 5 * math.sqrt(variance / row.size)


def test_moments_agree_with_diffprivlibs_discrete_gaussian():
    mechanism = GaussianDiscrete(epsilon=1.0, delta=1e-5, sensitivity=64, random_state=7)
    scale = float(mechanism._scale)
    theirs = np.array([mechanism.randomise(0) for _ in range(2_500)], dtype=float)
    ours = rounded_gaussian(scale, 200_000, Stream("diffprivlib")).astype(float)
    assert abs(theirs.mean() - ours.mean()) < 5 * scale / math.sqrt(theirs.size)
    assert theirs.std() == pytest.approx(ours.std(), rel=5 / math.sqrt(2 * theirs.size))
    assert stats.ks_2samp(theirs, ours).pvalue > 1e-4


def discrete_gaussian_reference(variance: Fraction, chance: Random) -> int:
    """Canonne, Kamath & Steinke, "The discrete Gaussian for differential privacy" (NeurIPS 2020), algorithms 1-3.

    Rational arithmetic throughout; the reference that no float touches.
    """

    def bernoulli(p: Fraction) -> bool:
        return chance.randrange(p.denominator) < p.numerator

    def bernoulli_exp(gamma: Fraction) -> bool:  # algorithm 1
        while gamma > 1:
            if not bernoulli_exp(Fraction(1)):
                return False
            gamma -= 1
        k = 1
        while bernoulli(gamma / k):
            k += 1
        return k % 2 == 1

    def laplace(t: int) -> int:  # algorithm 2, s = 1
        while True:
            u = chance.randrange(t)
            if not bernoulli_exp(Fraction(u, t)):
                continue
            v = 0
            while bernoulli_exp(Fraction(1)):
                v += 1
            value = u + t * v
            negative = bernoulli(Fraction(1, 2))
            if not (negative and value == 0):
                return -value if negative else value

    t = math.isqrt(math.floor(variance)) + 1
    while True:  # algorithm 3
        y = laplace(t)
        if bernoulli_exp((abs(y) - variance / t) ** 2 / (2 * variance)):
            return y


def test_the_exact_discrete_gaussian_is_the_same_up_to_what_rounding_changes():
    # The two differ: rounding adds 1/12 to the variance. At scale 12 their total variation is about 2e-4.
    chance = Random(5)
    theirs = np.array([discrete_gaussian_reference(Fraction(144), chance) for _ in range(6_000)])
    ours = rounded_gaussian(12.0, 200_000, Stream("cks"))
    assert stats.ks_2samp(theirs, ours).pvalue > 1e-4
    assert theirs.var() == pytest.approx(144, rel=5 * math.sqrt(2 / theirs.size))


# --- the slow path -------------------------------------------------------------------------------


def test_a_float_never_decides_what_it_could_get_wrong():
    # Cells right beside a rounding boundary, thousands of them: each is either left to the slow path or right.
    chance = Random(11)
    for _ in range(300):
        scale = math.exp(chance.uniform(math.log(0.3), math.log(1e6)))
        n = chance.randrange(max(1, int(3 * scale)))
        with mpmath.workdps(60):
            boundary = int(mpmath.floor(mpmath.ldexp(mpmath.ncdf(-(n + mpmath.mpf(1) / 2) / scale), 64)))
        near = [boundary + d for d in (-(2**14), -200, -1, 0, 1, 200, 2**14)]
        cells = np.array([c for c in near if 0 < c < 2**63], dtype=np.uint64)
        magnitudes, settled = gaussian._by_float(cells, np.full(cells.size, scale))
        for cell, magnitude, sure in zip(cells.tolist(), magnitudes.tolist(), settled.tolist(), strict=True):
            # The boundary is the upper end of magnitude n + 1 in u.
            assert not sure or magnitude == (n + 1 if cell < boundary else n)
            assert not (sure and cell == boundary)


@pytest.mark.parametrize(("scale", "n"), [(0.3, 0), (1.0, 1), (12.5, 20), (3000.0, 4097), (1e6, 123_456)])
def test_a_sample_on_a_boundary_takes_the_bits_it_needs_and_no_more(scale, n):
    with mpmath.workdps(120):
        boundary = mpmath.ncdf(-(n + mpmath.mpf(1) / 2) / mpmath.mpf(scale))
        digits = int(mpmath.floor(mpmath.ldexp(boundary, 192)))
    first, second, third = digits >> 128, (digits >> 64) & (2**64 - 1), digits & (2**64 - 1)
    for away, expected in ((-5, n + 1), (5, n)):
        source = Script(first, second, (third + away * 2**40) % 2**64)
        assert rounded_gaussian(scale, 1, source)[0] == expected
        assert source.left == 0
    # The same first cell, far from the boundary in the second word: one further word settles it.
    source = Script(first, 1 if second > 2**32 else 2**64 - 2)
    assert abs(int(rounded_gaussian(scale, 1, source)[0]) - n) <= 1


def test_the_slow_path_agrees_with_mpmath_everywhere():
    chance = Random(3)
    for _ in range(150):
        scale = math.exp(chance.uniform(math.log(0.3), math.log(1e6)))
        cell = chance.getrandbits(chance.choice([8, 24, 40, 62, 63])) | 1
        tail = chance.getrandbits(64)
        more = iter([tail, *(chance.getrandbits(64) for _ in range(6))])
        got = gaussian._by_arbitrary_precision(cell, scale, lambda n, more=more: next(more).to_bytes(8, "little"))
        exact = magnitude_of(Fraction(2 * ((cell << 64) + tail) + 1, 2**129), scale)
        assert got == exact


def test_fast_and_slow_path_give_the_same_integers():
    words = np.frombuffer(Stream("both")(8 * 3000), dtype="<u8") & np.uint64(2**63 - 1)
    for scale in (0.4, 33.0, 5e4):
        magnitudes, settled = gaussian._by_float(words, np.full(words.size, scale))
        for cell, magnitude in zip(words[settled][:400].tolist(), magnitudes[settled][:400].tolist(), strict=True):
            assert gaussian._by_arbitrary_precision(cell, scale, Script()) == magnitude


@pytest.mark.parametrize("byte", [b"\x00", b"\xff", b"\x7f", b"\x80"])
def test_a_source_that_is_stuck_still_ends(byte):
    drawn = rounded_gaussian(3.0, 4, lambda n: byte * n)
    assert np.abs(drawn).max() <= 27 * 3


def test_the_float_error_is_a_hundredth_of_the_margin():
    chance = Random(1)
    worst = 0.0
    for i in range(800):
        u = chance.getrandbits(63) / 2**64 if i % 2 else 2.0 ** -chance.uniform(1, 40)
        with mpmath.workdps(60):
            z = -mpmath.sqrt(2) * mpmath.erfinv(2 * mpmath.mpf(u) - 1)
            worst = max(worst, float(abs(-mpmath.mpf(float(ndtri(u))) - z) / (1 + abs(z))))
    assert worst < gaussian._MARGIN / 100


def test_the_cell_bound_holds_from_the_tail_to_the_middle():
    for m in (2**24, 2**30, 2**45, 2**62, 2**63 - 1):
        with mpmath.workdps(60):
            low, high = (-mpmath.sqrt(2) * mpmath.erfinv(mpmath.ldexp(c, -63) - 1) for c in (m + 1, m))
            assert high - low < gaussian._CELL / 2 / m


def test_the_stated_error_covers_the_cells_that_512_bits_leave_undecided():
    boundaries = 27 * MAX_SCALE + 2
    assert boundaries * 2.0 ** (1 - gaussian._MAX_BITS) < TOTAL_VARIATION_PER_SAMPLE
    with mpmath.workdps(200):
        assert mpmath.ncdf(-27) < mpmath.ldexp(1, -gaussian._MAX_BITS)


# --- edges ---------------------------------------------------------------------------------------


def test_no_data_means_no_noise():
    assert not rounded_gaussian(0.0, 1000).any()
    assert rounded_gaussian(5.0, 0).shape == (0,)


def test_the_result_has_the_shape_and_type_asked_for():
    drawn = rounded_gaussian(np.array([1.0, 2.0]), (3, 2))
    assert drawn.shape == (3, 2)
    assert drawn.dtype == np.int64


@pytest.mark.parametrize("scale", [-1.0, math.nan, math.inf, MAX_SCALE * 2])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(MechanismError):
        rounded_gaussian(scale, 3)


def test_a_source_that_runs_dry_is_refused():
    with pytest.raises(MechanismError):
        rounded_gaussian(1.0, 3, lambda n: b"\x01" * (n - 1))


def test_the_same_bytes_give_the_same_noise():
    assert np.array_equal(rounded_gaussian(9.0, 500, Stream("a")), rounded_gaussian(9.0, 500, Stream("a")))
    assert not np.array_equal(rounded_gaussian(9.0, 500, Stream("a")), rounded_gaussian(9.0, 500, Stream("b")))


@given(st.floats(0.05, 100))
def test_the_variance_is_that_of_the_exact_probabilities(scale):
    k = np.arange(-int(12 * scale) - 3, int(12 * scale) + 4)
    mass = stats.norm.cdf((k + 0.5) / scale) - stats.norm.cdf((k - 0.5) / scale)
    assert float(rounded_gaussian_variance(scale)) == pytest.approx(float((mass * k**2).sum()), rel=1e-6, abs=1e-12)


def test_variance_of_zero_scale_is_zero():
    assert rounded_gaussian_variance(np.array([0.0, 2.0])).tolist() == [0.0, 4 + 1 / 12]


def test_fifty_thousand_samples_take_less_than_a_fifth_of_a_second():
    rounded_gaussian(1000.0, 100)  # imports and caches
    best = math.inf
    for _ in range(5):
        begun = time.process_time()
        rounded_gaussian(1e4, 50_000)
        best = min(best, time.process_time() - begun)
    assert best < 0.2
