import json
import math

import numpy as np
import pytest

from fedcrm.boosting import BoostedTrees, HistogramRespondent, Settings
from fedcrm.boosting.messages import canonical
from fedcrm.learning import Query, Structure

from .conftest import train


@pytest.mark.parametrize(
    ("X", "y", "intercept"),
    [
        (np.zeros((3, 2), np.float32), np.zeros(3), 0.0),
        (np.zeros((3, 4), np.float32), np.zeros(2), 0.0),
        (np.zeros((3, 4), np.float32), np.array([0, 1, 2]), 0.0),
        (np.zeros((3, 4), np.float32), np.zeros(3), math.inf),
    ],
)
def test_records_that_do_not_fit_are_refused(federation, X, y, intercept):
    with pytest.raises(ValueError, match=r"fit|labels"):
        HistogramRespondent(federation.schema, X, y, intercept)


def some_query(federation) -> Query:
    return train(federation, math.inf)[1][-1]


def with_body(query: Query, **changes) -> Query:
    body = json.loads(query.body) | changes
    return Query(query.purpose, query.structures, query.sensitivity, query.magnitude, canonical(body))


def test_a_body_that_is_not_a_question_is_refused(federation):
    query = some_query(federation)
    body = json.loads(query.body)
    wrong = [
        {"kind": "other"},
        {"asked": [len(body["grids"])]},
        {"asked": [0, 0]},
        {"asked": [-1]},
        {"asked": "0"},
        {"bins": body["bins"][:-1]},
        {"tables": body["tables"][:-1]},
        {"tables": ["!" for _ in body["tables"]]},
        {"grids": [[{"field": 99, "places": [0, 1], "ordered": True}]], "tables": ["A" * 20 + "A="], "asked": [0]},
        {"grids": [[]], "tables": [""], "asked": [0]},
    ]
    respondent = federation.respondents()[0]
    for change in wrong:
        with pytest.raises(ValueError):  # noqa: PT011  # which of the checks caught it does not matter
            respondent.answer(with_body(query, **change))
    for raw in (b"", b"[]", b"{", b'{"kind":"count"}', b'{"kind":"count","fields":[9],"edges":[[1]]}'):
        with pytest.raises(ValueError):  # noqa: PT011  # which of the checks caught it does not matter
            respondent.answer(Query("cells", (Structure("a", 3, 0.1),), 64.0, 64, raw))


def test_a_question_must_ask_for_the_structures_it_announces(federation):
    query = some_query(federation)
    fewer = Query(query.purpose, query.structures[:-1], query.sensitivity, query.magnitude, query.body)
    with pytest.raises(ValueError, match="announces"):
        federation.respondents()[0].answer(fewer)


def test_answers_depend_on_the_body_alone(federation):
    _, queries = train(federation, 1.67)
    experienced = federation.respondents()[1]
    answers = [experienced.answer(q) for q in queries]
    for q, answer in reversed(list(zip(queries, answers, strict=True))):
        np.testing.assert_array_equal(experienced.answer(q), answer)
        np.testing.assert_array_equal(federation.respondents()[1].answer(q), answer)


def test_an_organisation_without_records_answers_with_zeros(federation):
    nobody = HistogramRespondent(federation.schema, np.zeros((0, 4), np.float32), np.zeros(0), 0.0)
    for query in train(federation, math.inf)[1]:
        assert not nobody.answer(query).any()


def test_categories_beyond_the_schema_count_as_other(federation):
    X = np.full((2, 4), np.nan, np.float32)
    X[:, 2] = [4, 77]
    query = BoostedTrees.start(federation.schema, 0.3, Settings(counted_levels=2), 5000.0, 5900.0).next_query()
    assert query is not None
    one, two = (HistogramRespondent(federation.schema, X[i : i + 1], np.zeros(1), 0.0).answer(query) for i in (0, 1))
    np.testing.assert_array_equal(one, two)
