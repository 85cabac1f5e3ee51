import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.features import Field, Kind, Schema
from fedcrm.service import encoder
from fedcrm.service.encoder import Encoder

SCHEMA = Schema(
    (
        Field("amount", Kind.NUMERIC, ("amount",), "number", low=0, high=1000),
        Field("roundness", Kind.NUMERIC, ("amount",), "trailing_zeros", low=-2, high=9),
        Field("share", Kind.NUMERIC, ("amount", "budget"), "ratio", low=0, high=10),
        Field("kind", Kind.CATEGORICAL, ("kind",), "category", categories=("a", "b")),
        Field("closed", Kind.NUMERIC, ("closed",), "weekday", "%Y-%m-%d", low=1, high=7),
        Field("elsewhere", Kind.NUMERIC, ("elsewhere",), "number", low=0, high=1),
    ),
    missing=("", "NA"),
)
VOCABULARY = ("kind", "budget", "amount", "closed", "surplus")
cells = st.one_of(
    st.sampled_from(
        ["", "NA", " ", "a", "b", "c", "0", "1e400", "-5", "12.50", "1000", "nan", "2026-11-24", "24/11/2026"]
    ),
    st.text(max_size=8),
)


@given(st.lists(st.tuples(*[cells] * len(VOCABULARY)), max_size=12))
def test_vectors_become_what_the_schema_makes_of_them_the_first_time_and_the_second(vectors):
    made = Encoder(SCHEMA, VOCABULARY)
    expected = SCHEMA.encode_records([dict(zip(VOCABULARY, v, strict=True)) for v in vectors])
    for _ in range(2):
        np.testing.assert_array_equal(made.encode(vectors), expected)


def test_a_column_that_the_vocabulary_lacks_is_missing():
    X = Encoder(SCHEMA, VOCABULARY).encode([("a", "2", "1", "2026-11-24", "")])
    assert np.isnan(X[0, 5])
    assert X[0, :5].tolist() == [1, 0, 0.5, 0, 2]


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(encoder, "MOST_REMEMBERED", 50)
    made = Encoder(SCHEMA, VOCABULARY)
    for n in range(40):
        made.encode([("a", "2", str(7 * n + i), "", "") for i in range(7)])
    assert max(len(known) for known in made._known) <= 50


@pytest.mark.parametrize("count", [0, 1, 3])
def test_any_number_of_vectors_is_that_many_rows(count):
    assert Encoder(SCHEMA, VOCABULARY).encode([("a", "2", "1", "", "")] * count).shape == (count, 6)
