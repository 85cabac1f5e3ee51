import math

import numpy as np
import pytest
import xgboost as xgb
from sklearn.metrics import roc_auc_score

from fedcrm.boosting import BoostedTrees, CompactTerms, Settings, restore_learner, start_learner, to_booster
from fedcrm.learning import Aggregate, Query

from .conftest import UNIT, make_federation, noisy_sum


def train(federation, mu, seed=0, settings=None, share=1.0):
    rng, queries = np.random.default_rng(seed), []
    rate = float(np.concatenate(federation.y).mean())
    rows = float(sum(map(len, federation.y)))
    learner = CompactTerms.start(federation.schema, rate, settings or Settings(), rows, share)
    respondents = federation.respondents()
    while (query := learner.next_query()) is not None:
        queries.append(query)
        learner.absorb(noisy_sum(query, respondents, mu, rng))
    return learner, queries


def held_auc(federation, model) -> float:
    truth = federation.truth(federation.held)
    y = np.random.default_rng(99).random(len(truth)) < 1 / (1 + np.exp(-truth))
    return float(roc_auc_score(y, model.margin(federation.held)))


def test_little_signal_gets_the_compact_learner_and_much_the_histograms(federation):
    settings = Settings()
    for signal, kind in ((settings.compact_signal / 2, CompactTerms), (math.inf, BoostedTrees)):
        learner = start_learner(federation.schema, 0.3, settings, signal, 5900.0)
        assert isinstance(learner, kind)
        assert isinstance(restore_learner(learner.state()), kind)


def test_under_strict_privacy_it_beats_the_histograms(federation):
    """The average over noise draws: one draw says little."""

    def mean_auc(settings):
        found = []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            learner = start_learner(federation.schema, 0.3, settings, 0.1 * 3500, 5900.0)
            while (query := learner.next_query()) is not None:
                learner.absorb(noisy_sum(query, federation.respondents(), 0.1, rng))
            found.append(held_auc(federation, learner.model()))
        return np.mean(found)

    assert mean_auc(Settings()) > mean_auc(Settings(compact_signal=0.0))


def test_without_noise_it_comes_close_to_the_histograms_without_pairs():
    federation = make_federation((3000, 6000))
    compact = held_auc(federation, train(federation, math.inf)[0].model())
    additive = BoostedTrees.start(federation.schema, 0.3, Settings(pair_signal=1e18), 1e9, 9000.0)
    while (query := additive.next_query()) is not None:
        additive.absorb(noisy_sum(query, federation.respondents(), math.inf, np.random.default_rng(0)))
    assert compact > held_auc(federation, additive.model()) - 0.01


@pytest.mark.parametrize("mu", [0.05, 0.27, 1.67])
@pytest.mark.parametrize("share", [1.0, 0.8])
@pytest.mark.parametrize("declared", [True, False])
def test_shares_of_the_whole_training_never_pass_the_share_handed_in(mu, share, declared):
    _, queries = train(make_federation((300, 500, 800), declared=declared), mu, share=share)
    spent = math.fsum(s.share for q in queries for s in q.structures)
    assert 0.95 * share < spent <= share


def test_undeclared_ranges_are_asked_for_first_and_never_are_values_of_the_data():
    federation = make_federation(declared=False)
    learner, queries = train(federation, mu=0.5)
    assert [q.purpose for q in queries[:3]] == ["ranges", "cells", "directions"]
    fields = learner.model().schema.fields
    values = np.concatenate(federation.X)[:, 0]
    assert fields[0].low == 0
    assert fields[0].high not in values


def test_a_learner_restored_after_every_answer_trains_the_very_same_model(federation):
    straight, _ = train(federation, 0.5, seed=4)
    rng = np.random.default_rng(4)
    rate = float(np.concatenate(federation.y).mean())
    learner = CompactTerms.start(federation.schema, rate, Settings(), float(sum(map(len, federation.y))))
    done = 0
    while (query := learner.next_query()) is not None:
        assert learner.progress == (done, straight.progress[1])
        learner = CompactTerms.restore(learner.state())
        again = learner.next_query()
        assert again is not None
        assert again.to_bytes() == query.to_bytes()
        learner.absorb(noisy_sum(Query.from_bytes(query.to_bytes()), federation.respondents(), 0.5, rng))
        done += 1
    assert learner.model().digest() == straight.model().digest()
    assert learner.state() == straight.state()
    with pytest.raises(ValueError, match="finished"):
        learner.absorb(Aggregate(np.zeros(1, np.int64), np.zeros(1), {}, UNIT))


@pytest.mark.parametrize("state", [b"", b"{}", b"[]", b"null", b'{"format":"compact 1"}', b"\xff"])
def test_bytes_that_are_no_state_are_refused(state):
    for restore in (CompactTerms.restore, restore_learner):
        with pytest.raises(ValueError):  # noqa: PT011  # which ValueError does not matter
            restore(state)


def test_an_answer_of_another_length_is_refused_and_nothing_has_happened(federation):
    learner = CompactTerms.start(federation.schema, 0.3, Settings(), 5900.0)
    state, query = learner.state(), learner.next_query()
    assert query is not None
    with pytest.raises(ValueError, match="coordinates"):
        learner.absorb(Aggregate(np.zeros(query.length - 1, np.int64), np.zeros(query.length - 1), {}, UNIT))
    assert learner.state() == state


@pytest.mark.parametrize("mu", [0.1, 1.67, math.inf])
def test_honest_sums_are_never_suspicious_and_made_up_ones_are_where_noise_lets_them_be_seen(federation, mu):
    rng = np.random.default_rng(1)
    learner = CompactTerms.start(federation.schema, 0.3, Settings(), 5900.0)
    while (query := learner.next_query()) is not None:
        honest = noisy_sum(query, federation.respondents(), mu, rng)
        assert learner.suspicious(honest) is None
        if mu > 1:
            made_up = UNIT * query.magnitude * rng.integers(-900, 900, query.length)  # what 900 records could reach
            forged = Aggregate(honest.sums + made_up, honest.noise_variance, honest.weights, honest.unit)
            assert learner.suspicious(forged) is not None
        learner.absorb(honest)


def test_its_model_exports_to_xgboost_with_its_own_contributions(federation):
    model = train(federation, 0.5)[0].model()
    booster = to_booster(model)
    data = xgb.DMatrix(federation.held, feature_names=booster.feature_names)
    np.testing.assert_allclose(booster.predict(data, output_margin=True), model.margin(federation.held), atol=1e-4)
    np.testing.assert_allclose(
        booster.predict(data, pred_contribs=True), model.contributions(federation.held), atol=1e-4
    )
