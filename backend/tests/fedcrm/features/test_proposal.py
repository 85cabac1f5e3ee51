import warnings
from pathlib import Path

import numpy as np
import pytest

from fedcrm.errors import DataSetError
from fedcrm.features import (
    DataSet,
    DataSetWarning,
    Kind,
    blocks_of,
    category_values,
    observed_categories,
    observed_ranges,
    parse_description,
    propose_schema,
)
from fedcrm.features.derived import MOST_DERIVED

ROWS = 240


def data_of(columns, participants=4, **description):
    raw = {"name": "t", "task": "churn", "label": "y", "positive": 1, **description}
    full = {"y": [i % 2 for i in range(ROWS)], **columns}
    owners = [f"p{i % participants}" for i in range(ROWS)]
    return DataSet.from_columns(parse_description(raw, Path("t")), full, owners)


def fields(columns, **description):
    return {f.name: f for f in propose_schema(data_of(columns, **description)).fields}


@pytest.fixture
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_ranges_and_categories_are_never_read_off_the_records(quiet):
    rng = np.random.default_rng(1)
    columns = {"score": rng.normal(size=ROWS), "stage": list(rng.choice(["a", "b"], ROWS))}
    one, other = fields(columns), fields({"score": columns["score"] * 99, "stage": ["z"] * ROWS})
    assert one == other
    assert not one["score"].public
    assert not one["stage"].public


def test_ranges_and_categories_of_the_description_are_taken_with_their_source(quiet):
    found = fields(
        {"size": range(ROWS), "stage": ["a"] * ROWS, "day": ["2025-01-01"] * ROWS},
        ranges={"size": {"low": 1, "high": 10_000, "source": "law"}, "day": ["2020-01-01", "2030-01-01"]},
        categories={"stage": {"values": ["a", "b"], "source": "manual"}},
    )
    assert (found["size"].low, found["size"].high, found["size"].provenance) == (1, 10_000, "law")
    assert found["size"].log
    assert (found["stage"].categories, found["stage"].provenance) == (("a", "b"), "manual")
    assert (found["day"].low, found["day"].high) == (18262, 21915)


def test_a_money_column_gets_its_precision_and_a_percentage_does_not(quiet):
    found = fields({"Deal Amount": range(ROWS), "Share pct": [i % 100 for i in range(ROWS)]})
    assert {"trailing_zeros(Deal Amount)", "significant_digits(Deal Amount)"} <= set(found)
    assert not any("Share pct" in name for name in found if name != "Share pct")
    assert found["trailing_zeros(Deal Amount)"].public


