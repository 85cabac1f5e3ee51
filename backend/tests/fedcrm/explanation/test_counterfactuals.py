import numpy as np
import pytest

from fedcrm.explanation import Calibration, Comparison, Explainer, Idea, Meaning, Moves, Parts, Profile, ideas_of
from fedcrm.explanation.counterfactuals import Possibilities
from fedcrm.features import Field, Kind, Schema


def applied(schema, x, idea: Idea, text: str):
    changed = x.copy()
    changed[list(idea.fields)] = schema.encode_records([{idea.column: text}])[0, list(idea.fields)]
    return changed


def test_every_change_scores_what_it_says_when_it_is_made(explainer: Explainer, world):
    X = world.federation.held[:400]
    found = explainer.explain(X)
    assert sum(map(len, found.changes)) > 50
    for x, changes in zip(X, found.changes, strict=True):
        assert len(changes) <= 3
        for change in changes:
            made = applied(explainer.schema, x, explainer.ideas[change.idea], change.to)
            assert explainer.probability(made[None, :])[0] == pytest.approx(change.probability, abs=1e-9)


def test_changes_help_are_worth_telling_and_the_most_useful_comes_first(explainer, world):
    X = world.federation.held[:400]
    found = explainer.explain(X)
    for p, changes in zip(found.probability, found.changes, strict=True):
        gains = [c.probability - p for c in changes]
        assert all(g >= 0.02 - 1e-9 for g in gains)
        assert gains == sorted(gains, reverse=True)


def test_only_what_somebody_can_change_is_proposed_and_only_as_declared(explainer, world):
    names = {explainer.ideas[c.idea].name for cs in explainer.explain(world.X).changes for c in cs}
    assert names <= {"amount", "channel"}
    to = {c.to for cs in explainer.explain(world.X).changes for c in cs if explainer.ideas[c.idea].name == "channel"}
    assert to <= {"level 0", "level 1"}


def test_where_a_low_score_is_good_changes_lower_it(explainer, world):
    from dataclasses import replace

    other = Explainer(explainer.schema, explainer.parts, replace(explainer.background, better=-1))
    found = other.explain(world.X[:100])
    assert sum(map(len, found.changes)) > 10
    for p, changes in zip(found.probability, found.changes, strict=True):
        assert all(c.probability < p for c in changes)


def test_a_value_that_is_not_known_is_not_changed(explainer, world):
    X = world.X[:40].copy()
    X[:, explainer.schema.index("amount")] = np.nan
    named = {explainer.ideas[c.idea].name for cs in explainer.explain(X).changes for c in cs}
    assert "amount" not in named


@pytest.fixture(scope="module")
def money():
    """An amount, how round it is, and its ratio to a budget; a federated model that likes large amounts."""
    schema = Schema(
        (
            Field("amount", Kind.NUMERIC, ("amount",), "number", low=0, high=1000),
            Field("roundness", Kind.NUMERIC, ("amount",), "trailing_zeros", low=-2, high=9),
            Field("budget", Kind.NUMERIC, ("budget",), "number", low=0, high=1000),
            Field("per budget", Kind.NUMERIC, ("amount", "budget"), "ratio", low=0, high=10),
        )
    )
    rng = np.random.default_rng(0)
    texts = [
        {"amount": str(round(float(a))), "budget": str(round(float(b)))}
        for a, b in zip(rng.uniform(1, 1000, 400), rng.uniform(100, 1000, 400), strict=True)
    ]
    return schema, schema.encode_records(texts)


class Linear:
    """Parts of a model whose log-odds are a plain sum, for what only needs `additive` and `trees`."""

    def __init__(self, weights):
        from fedcrm.explanation.tree_shares import TreeTable

        self.weights, self.trees = np.array(weights), TreeTable.of([])

    def additive(self, X):
        return np.nan_to_num(X) @ self.weights


