import json
from pathlib import Path

import pytest

from fedcrm.errors import DataSetError
from fedcrm.features import DataSetWarning, Metric, PublicCategories, PublicRange, parse_description, read_description

PATH = Path("somewhere") / "dataset.json"
LEAST = {"name": "n", "task": "t", "label": "y", "positive": ["1"]}


def parse(**more):
    return parse_description({**LEAST, **more}, PATH)


def test_four_keys_are_enough():
    d = parse()
    assert (d.numeric, d.dates, d.missing, d.order, d.metric) == (None, (), ("",), None, Metric.AUC)
    assert not d.metric.spearman


def test_the_whole_of_a_description_is_kept():
    d = parse(
        keep=["a", "b"], numeric=["a"], dates=["b"], missing=["NA"], order="b", metric="auc+spearman",
        participants={"p": 3, "q": 4}, activity_date="b", label_source="s", unit="u",
    )  # fmt: skip
    assert (d.keep, d.numeric, d.dates, d.missing, d.order) == (("a", "b"), ("a",), ("b",), ("", "NA"), "b")
    assert (d.activity_date, d.label_source, d.unit, dict(d.participants)) == ("b", "s", "u", {"p": 3, "q": 4})
    assert d.metric.spearman


@pytest.mark.parametrize(("given", "meant"), [(1, "1"), (True, "true"), ("Yes", "Yes"), ([1, 2], "2"), (1.0, "1")])
def test_positive_may_be_one_value_of_any_kind(given, meant):
    assert meant in parse(positive=given).positive


@pytest.mark.parametrize(
    "given", [[0, 100], {"low": 0, "high": 100}, ["0", "100"], ["1970-01-01", "1970-04-11"]]
)  # fmt: skip
def test_ranges_are_pairs_objects_numbers_or_dates(given):
    assert parse(ranges={"a": given}).ranges == {"a": PublicRange(0.0, 100.0)}


def test_ranges_and_categories_carry_their_source():
    d = parse(
        ranges={"a": {"low": 0, "high": 1, "source": "the law"}},
        categories={"b": {"values": ["x", 1], "source": "a manual"}, "c": ["z"]},
    )
    assert d.ranges["a"].source == "the law"
    assert d.categories == {"b": PublicCategories(("x", "1"), "a manual"), "c": PublicCategories(("z",))}


def test_missing_by_column_declares_sentinels():
    d = parse(missing={"*": ["NA"], "pdays": [999]}, sentinels={"pdays": [-1], "age": ["0"]})
    assert d.missing == ("", "NA")
    assert d.sentinels == {"pdays": ("999", "-1"), "age": ("0",)}


def test_unknown_keys_warn_and_are_ignored():
    with pytest.warns(DataSetWarning, match="'colour'"):
        assert parse(colour="blue") == parse()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"name": None}, "'name'"),
        ({"task": " "}, "'task'"),
        ({"label": 3}, "'label'"),
        ({"positive": None}, "'positive' is missing"),
        ({"positive": []}, "'positive'"),
        ({"positive": [""]}, "'positive'"),
        ({"positive": [{}]}, "'positive'"),
        ({"positive": ["NA"], "missing": ["NA"]}, "as positive and as missing"),
        ({"drop": ["a"], "keep": ["b"]}, "both 'drop' and 'keep'"),
        ({"drop": "a"}, "'drop' must be a list"),
        ({"drop": ["a", "a"]}, "twice"),
        ({"keep": ["y"]}, "leaves no feature"),
        ({"keep": []}, "leaves no feature"),
        ({"numeric": "all"}, "'numeric'"),
        ({"numeric": [1]}, "'numeric'"),
        ({"numeric": ["a"], "dates": ["a"]}, "in 'numeric' and in 'dates'"),
        ({"numeric": ["a"], "categories": {"a": ["x"]}}, "in 'numeric' and in 'categories'"),
        ({"dates": ["a"], "categories": {"a": ["x"]}}, "in 'dates' and in 'categories'"),
        ({"ranges": {"a": [0, 1]}, "categories": {"a": ["x"]}}, "in 'ranges' and in 'categories'"),
        ({"numeric": ["y"]}, "lists the label"),
        ({"order": "y"}, "uses the label"),
        ({"unit": "y"}, "uses the label"),
        ({"order": 3}, "'order'"),
        ({"metric": "accuracy"}, "'metric' must be"),
        ({"participants": 9}, "'participants'"),
        ({"participants": {"a": "many"}}, "'participants'"),
        ({"participants": {"a": -1}}, "'participants'"),
        ({"participants": {" ": 1}}, "'participants'"),
        ({"participants": ["a", 1]}, "'participants'"),
        ({"ranges": [0, 1]}, "'ranges' must be an object"),
        ({"ranges": {"a": [1, 1]}}, "low < high"),
        ({"ranges": {"a": [2, 1]}}, "low < high"),
        ({"ranges": {"a": [1]}}, "'ranges' of 'a'"),
        ({"ranges": {"a": 3}}, "'ranges' of 'a'"),
        ({"ranges": {"a": {"low": 1}}}, "'ranges' of 'a'"),
        ({"ranges": {"a": [0, float("inf")]}}, "finite"),
        ({"ranges": {"a": ["x", "y"]}}, "finite"),
        ({"categories": {"a": []}}, "'categories' of 'a'"),
        ({"categories": {"a": "x"}}, "'categories' of 'a'"),
        ({"categories": {"a": ["x", "x"]}}, "distinct"),
        ({"categories": {"a": ["x", " "]}}, "distinct and not blank"),
        ({"missing": [["a"]]}, "'missing'"),
        ({"sentinels": ["999"]}, "'sentinels' must be an object"),
    ],
)
def test_a_wrong_value_is_refused_with_the_file_and_the_key(more, reason):
    with pytest.raises(DataSetError) as caught:
        parse(**more)
    assert caught.value.path == PATH
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"[]", "one JSON object"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"name": 1, "name": 2}', "'name' twice"),
        (b"[" * 100_000, "not JSON"),
    ],
    ids=["cut short", "empty", "a list", "not UTF-8", "a key twice", "too deep"],
)
def test_a_file_that_is_no_description_is_refused(tmp_path, content, reason):
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(DataSetError, match=reason):
        read_description(tmp_path / "dataset.json")


def test_a_byte_order_mark_before_the_description_is_tolerated(tmp_path):
    (tmp_path / "dataset.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(LEAST).encode())
    assert read_description(tmp_path / "dataset.json") == parse()
