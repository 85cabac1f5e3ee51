import numpy as np
import pytest

from fedcrm.explanation import Caution


@pytest.fixture
def usual(explainer, world):
    """A record in the middle of one's own: nothing about it is strange."""
    full = world.X[~np.isnan(world.X).any(axis=1)]
    confident = explainer.explain(full, changes=False).confidence
    return full[np.argsort(confident.value)[len(full) // 2]]


def test_a_number_beyond_ones_own_records_lowers_confidence_and_is_named(explainer, world, usual):
    amount = world.federation.schema.index("amount")
    strange = np.stack([usual, usual])
    strange[1, amount] = 10 * np.nanmax(world.X[:, amount])
    found = explainer.explain(strange, changes=False).confidence
    assert found.value[1] < found.value[0]
    reasons = found.reasons(explainer.ideas, explainer.background.profile)
    [named] = [r for r in reasons[1] if r.code is Caution.OUT_OF_RANGE]
    assert named.idea == "amount"
    assert named.parameters["high"] == pytest.approx(float(np.nanmax(world.X[:, amount])))
    assert not [r for r in reasons[0] if r.code is Caution.OUT_OF_RANGE]


def test_a_missing_value_lowers_confidence_and_is_named(explainer, world, usual):
    channel = world.federation.schema.index("channel")
    gone = np.stack([usual, usual])
    gone[1, channel] = np.nan
    found = explainer.explain(gone, changes=False).confidence
    # The range and the neighbours of a record change too when a value goes: compare the factor itself.
    profile = explainer.background.profile
    share = max(float(profile.shares[channel]), 0.02)
    factor = 1 - share * (1 - profile.fields[channel].missing_rate) / 2
    similar, width = found.similar[1], found.width[1]
    assert found.value[1] == pytest.approx((1 - width) * similar / (similar + 5) * factor)
    assert factor < 1
    reasons = found.reasons(explainer.ideas, profile)[1]
    assert ("channel", Caution.MISSING) in [(r.idea, r.code) for r in reasons]


def test_a_category_never_seen_lowers_confidence_and_is_named(explainer, world, usual):
    channel = world.federation.schema.index("channel")
    assert not np.any(world.X[:, channel] == 4)  # "other" never occurs in this world
    strange = np.stack([usual, usual])
    strange[1, channel] = 4
    found = explainer.explain(strange, changes=False).confidence
    assert found.value[1] < found.value[0]
    reasons = found.reasons(explainer.ideas, explainer.background.profile)[1]
    assert ("channel", Caution.UNKNOWN_VALUE) in [(r.idea, r.code) for r in reasons]


def test_few_similar_records_lower_confidence_and_are_named(explainer, world):
    found = explainer.explain(world.X, changes=False).confidence
    few, many = int(np.argmin(found.similar)), int(np.argmax(found.similar))
    assert found.similar[few] < 20 < found.similar[many]
    factor = found.similar / (found.similar + 5)
    assert factor[few] < factor[many]
    reasons = found.reasons(explainer.ideas, explainer.background.profile)
    assert Caution.FEW_SIMILAR in {r.code for r in reasons[few]}
    assert Caution.FEW_SIMILAR not in {r.code for r in reasons[many]}


def test_confidence_is_a_share(explainer, world):
    value = explainer.explain(world.federation.held, changes=False).confidence.value
    assert np.all((value >= 0) & (value <= 1))
    assert value.std() > 0.02
