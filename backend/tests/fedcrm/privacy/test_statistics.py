from __future__ import annotations

import json
import math

import mpmath
import numpy as np
import pytest
from diffprivlib.mechanisms import Geometric
from scipy import stats

from fedcrm.errors import MechanismError
from fedcrm.privacy import statistics
from fedcrm.privacy.statistics import (
    Calibration,
    CalibrationRecords,
    Estimate,
    calibrate,
    calibration_event,
    counts_event,
    enough_examples,
    noisy_counts,
)


def records(n: int, seed: int = 0) -> CalibrationRecords:
    rng = np.random.default_rng(seed)
    return CalibrationRecords(
        positive=rng.random(n) < 0.3,
        filled=rng.beta(9, 1, n),
        recency=(rng.random(n) < 0.6).astype(float),
        definitive=rng.random(n) < 0.95,
    )


class Bytes:
    def __init__(self, seed: int) -> None:
        self._rng, self.asked = np.random.default_rng(seed), 0

    def __call__(self, n: int) -> bytes:
        self.asked += n
        return self._rng.bytes(n)


def test_a_large_participant_reads_as_what_it_is():
    truth = records(50_000)
    got = calibrate(truth, 0.32, random_bytes=Bytes(1))
    for estimate, exact in (
        (got.positives, truth.positive.sum()),
        (got.negatives, (~truth.positive).sum()),
        (got.rows, 50_000),
        (got.completeness, truth.filled.mean()),
        (got.recency, truth.recency.mean()),
        (got.label_reliability, truth.definitive.mean()),
    ):
        assert abs(estimate.value - exact) < 5 * estimate.standard_error + 0.002 * exact


def test_standard_errors_say_how_far_estimates_are_off():
    truth, runs = records(2_000), 300
    off = {"positives": [], "recency": [], "label_reliability": []}
    for i in range(runs):
        got = calibrate(truth, 0.32, random_bytes=Bytes(i))
        for name, exact in (
            ("positives", truth.positive.sum()),
            ("recency", truth.recency.mean()),
            ("label_reliability", truth.definitive.mean()),
        ):
            estimate = getattr(got, name)
            off[name].append((estimate.value - exact) / estimate.standard_error)
    for errors in off.values():
        assert 0.7 < np.sqrt(np.mean(np.square(errors))) < 1.3


def test_a_tiny_participant_under_a_strict_budget_reads_as_ordinary_and_not_as_noise():
    got = [calibrate(records(30), 0.004, random_bytes=Bytes(i)) for i in range(50)]
    for one in got:
        assert one.positives.value >= 0
        assert one.negatives.value >= 0
        # Within one deviation of what is thought of anybody.
        assert abs(one.completeness.value - 0.85) < 0.15
        assert abs(one.recency.value - 0.8) < 0.2
        assert abs(one.label_reliability.value - 0.9) < 0.15


@pytest.mark.parametrize("n", [0, 1])
def test_a_participant_with_hardly_any_records_gets_numbers_all_the_same(n):
    got = calibrate(records(n), 0.3)
    assert all(math.isfinite(v) for e in got.to_json().values() for v in e.values())


def test_noise_comes_from_the_byte_source_alone():
    source = Bytes(3)
    first = calibrate(records(100), 0.3, random_bytes=source)
    assert source.asked == 6 * 8
    assert calibrate(records(100), 0.3, random_bytes=Bytes(3)) == first
    assert calibrate(records(100), 0.3, random_bytes=Bytes(4)) != first


def test_one_record_changes_the_sums_by_no_more_than_their_sensitivity(monkeypatch):
    """Adding any record, however extreme, and any k of them for a unit of k."""
    seen: list[tuple[list[int], float, int]] = []

    def spy(counts, epsilon, *, sensitivity, random_bytes):
        seen.append((list(counts), epsilon, sensitivity))
        return [Estimate(float(c), 1.0) for c in counts]

    monkeypatch.setattr(statistics, "noisy_counts", spy)
    base = records(20)
    for k in (1, 3):
        for positive in (True, False):
            for definitive in (True, False):
                for filled in (0.0, 0.31, 0.5, 1.0):
                    more = CalibrationRecords(
                        np.append(base.positive, [positive] * k),
                        np.append(base.filled, [filled] * k),
                        np.append(base.recency, [1 - filled] * k),
                        np.append(base.definitive, [definitive] * k),
                    )
                    seen.clear()
                    calibrate(base, 1.0, unit_rows=k)
                    calibrate(more, 1.0, unit_rows=k)
                    for (before, _, sensitivity), (after, _, _) in zip(seen[:3], seen[3:], strict=True):
                        assert np.abs(np.subtract(after, before)).sum() <= sensitivity
                    assert math.fsum(epsilon for _, epsilon, _ in seen[:3]) == pytest.approx(1.0)


def test_the_event_charges_the_whole_epsilon_and_a_delta_too_small_to_notice():
    event = calibration_event(0.32)
    assert event.cost.pure_epsilon == 0.32
    assert 0 < event.cost.delta < 1e-9
    # The reserve of delta for this purpose (TrainingBudget) is 1e-7.
    assert calibration_event(0.004, unit_rows=10).cost.delta < 1e-7


