import numpy as np
import pytest

from fedcrm.boosting.posterior import denoise, product_kernel, smooth, smooth_kernel


def direct(u, H, noise, K, a):
    """Textbook Gaussian conditioning by one big inverse."""
    M = np.diag(H)
    C = a * M @ K @ M + np.diag(noise + H)
    gain = a * K @ M @ np.linalg.inv(C)
    evidence = -0.5 * u @ np.linalg.solve(C, u) - 0.5 * np.linalg.slogdet(C)[1]
    return gain @ u, np.diag(a * K - gain @ M @ K * a), evidence


@pytest.mark.parametrize("K", [None, smooth_kernel(8, 2.0), product_kernel([(3, True, True), (3, False, False)], 0.8)])
def test_mean_variance_and_evidence_are_those_of_direct_conditioning(K):
    rng = np.random.default_rng(5)
    H, noise = rng.uniform(1, 50, 9), rng.uniform(0, 20, 9)
    u = H * rng.normal(size=9) * 0.5 + rng.normal(size=9) * np.sqrt(noise + H)
    matrix = np.eye(9) if K is None else K
    mean, variance, evidence = direct(u, H, noise, matrix, 0.1)
    found = denoise(u, H, noise, [K], amplitudes=np.array([0.1]))
    D = noise + H
    empty = -0.5 * u @ (u / D) - 0.5 * np.sum(np.log(D))
    np.testing.assert_allclose(found.mean, mean, atol=1e-9)
    np.testing.assert_allclose(found.variance, variance, atol=1e-9)
    assert found.gain == pytest.approx(evidence - empty)


def test_pure_noise_seldom_passes_for_evidence():
    rng = np.random.default_rng(6)
    H, noise = np.full(17, 30.0), np.full(17, 400.0)
    kernels = [None, smooth_kernel(16, 2.0), smooth_kernel(16, 6.0)]
    gains = [denoise(rng.normal(size=17) * np.sqrt(noise + H), H, noise, kernels).gain for _ in range(200)]
    assert np.mean(np.array(gains) < 2.0) > 0.9


def test_the_posterior_beats_the_raw_estimate_when_noise_is_large():
    rng = np.random.default_rng(7)
    theta = np.sin(np.arange(17) / 3)
    H, noise = np.full(17, 40.0), np.full(17, 900.0)
    raw, mine = 0.0, 0.0
    for _ in range(50):
        u = H * theta + rng.normal(size=17) * np.sqrt(noise + H)
        raw += np.sum((u / H - theta) ** 2)
        mine += np.sum((denoise(u, H, noise, [None, smooth_kernel(16, 2.0)]).mean - theta) ** 2)
    assert mine < raw / 2


def test_masses_fall_back_to_a_flat_density_when_noise_drowns_them_and_are_exact_without_noise():
    counts = np.array([50.0, 0.0, 10.0, -1.0] * 8)
    np.testing.assert_array_equal(smooth(counts, np.zeros(32)), np.maximum(counts, 0))
    rng = np.random.default_rng(8)
    drowned = smooth(10 + rng.normal(size=64) * 1000, np.full(64, 1e6))
    assert drowned.std() < 0.2 * max(drowned.mean(), 1.0)
