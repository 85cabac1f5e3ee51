"""Masks cancel in the sum over the whole manifest, and nowhere else."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from fedcrm.secagg.masks import mask, pair_key

DEGREE, BITS = 256, 59
TOP = np.uint64((1 << BITS) - 1)


def all_masks(points, manifest=b"manifest"):
    keys = {
        (i, j): pair_key(bytes([i, j]) * 16, manifest, str(i), str(j)) for i, j in itertools.combinations(points, 2)
    }
    return {
        me: mask(me, {x: keys[min(me, x), max(me, x)] for x in points if x != me}, 2, DEGREE, BITS) for me in points
    }


@pytest.mark.parametrize("points", [(1, 2), (1, 2, 3), (2, 5, 7, 9, 50), tuple(range(1, 51))])
def test_masks_cancel_over_the_whole_manifest(points):
    assert not (sum(all_masks(points).values()) & TOP).any()


def test_every_smaller_sum_stays_masked():
    masks = all_masks((1, 2, 3, 4, 5))
    for size in range(1, 5):
        for chosen in itertools.combinations(masks, size):
            partial = sum(masks[i] for i in chosen) & TOP
            assert stats.kstest(partial.ravel() / float(1 << BITS), "uniform").pvalue > 1e-7


def test_a_mask_covers_every_coefficient_and_fits_the_message():
    one = all_masks((1, 2, 3))[2]
    assert one.shape == (2, DEGREE)
    assert one.max() <= TOP
    assert (one != 0).all()


def test_another_manifest_or_pair_gives_another_key():
    base = pair_key(bytes(32), b"m" * 32, "a", "b")
    others = [
        pair_key(bytes(32), b"n" * 32, "a", "b"),
        pair_key(b"1" * 32, b"m" * 32, "a", "b"),
        pair_key(bytes(32), b"m" * 32, "ab", ""),
        pair_key(bytes(32), b"m" * 32, "b", "a"),
    ]
    assert len({base, *others}) == 5
