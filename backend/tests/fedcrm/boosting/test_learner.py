import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fedcrm.boosting import QUANTISED_SENSITIVITY, BoostedTrees, HistogramRespondent, Settings
from fedcrm.boosting.learner import Stage
from fedcrm.learning import Aggregate, Query

from .conftest import UNIT, Federation, category, make_federation, noisy_sum, number, schema_of, train


def attainable(federation: Federation) -> tuple[np.ndarray, float]:
    """Labels of the held-out records, and the AUC of knowing their true log-odds."""
    truth = federation.truth(federation.held)
    y = np.random.default_rng(99).random(len(truth)) < 1 / (1 + np.exp(-truth))
    return y, roc_auc_score(y, truth)


def test_training_without_noise_comes_close_to_the_truth(federation):
    learner, _ = train(federation, math.inf)
    y, best = attainable(federation)
    assert roc_auc_score(y, learner.model().margin(federation.held)) > best - 0.03


def test_training_with_noise_finds_the_signal_and_leaves_out_the_nuisance(federation):
    learner, _ = train(federation, mu=1.67)
    y, best = attainable(federation)
    model = learner.model()
    assert roc_auc_score(y, model.margin(federation.held)) > best - 0.05
    weight = np.abs(model.contributions(federation.held)[:, :4]).mean(axis=0)
    assert weight[3] < 0.2 * weight[0]


def test_the_interaction_is_found_among_the_pairs(federation):
    learner, _ = train(federation, mu=1.67)
    assert (0, 1) in {tuple(sorted(t.grid.fields)) for t in learner.model().terms}


@pytest.mark.parametrize("mu", [0.05, 0.27, 1.67, math.inf])
@pytest.mark.parametrize("share", [1.0, 0.8])
@pytest.mark.parametrize("declared", [True, False])
def test_shares_of_the_whole_training_never_pass_the_share_handed_in(mu, share, declared):
    _, queries = train(make_federation((300, 500, 800), declared=declared), mu, share=share)
    spent = math.fsum(s.share for q in queries for s in q.structures)
    assert 0.6 * share < spent <= share


def test_little_signal_means_no_pair_stage():
    _, queries = train(make_federation((200, 300, 400)), mu=0.27)
    assert {q.purpose for q in queries} == {"cells", "fields"}


def test_undeclared_ranges_are_asked_for_first_and_cover_the_values():
    federation = make_federation(declared=False)
    learner, queries = train(federation, mu=1.67)
    assert [q.purpose for q in queries[:3]] == ["ranges", "cells", "fields"]
    fields = learner.model().schema.fields
    values = np.concatenate(federation.X)[:, 0]
    inside = np.mean((values >= fields[0].low) & (values <= fields[0].high) | np.isnan(values))
    assert inside > 0.95
    assert fields[0].high not in values
    assert fields[0].low not in values


def test_asking_twice_changes_nothing_and_equal_states_ask_equal_queries(federation):
    learner = BoostedTrees.start(federation.schema, 0.3, Settings(), 5000.0, 5900.0)
    respondents, rng = federation.respondents(), np.random.default_rng(1)
    while (query := learner.next_query()) is not None:
        state = learner.state()
        again = learner.next_query()
        assert again is not None
        assert again.to_bytes() == query.to_bytes()
        assert learner.state() == state
        learner.absorb(noisy_sum(query, respondents, 1.67, rng))


def test_a_learner_restored_after_every_answer_trains_the_very_same_model(federation):
    straight, _ = train(federation, 1.67, seed=4)
    rng = np.random.default_rng(4)
    rows = np.array([len(y) for y in federation.y])
    signal = math.sqrt(float(np.sum((rows * 1.67) ** 2)))
    learner = BoostedTrees.start(
        federation.schema, float(np.concatenate(federation.y).mean()), Settings(), signal, float(rows.sum())
    )
    while (query := BoostedTrees.restore(learner.state()).next_query()) is not None:
        # Fresh respondents too: nobody remembers anything between two queries.
        learner = BoostedTrees.restore(learner.state())
        learner.absorb(noisy_sum(Query.from_bytes(query.to_bytes()), federation.respondents(), 1.67, rng))
    assert learner.model().digest() == straight.model().digest()
    assert learner.state() == straight.state()


def test_an_answer_of_another_length_is_refused_and_nothing_has_happened(federation):
    learner = BoostedTrees.start(federation.schema, 0.3, Settings(), 5000.0, 5900.0)
    state, query = learner.state(), learner.next_query()
    assert query is not None
    n = query.length
    for wrong in (
        Aggregate(np.zeros(n - 1, np.int64), np.zeros(n - 1), {}, UNIT),
        Aggregate(np.zeros(n, np.int64), np.full(n, np.nan), {}, UNIT),
        Aggregate(np.zeros(n, np.int64), np.full(n, -1.0), {}, UNIT),
        Aggregate(np.zeros(n, np.int64), np.zeros(n), {}, 0),
    ):
        with pytest.raises(ValueError, match=r"coordinates|variances|unit"):
            learner.absorb(wrong)
        assert learner.state() == state