@pytest.mark.parametrize(("epsilon", "sensitivity"), [(0.5, 1), (0.16, 1), (1.5, 2), (0.3, 4)])
def test_diffprivlibs_sampler_is_off_by_less_than_is_charged(epsilon, sensitivity):
    """Its exact distribution, by bisection over the 2^52 numbers `random` can return, against the geometric one."""

    class Fixed(statistics._OsRandom):
        def __init__(self, index: int) -> None:
            super().__init__(lambda n: b"")
            self._index = index

        def random(self) -> float:
            return (2 * self._index + 1) / 2.0**53

    mechanism = Geometric(epsilon=epsilon, sensitivity=sensitivity, random_state=Fixed(0))

    def noise(index: int) -> int:
        mechanism._rng = Fixed(index)
        return mechanism.randomise(0)

    half, full = 2**51, 2**52
    largest = noise(half)
    # Above 1/2 the noise falls from `largest` to 0 as the index grows; below it is the mirror image.
    edges = [half]
    for k in range(largest, 0, -1):
        low, high = edges[-1], full
        while low < high:  # first index whose noise is below k
            middle = (low + high) // 2
            if noise(middle) >= k:
                low = middle + 1
            else:
                high = middle
        edges.append(low)
    counts = np.diff([*edges, full])  # of largest, largest - 1, ..., 0
    with mpmath.workdps(40):
        s = mpmath.mpf(epsilon) / sensitivity
        decay = mpmath.exp(-s)
        norm = (1 - decay) / (1 + decay)
        exact = [norm * decay**k * (mpmath.mpf(1) / 2 if k == 0 else 1) for k in range(largest, -1, -1)]
        off = sum(abs(mpmath.mpf(int(c)) / full - p) for c, p in zip(counts, exact, strict=True))
        beyond = norm * decay ** (largest + 1) / (1 - decay)
        variation = float(off + beyond)  # half the sum of both sides is one side's
    charged = counts_event(epsilon, 1, "x", sensitivity=sensitivity).delta / (1 + math.exp(epsilon))
    assert variation < charged
    assert charged < 2000 * variation  # and not absurdly generous
    assert noise(half - 1) == -largest


def test_counts_follow_the_exact_geometric_distribution():
    epsilon, runs = 0.7, 20_000
    drawn = [int(e.value) for e in noisy_counts([100] * runs, epsilon, random_bytes=Bytes(9))]
    decay = math.exp(-epsilon)
    k = np.arange(-8, 9)
    expected = (1 - decay) / (1 + decay) * decay ** np.abs(k) * runs
    observed = np.array([np.sum(np.array(drawn) - 100 == i) for i in k])
    assert stats.chi2.sf(((observed - expected) ** 2 / expected).sum(), len(k)) > 1e-4


def test_the_standard_error_of_a_count_is_the_mechanisms():
    for epsilon, sensitivity in ((0.5, 1), (0.02, 3)):
        theirs = Geometric(epsilon=epsilon, sensitivity=sensitivity).variance(0)
        ours = noisy_counts([0], epsilon, sensitivity=sensitivity)[0].standard_error
        assert ours == pytest.approx(math.sqrt(theirs), rel=1e-6)


@pytest.mark.parametrize("word", [0, 2**64 - 1, 2**63, 2**63 - 1])
def test_no_bytes_make_the_mechanism_fail(word):
    # diffprivlib takes the logarithm of |u - 1/2|: u = 1/2 exactly would be the logarithm of zero.
    for epsilon in (1e-4, 0.3, 5.0):
        got = noisy_counts([7], epsilon, random_bytes=lambda n: word.to_bytes(8, "little"))
        assert math.isfinite(got[0].value)


def test_fifty_examples_are_enough_by_the_noisy_count():
    assert enough_examples(Estimate(50.0, 9.0))
    assert not enough_examples(Estimate(49.0, 9.0))
    assert enough_examples(Estimate(10.0, 1.0), minimum=10)


@pytest.mark.parametrize("bad", [-0.01, 1.01, math.nan, math.inf])
def test_a_record_out_of_range_is_refused_since_its_sensitivity_is_unknown(bad):
    good = records(3)
    for name in ("filled", "recency"):
        columns = {n: getattr(good, n) for n in ("positive", "filled", "recency", "definitive")}
        columns[name] = np.array([0.5, bad, 0.5])
        with pytest.raises(MechanismError):
            CalibrationRecords(**columns)


def test_columns_of_different_lengths_are_refused():
    good = records(3)
    with pytest.raises(MechanismError):
        CalibrationRecords(good.positive, good.filled[:2], good.recency, good.definitive)


def test_a_calibration_survives_json():
    got = calibrate(records(100), 0.3)
    assert Calibration.from_json(json.loads(json.dumps(got.to_json()))) == got
    with pytest.raises(MechanismError):
        Calibration.from_json({"positives": {"value": 1.0}})
