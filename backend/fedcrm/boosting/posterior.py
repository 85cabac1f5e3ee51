"""Empirical-Bayes denoising of one structure's table.

Model of a table with cells c: u_c ~ N(H_c theta_c, v_c + k H_c) and theta ~ N(0, a K), where u = H theta - G is
the Newton target from the noisy sums, v the privacy noise's variance, k H the gradients' own spread, K one of
several correlation matrices over cells and a an amplitude. Kernel and amplitude are those of largest evidence
(a = 0 among them, where nothing speaks for the table); the answer is the posterior mean with its variance.

One eigendecomposition a kernel makes all amplitudes cheap: with D = v + k H and S = D^-1/2 H K H D^-1/2 =
Q L Q', the covariance of D^-1/2 u is I + a S. Rasmussen & Williams, Gaussian Processes for Machine Learning,
chapters 2 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["AMPLITUDES", "Kernel", "Posterior", "denoise", "product_kernel", "smooth", "smooth_kernel"]

Kernel = NDArray[np.float64] | None
"""Correlation between cells, (cells, cells); None is the identity: any two cells are exchangeable strangers."""

AMPLITUDES: NDArray[np.float64] = np.geomspace(1e-4, 3.0, 14)
"""Prior variances of a table's log-odds that are tried: from no visible effect to a factor of five in odds."""

COARSE = 128  # stretches of cells whose masses are smoothed together

_JITTER = 0.02  # every cell may also differ on its own a little


@dataclass(frozen=True, slots=True)
class Posterior:
    """A table's answer: mean and variance per cell, and the evidence gained over an empty table (nats)."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    gain: float


@lru_cache(maxsize=256)
def _rbf(count: int, length: float) -> NDArray[np.float64]:
    at = np.arange(count)
    near: NDArray[np.float64] = np.exp(-0.5 * ((at[:, None] - at[None, :]) / length) ** 2)
    return near


def smooth_kernel(count: int, length: float) -> NDArray[np.float64]:
    """Neighbouring bins alike over `length` bins; the missing bin, number `count`, stands alone. (count + 1, ) * 2."""
    K = np.eye(count + 1)
    K[:count, :count] = _rbf(count, length) + _JITTER * np.eye(count)
    return K


def product_kernel(axes: Sequence[tuple[int, bool, bool]], length: float) -> NDArray[np.float64]:
    """Kernel over a grid: neighbours alike along ordered axes.

    axes: per axis (cells, ordered, whether its last cell is "missing" and stands alone).
    """
    K: NDArray[np.float64] = np.ones((1, 1))
    for cells, ordered, missing in axes:
        axis = np.eye(cells)
        plain = cells - 1 if missing else cells
        if ordered:
            axis[:plain, :plain] = _rbf(plain, length)
        K = np.asarray(np.kron(K, axis), dtype=np.float64)
    return K + _JITTER * np.eye(len(K))


def denoise(
    u: NDArray[np.float64],
    H: NDArray[np.float64],
    noise: NDArray[np.float64],
    kernels: Sequence[Kernel],
    spread: float = 1.0,
    amplitudes: NDArray[np.float64] = AMPLITUDES,
) -> Posterior:
    """Posterior of the kernel and amplitude with the largest evidence.

    u, H, noise: (cells,); H > 0; noise is u's privacy-noise variance, >= 0. spread: k above, > 0.
    """
    D = noise + spread * H
    root = np.sqrt(D)
    r = u / root
    empty = -0.5 * float(r @ r)
    best = (empty, -1, 0.0)
    parts: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]] = []
    for number, K in enumerate(kernels):
        if K is None:
            values, vectors, z = H * H / D, None, r
        else:
            s = H / root
            values, vectors = np.linalg.eigh(s[:, None] * K * s[None, :])
            values, z = np.maximum(values, 0.0), vectors.T @ r
        parts.append((values, z, vectors))
        shrink = 1.0 + amplitudes[:, None] * values[None, :]
        evidence = -0.5 * np.sum(z * z / shrink + np.log(shrink), axis=1)
        top = int(np.argmax(evidence))
        if evidence[top] > best[0]:
            best = (float(evidence[top]), number, float(amplitudes[top]))
    evidence_best, number, a = best
    if number < 0:
        zero = np.zeros_like(u)
        return Posterior(zero, zero.copy(), 0.0)
    values, z, vectors = parts[number]
    K = kernels[number]
    if K is None or vectors is None:
        mean = a * H / root * z / (1.0 + a * values)
        variance = a / (1.0 + a * values)
    else:
        B = (K * (H / root)[None, :]) @ vectors
        mean = a * (B @ (z / (1.0 + a * values)))
        variance = np.maximum(a * np.diag(K) - a * a * ((B * B) @ (1.0 / (1.0 + a * values))), 0.0)
    return Posterior(mean, variance, evidence_best - empty)


def smooth(counts: NDArray[np.float64], variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cell masses from noisy counts, never negative: flat where nothing speaks against it, as counted without noise.

    Two levels, so that the cost stays linear in the cells: masses of up to COARSE stretches of cells, smooth or
    spiky as evidence has it, then each cell against its stretch's mean.
    """
    if not np.any(variance > 0):
        return np.maximum(counts, 0.0)
    starts = np.unique(np.linspace(0, len(counts), min(COARSE, len(counts)) + 1).astype(int)[:-1])
    width = np.diff(np.append(starts, len(counts)))
    kernels: list[Kernel] = [None, *(_rbf(len(starts), len(starts) / d) for d in (64.0, 12.0))]
    coarse = _deviations(np.add.reduceat(counts, starts), np.add.reduceat(variance, starts), width, kernels)
    level = np.repeat(coarse / width, width)
    if len(starts) == len(counts):
        return level
    return _deviations(counts, variance, np.maximum(level, 1e-3), [None])


def _deviations(
    counts: NDArray[np.float64], variance: NDArray[np.float64], shape: NDArray[np.float64], kernels: Sequence[Kernel]
) -> NDArray[np.float64]:
    """Counts shrunk towards a mass in proportion to `shape`, relative deviations having one of the kernels."""
    expected = shape * max(float(counts.sum()), 1e-3) / float(shape.sum())
    matrices = [None if K is None else K + _JITTER * np.eye(len(K)) for K in kernels]
    found = denoise(
        counts - expected, expected, np.maximum(variance, 1e-9), matrices, amplitudes=np.geomspace(0.03, 1000.0, 12)
    )
    return np.maximum(expected * (1.0 + found.mean), 0.0)