def test_a_finished_training_asks_nothing_and_takes_nothing(federation):
    learner, _ = train(federation, math.inf)
    assert learner.next_query() is None
    assert learner.progress[0] == learner.progress[1]
    with pytest.raises(ValueError, match="finished"):
        learner.absorb(Aggregate(np.zeros(1, np.int64), np.zeros(1), {}, UNIT))


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b"null", b'{"format":1}', b"\xff"])
def test_bytes_that_are_no_state_are_refused(state):
    with pytest.raises(ValueError):  # noqa: PT011  # which ValueError does not matter
        BoostedTrees.restore(state)


def test_progress_counts_up_to_what_was_announced(federation):
    learner = BoostedTrees.start(federation.schema, 0.3, Settings(), math.inf, 5900.0)
    announced = learner.progress[1]
    done, respondents, rng = 0, federation.respondents(), np.random.default_rng(0)
    while (query := learner.next_query()) is not None:
        assert learner.progress == (done, announced)
        learner.absorb(noisy_sum(query, respondents, math.inf, rng))
        done += 1
    assert learner.progress == (announced, announced)


def test_queries_announce_the_bounds_that_their_answers_keep(federation):
    _, queries = train(federation, math.inf)
    for query in queries:
        expected = 64.0 if query.purpose in (Stage.RANGES, Stage.CELLS) else QUANTISED_SENSITIVITY
        assert query.sensitivity == expected
        one = HistogramRespondent(federation.schema, federation.X[0][:1], federation.y[0][:1], 0.3)
        answer, at = one.answer(query), 0
        for structure in query.structures:
            piece = answer[at : at + structure.length]
            at += structure.length
            assert np.sqrt(np.sum(piece.astype(float) ** 2)) <= query.sensitivity
            assert np.abs(piece).max() <= query.magnitude
            if expected == 64.0:
                assert np.count_nonzero(piece) == 1
            else:
                assert np.count_nonzero(piece[: len(piece) // 2]) <= 1


def test_start_refuses_what_cannot_be():
    schema = schema_of(number("a", 0.0, 1.0))
    for share, signal, rows in ((0.0, 1.0, 1.0), (1.1, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0)):
        with pytest.raises(ValueError, match="cannot start"):
            BoostedTrees.start(schema, 0.3, Settings(), signal, rows, share)
    unreleased = schema_of(category("c", 3))
    raw = type(unreleased.fields[0])("c", unreleased.fields[0].kind, ("c",), "category")
    with pytest.raises(ValueError, match="release the categories of c"):
        BoostedTrees.start(schema_of(raw), 0.3, Settings(), 1.0, 1.0)


def test_a_field_of_a_block_costs_nothing_where_the_block_is_lacking_and_still_counts_where_it_is_not():
    full = make_federation((1500, 1500, 1500))
    fields = list(full.schema.fields)
    fields[0] = number("amount", 0.0, 50_000.0, log=True, block="sales")
    schema = schema_of(*fields)
    without = frozenset[str]()
    respondents = [
        HistogramRespondent(schema, X, y, -1.0, None if i else without)
        for i, (X, y) in enumerate(zip(full.X, full.y, strict=True))
    ]
    learner = BoostedTrees.start(schema, 0.3, Settings(), 7500.0, 4500.0)
    rng = np.random.default_rng(0)
    while (query := learner.next_query()) is not None:
        assert query.share(without) < query.share(frozenset({"sales"})) or query.purpose != "cells"
        aggregate = noisy_sum(query, respondents, 1.67, rng)
        assert learner.suspicious(aggregate) is None
        learner.absorb(aggregate)
    model = learner.model()
    assert any(t.grid.fields == (0,) for t in model.terms)
    assert all(0 not in t.grid.fields for t in model.restricted(without).terms)
    # The respondent without the block ignores whatever its columns hold.
    altered = full.X[0].copy()
    altered[:, 0] = 12.0
    query = BoostedTrees.start(schema, 0.3, Settings(), 7500.0, 4500.0).next_query()
    assert query is not None
    np.testing.assert_array_equal(
        respondents[0].answer(query), HistogramRespondent(schema, altered, full.y[0], -1.0, without).answer(query)
    )


def test_pairs_never_cross_two_blocks():
    fields = [number(f"f{i}", -4.0, 4.0, block=b) for i, b in enumerate((None, "a", "b", "a"))]
    rng = np.random.default_rng(2)
    X = [rng.normal(size=(3000, 4)).astype(np.float32) for _ in range(3)]
    y = [(rng.random(3000) < 1 / (1 + np.exp(-x.sum(1)))).astype(np.float64) for x in X]
    learner, _ = train(Federation(schema_of(*fields), X, y, lambda x: x.sum(1), X[0]), math.inf)
    asked = {tuple(sorted(e.grid.fields)) for e in learner._pairs}
    assert not asked & {(1, 2), (2, 3)}
    _, queries = train(Federation(schema_of(*fields), X, y, lambda x: x.sum(1), X[0]), math.inf)
    names = {s.name: s.block for q in queries if q.purpose == "candidates" for s in q.structures}
    assert "f1 x f2" not in names
    assert "f2 x f1" not in names
    assert set(names.values()) <= {None, "a", "b"}
