"""Coverage of the likely range in worlds that no figure of it was chosen on (docs/explanations.md has 16 of them)."""

import numpy as np
import pytest

from .test_intervals import KINDS, coverage
from .unfamiliar import unfamiliar_world


@pytest.mark.slow
def test_nine_of_ten_true_probabilities_lie_in_the_range_in_worlds_not_tuned_on():
    found = {kind: [] for kind in KINDS}
    for seed in range(100, 103):
        world = unfamiliar_world(seed)
        for kind in KINDS:
            found[kind].append(coverage(world, kind)[0])
    print({kind: np.round(values, 3).tolist() for kind, values in found.items()})
    for kind, values in found.items():
        assert 0.85 <= np.mean(values) <= 0.98, (kind, values)
