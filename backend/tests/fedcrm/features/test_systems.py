"""What organisations agree on before they train: from what each says of its own systems, with nobody's records."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import pytest

from fedcrm.errors import DataSetError
from fedcrm.features import (
    DataSet,
    DataSetWarning,
    DeclaredColumn,
    DeclaredVocabulary,
    PublicRange,
    join,
    parse_description,
    propose_schema,
    schema_of,
    systems_of,
    task_name,
)

COUNT = DeclaredColumn("activity.count_90d", "number", "count")
VALUE = DeclaredColumn("opportunity.open_value", "number", "currency", 2)
INDUSTRY = DeclaredColumn("account.industry", "category")
RENEWS = DeclaredColumn("contract.auto_renew", "flag")
SHARE = DeclaredColumn("support.high_priority_share", "number", "percent")
USAGE = DeclaredColumn("product.usage_level", "number", "score", 1)
COMMON = (COUNT, VALUE, INDUSTRY, RENEWS, SHARE)


def organisation(name, columns=COMMON, **changed):
    """Two records, whose values are as odd as can be: nothing may depend on them."""
    description = {"name": name, "task": "churn", "label": "label", "positive": ["1"]}
    vocabulary = {"digest": "", "columns": [dataclasses.asdict(column) for column in columns]}
    parsed = parse_description({**description, "vocabulary": vocabulary, **changed}, Path(name))
    values = {column.name: ["2024-01-01", "a@b.c"] for column in columns}
    return DataSet.from_columns(parsed, {**values, "label": ["0", "1"]}, [name, name])


def agreed(*organisations, block_min=3):
    joined = join([systems_of(data) for data in organisations], "churn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataSetWarning)
        return joined, schema_of(joined.systems, block_min=block_min)


def test_the_schema_is_what_was_declared_whatever_the_records_hold():
    _, schema = agreed(*(organisation(name) for name in "ABC"))
    fields = {f.name: f for f in schema.fields}
    assert set(fields) == {c.name for c in COMMON} | {
        "trailing_zeros(opportunity.open_value)",
        "significant_digits(opportunity.open_value)",
    }
    assert (fields["account.industry"].kind, fields["account.industry"].categories) == ("categorical", None)
    assert (fields["contract.auto_renew"].low, fields["contract.auto_renew"].high) == (0, 1)
    assert (fields["support.high_priority_share"].low, fields["support.high_priority_share"].high) == (0, 100)
    assert fields["opportunity.open_value"].unit == "currency"
    # What no public range is known for stays open: it is asked for privately, never read off records.
    assert {"activity.count_90d", "opportunity.open_value"} == set(schema.unknown_ranges)


def test_other_records_make_no_other_schema():
    one, other = organisation("A"), organisation("A")
    odd = {name: type(c).of(["17", "seventeen and a half"]) for name, c in other.columns.items()}
    assert systems_of(one) == systems_of(dataclasses.replace(other, columns=odd))


def test_several_organisations_and_one_table_of_them_all_agree_on_the_same():
    names = ("A", "B", "C", "D")
    holders = {name: (*COMMON, USAGE) if name != "D" else COMMON for name in names}
    _, apart = agreed(*(organisation(name, holders[name]) for name in names))
    joined = join([systems_of(organisation(name, holders[name])) for name in reversed(names)], "churn")
    assert apart.blocks == ("block of product.usage_level",)
    assert schema_of(joined.systems) == apart
    together, _ = agreed(*(organisation(name) for name in names))
    everybody = organisation("A")
    pooled = dataclasses.replace(
        everybody,
        columns={n: type(c).of(["1"] * 4) for n, c in everybody.columns.items()},
        label=everybody.label[[0, 1, 0, 1]],
        participant=type(everybody.participant)(4, dtype=object),
    )
    pooled.participant[:] = list(names)
    assert propose_schema(pooled) == schema_of(together.systems)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (dataclasses.replace(COUNT, kind="category", unit=""), "calls 'activity.count_90d' a category"),
        (dataclasses.replace(VALUE, unit="count"), "counts 'opportunity.open_value' in count"),
    ],
)
def test_who_contradicts_most_others_is_left_out_with_the_reason(wrong, reason):
    columns = tuple(wrong if c.name == wrong.name else c for c in COMMON)
    joined, schema = agreed(*(organisation(n) for n in "ACD"), organisation("B", columns))
    assert list(joined.left_out) == ["B"]
    assert reason in joined.left_out["B"]
    assert joined.systems.participants == ("A", "C", "D")
    assert schema == agreed(*(organisation(n) for n in "ACD"))[1]


def test_no_more_are_left_out_than_must_be():
    """Each of three contradicts the two others in one column: with one of them gone the rest may still disagree."""
    changed = {
        "A": dataclasses.replace(COUNT, unit="days"),
        "B": dataclasses.replace(VALUE, unit="count"),
        "C": dataclasses.replace(SHARE, unit="score"),
    }
    parties = [organisation(n, tuple(changed[n] if c.name == changed[n].name else c for c in COMMON)) for n in changed]
    joined, _ = agreed(*parties, *(organisation(n) for n in "DEF"))
    assert set(joined.left_out) == {"A", "B", "C"}
    joined, _ = agreed(parties[0], *(organisation(n) for n in "DEF"))
    assert set(joined.left_out) == {"A"}


def test_a_block_that_too_few_share_is_not_federated_and_one_that_enough_share_is():
    mood = DeclaredColumn("own.mood", "category", block="telecom")
    with pytest.warns(DataSetWarning, match=r"own\.mood.*2 participants"):
        schema_of(
            join([systems_of(organisation(n, (*COMMON, mood) if n in "AB" else COMMON)) for n in "ABCD"], "c").systems
        )
    _, schema = agreed(*(organisation(n, (*COMMON, mood) if n in "ABC" else COMMON) for n in "ABCD"))
    assert schema.blocks == ("block of own.mood",)


def test_a_column_of_another_block_under_the_same_name_is_a_stranger():
    def mood(block):
        return (*COMMON, DeclaredColumn("own.mood", "category", block=block))

    joined, schema = agreed(*(organisation(n, mood("telecom")) for n in "ABC"), organisation("D", mood("D")))
    assert joined.strangers == {"D": frozenset({"own.mood"})}
    assert joined.systems.columns["own.mood"].holders == ("A", "B", "C")
    assert schema.blocks


def test_public_ranges_of_all_are_taken_together():
    ranges = [{"activity.count_90d": [0, high]} for high in (20, 50)]
    joined, _ = agreed(*(organisation(n, ranges=r) for n, r in zip("AB", ranges, strict=True)), organisation("C"))
    assert joined.systems.ranges["activity.count_90d"] == PublicRange(0, 50, "data set description")


@pytest.mark.parametrize(
    ("vocabulary", "reason"),
    [
        ({"digest": 1, "columns": []}, "must hold a digest"),
        ({"digest": "", "columns": [{"name": "a"}]}, "declares each column by"),
        ({"digest": "", "columns": [dataclasses.asdict(dataclasses.replace(COUNT, kind="date"))]}, "neither number"),
        ({"digest": "", "columns": [dataclasses.asdict(COUNT)] * 2}, "declares a column twice"),
    ],
)
def test_a_vocabulary_of_another_form_is_refused(vocabulary, reason):
    with pytest.raises(DataSetError, match=reason):
        organisation("A", (), vocabulary=vocabulary)


def test_a_vocabulary_keeps_its_order_and_digest():
    found = organisation("A").description.vocabulary
    assert found == DeclaredVocabulary("", COMMON)


def test_a_task_has_one_name_inside():
    assert task_name("win_probability") == task_name("opportunity_win") == "opportunity_win"
    assert organisation("A", task="win_probability").description.task == "opportunity_win"
    assert task_name("churn") == "churn"
