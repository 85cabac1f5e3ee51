import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.features import DataSet, Field, Kind, Schema, parse_description


def number(name, **more):
    return Field(name, Kind.NUMERIC, (name,), "number", **more)


def category(name, *names, **more):
    return Field(name, Kind.CATEGORICAL, (name,), "category", categories=names or None, **more)


@pytest.fixture
def schema():
    return Schema(
        (
            number("Amount", low=0.0, high=1e6, log=True),
            category("Stage", "New", "Won back"),
            Field("trailing_zeros(Amount)", Kind.NUMERIC, ("Amount",), "trailing_zeros", low=-2, high=9),
            Field("Amount / Seats", Kind.NUMERIC, ("Amount", "Seats"), "ratio"),
            Field("is_sentinel(Last, 999)", Kind.NUMERIC, ("Last",), "is_sentinel", "999", low=0, high=1),
            number("Last"),
        ),
        missing=("", "NA"),
        sentinels={"Last": ("999",)},
    )


RECORDS = [
    {"Amount": "7500", "Stage": "New", "Seats": 3, "Last": 999},
    {"Amount": "$1,200.50", "Stage": " Won back ", "Seats": 0, "Last": "999.0"},
    {"Amount": "NA", "Stage": "Never heard of", "Last": 12},
    {"Amount": "n/k", "Stage": "", "Seats": "2", "Last": None},
]
EXPECTED = np.array(
    [
        [7500, 0, 2, 2500, 1, np.nan],
        [1200.5, 1, -1, np.nan, 1, np.nan],
        [np.nan, 2, np.nan, np.nan, 0, 12],
        [np.nan, np.nan, np.nan, np.nan, 0, np.nan],
    ]
)


def data_of(records):
    raw = {"name": "t", "task": "churn", "label": "y", "positive": 1}
    names = dict.fromkeys(c for r in records for c in r)
    columns = {c: [r.get(c) for r in records] for c in names} | {"y": [i % 2 for i in range(len(records))]}
    return DataSet.from_columns(parse_description(raw, Path("t")), columns, ["p"] * len(records))


def test_records_become_the_numbers_the_schema_promises(schema):
    X = schema.encode_records(RECORDS)
    assert X.dtype == np.float32
    assert np.array_equal(X, EXPECTED.astype(np.float32), equal_nan=True)


def test_training_and_scoring_encode_alike(schema):
    data = data_of(RECORDS)
    table = schema.encode(data)
    assert np.array_equal(table.X, schema.encode_records(RECORDS), equal_nan=True)
    assert table.y.tolist() == [0, 1, 0, 1]
    some = schema.encode(data, np.array([3, 0]))
    assert np.array_equal(some.X, table.X[[3, 0]], equal_nan=True)
    assert some.y.tolist() == [1, 0]
    assert len(some) == 2


def test_a_column_that_is_not_there_is_missing_throughout(schema):
    assert np.isnan(schema.encode_records([{}, {"Stage": "New"}])[:, 0]).all()
    assert schema.encode_records([]).shape == (0, 6)


def test_numbers_beyond_single_precision_stay_finite(schema):
    X = schema.encode_records([{"Amount": v} for v in ("1e300", "-1e300", "1e999")])
    assert np.isfinite(X[:, 0]).all()
    assert X[0, 0] == np.finfo(np.float32).max == -X[1, 0]


def test_a_value_that_does_not_look_is_one_code_for_a_field_without_public_categories():
    schema = Schema((category("Stage"),))
    assert np.array_equal(schema.encode_records([{"Stage": "a"}, {"Stage": ""}])[:, 0], [0, np.nan], equal_nan=True)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["Amount", "Stage", "Seats", "Last"]),
            st.none() | st.text(max_size=9) | st.floats() | st.integers() | st.booleans() | st.lists(st.integers()),
        ),
        max_size=5,
    )
)
def test_no_record_whatever_breaks_the_encoding(records):
    schema = Schema(
        (number("Amount"), category("Stage", "New"), Field("r", Kind.NUMERIC, ("Amount", "Seats"), "ratio"))
    )
    X = schema.encode_records(records)
    assert X.shape == (len(records), 3)
    assert not np.isinf(X).any()
    codes = X[:, 1][~np.isnan(X[:, 1])]
    assert set(codes) <= {0.0, 1.0}


def test_a_schema_survives_json_and_its_digest_follows_its_content(schema):
    again = Schema.from_json(schema.to_json())
    assert again == schema
    assert again.digest == schema.digest
    other = replace(schema, fields=(replace(schema.fields[0], high=2e6), *schema.fields[1:]))
    assert other.digest != schema.digest
    assert hash(again) == hash(schema)


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "null", '{"version": 2, "fields": [], "missing": [], "sentinels": {}}',
        '{"version": 1, "fields": [{}], "missing": [], "sentinels": {}}',
        '{"version": 1, "fields": [], "missing": [], "sentinels": []}',
    ],
)  # fmt: skip
def test_what_is_no_schema_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".*"):
        Schema.from_json(text)


def test_a_field_of_an_unknown_transform_is_refused_when_read(schema):
    raw = json.loads(schema.to_json())
    raw["fields"][0]["transform"] = "os.system"
    with pytest.raises(ValueError, match="no numeric transform"):
        Schema.from_json(json.dumps(raw))


@pytest.mark.parametrize(
    "make",
    [
        lambda: number("x", low=0.0),
        lambda: number("x", low=1.0, high=1.0),
        lambda: number("x", low=0.0, high=float("inf")),
        lambda: category("x", "a", "a"),
        lambda: category("x", "a", ""),
        lambda: category("x", "a", low=0.0, high=1.0),
        lambda: Field("x", Kind.NUMERIC, ("x",), "category"),
        lambda: Field("x", Kind.NUMERIC, ("x",), "ratio"),
        lambda: Field("x", Kind.NUMERIC, ("x", "y"), "number"),
        lambda: number(""),
        lambda: replace(number("x"), categories=("a",)),
        lambda: Schema((number("x"), category("x"))),
    ],
)
def test_a_field_that_cannot_be_is_a_value_error(make):
    with pytest.raises(ValueError, match=r".+"):
        make()


def test_what_is_not_public_yet_is_named_and_can_be_filled_in():
    schema = Schema((number("a"), number("b", low=0.0, high=1.0), category("c"), category("d", "x")))
    assert (schema.unknown_ranges, schema.unknown_categories) == (("a",), ("c",))
    full = schema.with_ranges({"a": (0.0, 1e5)}).with_categories({"c": ["u", "v"]})
    assert (full.unknown_ranges, full.unknown_categories) == ((), ())
    assert full.fields[0].log
    assert full.fields[0].provenance == full.fields[2].provenance == "private release"
    assert full.fields[2].levels == 3
    assert full.digest != schema.digest
    with pytest.raises(ValueError, match="no field 'z'"):
        schema.with_ranges({"z": (0.0, 1.0)})


def test_an_empty_release_leaves_a_field_with_other_only():
    field = Schema((category("c"),)).with_categories({"c": []}).fields[0]
    assert field.public
    assert field.levels == 1


def test_values_and_fields_have_words_for_people(schema):
    stage, zeros, per_seat = schema.fields[1], schema.fields[2], schema.fields[3]
    assert [stage.label_of(v) for v in (0.0, 1.0, 2.0, float("nan"))] == ["New", "Won back", "other", "missing"]
    assert zeros.words() == "how round Amount is"
    assert per_seat.words() == "Amount / Seats"
    assert zeros.label_of(2.0) == "2"
    assert schema.index("Stage") == 1
