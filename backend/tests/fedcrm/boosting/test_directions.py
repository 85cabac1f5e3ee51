import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.boosting import CompactTerms, HistogramRespondent, Settings
from fedcrm.boosting.directions import CURVATURE, REMAINDER, direction_groups, direction_sums
from fedcrm.boosting.quantise import DIRECTION_SCALE, direction_sensitivity
from fedcrm.learning import Query

from .conftest import category, noisy_sum, number, schema_of


@given(
    z=st.lists(st.floats(-1e6, 1e6, allow_subnormal=True), min_size=1, max_size=40),
    margin=st.floats(-800, 800),
    y=st.sampled_from([0.0, 1.0]),
)
def test_no_record_is_longer_than_the_bound_whatever_it_is_asked(z, margin, y):
    directions = [np.array([z])]
    answer = direction_sums(np.zeros((1, 1), np.uint8), directions, np.array([margin]), np.array([y]))
    assert np.sqrt(np.sum(answer.astype(float) ** 2)) <= direction_sensitivity(len(answer))
    assert np.abs(answer).max() <= DIRECTION_SCALE


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e-90, 1.0])
def test_tiny_directions_do_not_slip_past_the_bound(size):
    directions = [np.full((1, 3), size)]
    answer = direction_sums(np.zeros((1, 1), np.uint8), directions, np.zeros(1), np.ones(1))
    assert np.sqrt(np.sum(answer.astype(float) ** 2)) <= direction_sensitivity(len(answer))


def test_the_sum_is_that_of_the_formula_record_by_record():
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, 3, 5000), rng.integers(0, 2, 5000)]).astype(np.uint8)
    directions = [rng.normal(size=(3, 2)), rng.normal(size=(2, 1))]
    margin, y = rng.normal(size=5000), (rng.random(5000) < 0.3).astype(float)
    expected = np.zeros(4)
    for i in range(5000):
        p = 1 / (1 + np.exp(-margin[i]))
        z = np.concatenate([directions[0][codes[0, i]], directions[1][codes[1, i]]])
        along = REMAINDER * (y[i] - p) / max(p, 1 - p) * z / np.linalg.norm(z)
        expected += np.rint(DIRECTION_SCALE * np.append(along, CURVATURE * min(p, 1 - p)))
    np.testing.assert_array_equal(direction_sums(codes, directions, margin, y), expected)


def test_fields_that_everybody_has_share_a_vector_and_every_block_has_its_own():
    schema = schema_of(
        number("a", 0, 1), number("b", 0, 1, block="z"), category("c", 3, block="m"), number("d", 0, 1, block="z")
    )
    assert direction_groups(schema) == [(None, (0,)), ("m", (2,)), ("z", (1, 3))]


def direction_query(federation) -> Query:
    learner = CompactTerms.start(federation.schema, 0.3, Settings(), 5900.0)
    query = learner.next_query()
    assert query is not None
    learner.absorb(noisy_sum(query, federation.respondents(), 1.0, np.random.default_rng(0)))
    query = learner.next_query()
    assert query is not None
    return query


@pytest.mark.parametrize("short", ["sensitivity", "magnitude"])
def test_a_query_that_announces_less_than_its_answer_has_is_refused(federation, short):
    query = direction_query(federation)
    less = {
        "sensitivity": (direction_sensitivity(query.length) - 0.01, query.magnitude),
        "magnitude": (query.sensitivity, DIRECTION_SCALE - 1),
    }[short]
    lying = Query(query.purpose, query.structures, *less, query.body, query.places)
    with pytest.raises(ValueError, match="sensitivity"):
        federation.respondents()[0].answer(lying)


def test_directions_that_are_no_numbers_or_do_not_fit_are_refused(federation):
    import json

    from fedcrm.boosting.messages import canonical, raw_floats

    query = direction_query(federation)
    body = json.loads(query.body)
    first = len(np.frombuffer(b"") if not body["directions"] else body["directions"][0])
    assert first
    wrong = [
        {"directions": body["directions"][:-1]},
        {"directions": [raw_floats(np.full(7, np.nan)), *body["directions"][1:]]},
        {"directions": [raw_floats(np.ones(1)), *body["directions"][1:]]},
        {"tables": body["tables"][:-1]},
        {"bins": body["bins"][:-1]},
    ]
    for change in wrong:
        asked = Query(
            query.purpose, query.structures, query.sensitivity, query.magnitude, canonical(body | change), query.places
        )
        with pytest.raises(ValueError):  # noqa: PT011  # which of the checks caught it does not matter
            federation.respondents()[0].answer(asked)


def test_a_participant_without_a_block_sends_zeros_for_it_and_ignores_its_columns(federation):
    fields = list(federation.schema.fields)
    fields[0] = number("amount", 0.0, 50_000.0, log=True, block="sales")
    schema = schema_of(*fields)
    learner = CompactTerms.start(schema, 0.3, Settings(), 5900.0)
    X, y = federation.X[0], federation.y[0]
    everybody = [HistogramRespondent(schema, x, t, -1.0) for x, t in zip(federation.X, federation.y, strict=True)]
    query = learner.next_query()
    assert query is not None
    learner.absorb(noisy_sum(query, everybody, 1.0, np.random.default_rng(0)))
    query = learner.next_query()
    assert query is not None
    assert [s.block for s in query.structures] == [None, "sales"]
    without = HistogramRespondent(schema, X, y, -1.0, frozenset())
    altered = X.copy()
    altered[:, 0] = 12.0
    answer = without.answer(query)
    assert not answer[query.structures[0].length :].any()
    assert answer.any()
    np.testing.assert_array_equal(answer, HistogramRespondent(schema, altered, y, -1.0, frozenset()).answer(query))
