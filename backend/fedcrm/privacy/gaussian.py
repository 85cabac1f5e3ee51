"""Exactly sampled rounded Gaussian noise.

Adding rint(scale * Z) to an integer is rounding integer + N(0, scale^2): post-processing of the Gaussian
mechanism, so its privacy is the Gaussian mechanism's own, provided that the sampler draws exactly this
distribution. Floating-point samplers do not (Mironov, "On significance of the least significant bits for
differential privacy", CCS 2012), so here a float decides only where it cannot be wrong.

The method inverts the distribution function lazily. One bit is the sign; 63 more say in which cell
[m, m + 1] / 2^64 the tail probability u of |Z| lies. Where every u of that cell, widened by far more than
the float's error, gives the same integer, that integer is the sample. The rare others are settled in
arbitrary precision with as many further bits as it takes. We stop at 512 bits, which is the only error.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, ndtri_exp

from fedcrm.errors import MechanismError

__all__ = ["MAX_SCALE", "TOTAL_VARIATION_PER_SAMPLE", "RandomBytes", "rounded_gaussian", "rounded_gaussian_variance"]

RandomBytes = Callable[[int], bytes]
"""Cryptographic bytes: n -> n of them. `os.urandom` everywhere but in tests."""

MAX_SCALE = 2.0**31
"""Largest standard deviation: beyond it the float path would hardly ever decide."""

TOTAL_VARIATION_PER_SAMPLE = 2.0**-450
"""Bound on the total-variation distance of one sample from the exact distribution.

A sample differs only if 512 bits did not settle it, that is if u fell into one of the 2^511 cells that
contain a rounding boundary. Cells above u = 2^-512 with a boundary number at most 27 * scale + 1 < 2^36
(|Z| < 27 there); the last cell adds one. (2^36 + 1) * 2^-511 < 2^-450.
"""

# ndtri in float64 errs by less than 1e-14 * (1 + |z|) (tested against mpmath); the margin is a hundred times that.
_MARGIN = 1e-12
# A cell is at most (1 / 0.797) / m wide in z: the density at z is at least 0.797 times its tail probability, for
# every z >= 0. Twice that covers the conversion of m to a float as well.
_CELL = 2.6
# Below this the cell is too wide for the bound to be of use: one sample in 2^39.
_SMALLEST_CELL = 2**24
_CELL_BITS = 64
_MAX_BITS = 512


def rounded_gaussian(
    scale: ArrayLike, size: int | tuple[int, ...], random_bytes: RandomBytes = os.urandom
) -> NDArray[np.int64]:
    """Draw rint(scale * Z) with Z standard normal, independently for each coordinate.

    scale: standard deviation before rounding, float64, broadcast to `size`; in [0, MAX_SCALE]. Where it is 0
        the sample is 0: no data, no noise.
    size:  shape of the result.

    Returns int64 of that shape. Raises MechanismError on a scale outside the range (or not a number), and on a
    byte source that gives too little.
    """
    spread = np.broadcast_to(np.asarray(scale, dtype=np.float64), size)
    if not bool(np.all((spread >= 0) & (spread <= MAX_SCALE))):
        raise MechanismError(f"a noise scale must lie between 0 and {MAX_SCALE:.0f}")
    flat = spread.ravel()
    words = np.frombuffer(_take(random_bytes, 8 * flat.size), dtype="<u8")
    negative = (words >> np.uint64(63)).astype(np.bool_)
    cells = words & np.uint64(2**63 - 1)
    magnitudes, settled = _by_float(cells, flat)
    for i in np.flatnonzero(~settled):
        magnitudes[i] = _by_arbitrary_precision(int(cells[i]), float(flat[i]), random_bytes)
    return np.where(negative, -magnitudes, magnitudes).reshape(spread.shape)


def rounded_gaussian_variance(scale: ArrayLike) -> NDArray[np.float64]:
    """Variance of what `rounded_gaussian` draws, same shape as scale.

    scale^2 + 1/12 (Sheppard) from scale 1 on, where the next term is below 1e-7; the sum over the exact
    probabilities below; 0 at 0.
    """
    spread = np.asarray(scale, dtype=np.float64)
    variance = np.where(spread > 0, spread**2 + 1 / 12, 0.0)
    small = (spread > 0) & (spread < 1)
    if small.any():
        # Var = sum over k >= 1 of 2 (2k - 1) P(X >= k); P(X >= k) is the tail at (k - 1/2) / scale.
        k = np.arange(1, 12, dtype=np.float64)
        erfc = np.vectorize(math.erfc)
        tails = erfc((k - 0.5) / (spread[small][..., None] * math.sqrt(2))) / 2
        variance[small] = (2 * (2 * k - 1) * tails).sum(axis=-1)
    return variance


def _take(random_bytes: RandomBytes, count: int) -> bytes:
    drawn = random_bytes(count)
    if len(drawn) != count:
        raise MechanismError(f"the random source gave {len(drawn)} bytes of {count}")
    return drawn


def _by_float(cells: NDArray[np.uint64], scale: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Magnitude by float64 inversion, and where it is certain."""
    m = np.maximum(cells, np.uint64(1)).astype(np.float64)
    # min: the top cells round up to 2^63, u = 1/2, and that is where z = 0 belongs.
    z = -ndtri(np.minimum(m / 2.0**64, 0.5))
    value = scale * z
    margin = scale * (_MARGIN * (1 + z) + _CELL / m)
    # A magnitude a hair below zero is the same integer, 0.
    low, high = np.maximum(np.rint(value - margin), 0), np.rint(value + margin)
    settled = (low == high) & (cells >= _SMALLEST_CELL) | (scale == 0)
    return np.where(scale == 0, 0, high).astype(np.int64), settled


def _by_arbitrary_precision(cell: int, scale: float, random_bytes: RandomBytes) -> int:
    """Magnitude of a sample whose cell [cell, cell + 1] / 2^64 needs more bits than a float has."""
    bits = _CELL_BITS
    while True:
        # The candidate need not be right: each is checked against exact boundaries.
        near = round(scale * -float(ndtri_exp(math.log(cell + 0.5) - bits * math.log(2))))
        for candidate in (near, near - 1, near + 1):
            if candidate >= 0 and _contains(candidate, cell, bits, scale):
                return candidate
        if bits >= _MAX_BITS:
            return near
        cell = (cell << 64) | int.from_bytes(_take(random_bytes, 8), "little")
        bits += 64


def _contains(magnitude: int, cell: int, bits: int, scale: float) -> bool:
    """Whether every u of [cell, cell + 1] / 2^bits rounds to this magnitude, with certainty.

    That is, Q((magnitude + 1/2) / scale) < u < Q((magnitude - 1/2) / scale), Q the normal's upper tail. Worked
    with 64 bits beyond the cell's, and the tails are moved inwards by 32 bits below the cell: mpmath's error is
    a few units of its own last place.
    """
    with mpmath.workprec(bits + 64):
        spread = mpmath.mpf(scale)
        slack = mpmath.ldexp(1, -bits - 32)
        half = mpmath.mpf(1) / 2
        least = mpmath.ncdf(-(magnitude + half) / spread) + slack
        low, high = mpmath.ldexp(cell, -bits), mpmath.ldexp(cell + 1, -bits)
        if low < least:
            return False
        return magnitude == 0 or bool(high < mpmath.ncdf(-(magnitude - half) / spread) - slack)