def possible(schema, X, weights, meaning):
    ideas = ideas_of(schema, {"amount": meaning})
    profile = Profile.fit(schema, X, np.ones(4), np.random.default_rng(0))
    parts: Parts = Linear(weights)  # type: ignore[assignment]  # a stand-in with the two things that are used
    possibilities = Possibilities.of(schema, ideas, profile, parts)

    def changes(rows):
        return possibilities.changes(rows, profile.cells(rows), parts.additive(rows), Calibration.identity(), 1)

    return ideas, parts, possibilities, changes


def test_what_is_computed_from_a_value_changes_with_it(money):
    schema, X = money
    weights = [0.004, 0.3, 0.0, 0.5]
    ideas, parts, _, changes_of = possible(schema, X, weights, Meaning(moves=Moves.BOTH))
    for x, changes in zip(X[:50], changes_of(X[:50]), strict=True):
        for change in changes:
            made = x.copy()
            raw = {"amount": change.to, "budget": f"{x[2]:g}"}
            made[:] = schema.encode_records([raw])[0]
            expected = Calibration.identity().probability(parts.additive(made[None, :]))[0]
            assert change.probability == pytest.approx(expected, abs=1e-6)
            assert ideas[change.idea].name == "amount"


@pytest.mark.parametrize(("moves", "comparison"), [(Moves.UP, Comparison.AT_LEAST), (Moves.DOWN, Comparison.AT_MOST)])
def test_a_number_moves_only_the_declared_way(money, moves, comparison):
    schema, X = money
    sign = 1 if moves is Moves.UP else -1
    _, _, _, changes_of = possible(schema, X, [sign * 0.01, 0, 0, 0], Meaning(moves=moves))
    changes = [c for cs in changes_of(X) for c in cs]
    assert changes
    assert {c.comparison for c in changes} == {comparison}


def test_declared_ends_and_whole_numbers_are_kept(money):
    schema, X = money
    meaning = Meaning(moves=Moves.BOTH, low=200, high=300, whole=True)
    _, _, _, changes_of = possible(schema, X, [0.01, 0, 0, 0], meaning)
    to = {float(c.to) for cs in changes_of(X) for c in cs}
    assert to
    assert min(to) >= 200
    assert max(to) <= 300
    assert all(v == round(v) for v in to)


def test_the_smallest_change_that_does_enough_is_taken(money):
    schema, X = money
    weights = np.array([0.01, 0, 0, 0])
    _, _, found, changes_of = possible(schema, X, weights, Meaning(moves=Moves.UP))
    [column] = found.columns
    values = np.sort(column.values)
    for x, changes in zip(X, changes_of(X), strict=True):
        for change in changes:
            before = Calibration.identity().probability(np.array([x[0] * 0.01]))[0]
            gains = {
                v: Calibration.identity().probability(np.array([v * 0.01]))[0] - before for v in values if v > x[0]
            }
            enough = [v for v, g in gains.items() if g >= max(0.5 * max(gains.values()), 0.02) - 1e-12]
            assert float(change.to) == pytest.approx(min(enough))


def test_a_value_that_never_meets_the_records_other_categories_is_not_proposed():
    """Who has no internet has no online security to buy; who has, may."""
    schema = Schema(
        (
            Field("internet", Kind.CATEGORICAL, ("internet",), "category", categories=("yes", "no")),
            Field("security", Kind.CATEGORICAL, ("security",), "category", categories=("yes", "no", "no internet")),
        )
    )
    rng = np.random.default_rng(0)
    internet = rng.integers(0, 2, 300)
    security = np.where(internet == 1, 2, rng.integers(0, 2, 300))
    X = np.stack([internet, security], axis=1).astype(np.float32)
    ideas = ideas_of(schema, {"security": Meaning(moves=Moves.BOTH, choices=("yes", "no"))})
    profile = Profile.fit(schema, X, np.ones(2), rng)
    parts: Parts = Linear([0.0, -1.0])  # type: ignore[assignment]  # a stand-in with the two things that are used
    found = Possibilities.of(schema, ideas, profile, parts).changes(
        X, profile.cells(X), parts.additive(X), Calibration.identity(), 1
    )
    for x, changes in zip(X, found, strict=True):
        assert [c.to for c in changes] == (["yes"] if x[1] == 1 else [])