def test_a_date_gets_its_calendar_and_an_hour_only_with_a_clock(quiet):
    days = [f"2025-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(ROWS)]
    plain, clock = fields({"day": days}), fields({"day": [f"{d}T{i % 24:02d}:00:00" for i, d in enumerate(days)]})
    calendar = {"month(day)", "weekday(day)", "days_to_month_end(day)", "days_to_quarter_end(day)"}
    assert set(plain) == {"day", *calendar}
    assert set(clock) == {"day", "hour(day)", *calendar}


def test_text_and_email_give_derived_fields_only(quiet):
    found = fields(
        {
            "note": [f"spoke with them about item {i}" for i in range(ROWS)],
            "mail": [f"p{i}@firm{i % 7}.com" for i in range(ROWS)],
        }
    )
    assert set(found) == {"text_length(note)", "text_is_empty(note)", "email_domain_kind(mail)"}
    assert found["email_domain_kind(mail)"].kind is Kind.CATEGORICAL


def test_identifiers_are_left_out_with_a_word():
    with pytest.warns(DataSetWarning, match="'ref'.*identifier"):
        assert set(fields({"ref": [f"R{i:05d}" for i in range(ROWS)], "a": range(ROWS)})) == {"a"}


def test_a_declared_sentinel_gets_an_indicator_and_is_no_value(quiet):
    data = data_of({"pdays": [999 if i % 3 else i for i in range(ROWS)]}, sentinels={"pdays": [999]})
    schema = propose_schema(data)
    X = schema.encode(data).X
    assert schema.names == ("pdays", "is_sentinel(pdays, 999)")
    assert np.array_equal(X[:, 1] == 1, np.isnan(X[:, 0]))
    assert np.nanmax(X[:, 0]) < ROWS


def test_a_range_for_a_ratio_declares_it(quiet):
    data = data_of({"total": range(ROWS), "seats": [2] * ROWS}, ranges={"total / seats": [0, 50]})
    schema = propose_schema(data)
    assert schema.fields[-1].source == ("total", "seats")
    assert np.array_equal(schema.encode(data).X[:, -1], np.arange(ROWS) / 2)


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ({"ranges": {"stage": [0, 1]}}, "neither a number nor a date"),
        ({"ranges": {"size / stage": [0, 1]}}, "'stage' is not a numeric feature"),
        ({"numeric": ["stage"]}, "holds no number"),
        ({"dates": ["stage"]}, "no known format"),
    ],
)
def test_a_description_that_does_not_fit_the_columns_is_refused(description, reason):
    with pytest.raises(DataSetError, match=reason):
        fields({"stage": ["a", "b"] * (ROWS // 2), "size": range(ROWS)}, **description)


def test_numbers_not_on_the_list_of_numeric_columns_are_categories(quiet):
    found = fields({"code": [i % 5 for i in range(ROWS)], "size": range(ROWS)}, numeric=["size"])
    assert found["code"].kind is Kind.CATEGORICAL


def test_a_declared_numeric_column_may_hold_odd_values(quiet):
    data = data_of({"size": ["n/k" if i % 2 else i for i in range(ROWS)]}, numeric=["size"])
    assert np.isnan(propose_schema(data).encode(data).X[:, 0]).sum() == ROWS // 2


def test_features_that_some_participants_have_form_blocks(quiet):
    few = [i if i % 4 < 3 else "" for i in range(ROWS)]  # p3 has none
    data = data_of({"all": range(ROWS), "s1": few, "s2": few, "Amount": few})
    schema = propose_schema(data)
    assert schema.blocks == ("block of s1",)
    in_block = {f.name for f in schema.fields if f.block}
    assert in_block == {"s1", "s2", "Amount", "trailing_zeros(Amount)", "significant_digits(Amount)"}
    assert blocks_of(schema, data, "p0") == {"block of s1"}
    assert blocks_of(schema, data, "p3") == frozenset()


def test_a_feature_of_too_few_participants_is_left_out():
    data = data_of({"all": range(ROWS), "two": [i if i % 4 < 2 else "" for i in range(ROWS)]})
    with pytest.warns(DataSetWarning, match="2 participants have it; 3 are needed"):
        assert propose_schema(data).names == ("all",)
    assert propose_schema(data, block_min=2).names == ("all", "two")


def test_a_column_without_any_value_is_left_out():
    with pytest.warns(DataSetWarning, match="0 participants"):
        assert set(fields({"a": range(ROWS), "empty": [""] * ROWS})) == {"a"}


def test_nothing_left_to_learn_from_is_refused():
    with pytest.warns(DataSetWarning), pytest.raises(DataSetError, match="no column"):
        fields({"empty": [""] * ROWS})


def test_derived_fields_are_capped():
    columns = {f"Amount {i}": range(ROWS) for i in range(MOST_DERIVED)}
    with pytest.warns(DataSetWarning, match="budget"):
        assert len(fields(columns)) == 2 * MOST_DERIVED


def test_category_values_are_what_encoding_looks_up(quiet):
    stages = ["a ", "b", "", "NA", "a"] * (ROWS // 5)
    data = data_of({"stage": stages}, missing=["NA"])
    schema, rows = propose_schema(data), np.arange(6)
    assert list(category_values(schema, data, rows, "stage")) == ["a", "b", "", "", "a", "a"]
    with pytest.raises(ValueError, match="nothing"):
        category_values(schema, data, rows, "nothing")


def test_observed_values_serve_methods_without_privacy(quiet):
    data = data_of({"stage": ["a", "b", "b", ""] * (ROWS // 4), "size": range(ROWS), "flat": [3] * ROWS})
    schema, rows = propose_schema(data), np.arange(100)
    assert observed_categories(schema, data, rows) == {"stage": ("b", "a")}
    assert observed_categories(schema, data, rows, at_least=30) == {"stage": ("b",)}
    assert observed_ranges(schema, data, rows) == {"size": (0, 99), "flat": (2.5, 3.5)}


def test_a_column_of_one_huge_number_still_has_a_range():
    data = data_of({"debt": ["1e300"] * ROWS})
    (low, high) = observed_ranges(propose_schema(data), data, np.arange(ROWS))["debt"]
    assert low < float(np.finfo(np.float32).max) < high


def test_a_declared_date_column_may_hold_odd_values(quiet):
    days = ["soon" if i % 3 == 0 else f"{1 + i % 28}.03.2025" for i in range(ROWS)]
    data = data_of({"day": days}, dates=["day"])
    schema = propose_schema(data)
    assert schema.fields[0].argument == "%d.%m.%Y"
    assert np.isnan(schema.encode(data).X[:, 0]).sum() == ROWS // 3
