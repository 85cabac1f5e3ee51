import pytest

from fedcrm.explanation import Meaning, Moves, ideas_of, meanings_from_json, meanings_to_json
from fedcrm.features import Field, Kind, Schema


def schema():
    return Schema(
        (
            Field("roundness", Kind.NUMERIC, ("amount",), "trailing_zeros", low=-2, high=9),
            Field("amount", Kind.NUMERIC, ("amount",), "number", low=0, high=1000),
            Field("kind", Kind.CATEGORICAL, ("kind",), "category", categories=("a",)),
            Field("budget", Kind.NUMERIC, ("budget",), "number", low=0, high=1000),
            Field("share", Kind.NUMERIC, ("amount", "budget"), "ratio", low=0, high=10),
        )
    )


def test_what_comes_from_one_column_is_one_idea_that_shows_the_plain_value():
    found = {i.name: i for i in ideas_of(schema(), {})}
    assert list(found) == ["amount", "kind", "budget", "amount / budget"]
    assert found["amount"].fields == (0, 1)
    assert found["amount"].shown == 1
    assert found["amount / budget"].column is None


def test_every_field_is_in_exactly_one_idea():
    meanings = {"kind": Meaning(family="deal"), "budget": Meaning(family="deal")}
    found = ideas_of(schema(), meanings)
    assert sorted(f for i in found for f in i.fields) == [0, 1, 2, 3, 4]
    assert "deal" in {i.name for i in found}


def test_a_family_of_several_columns_is_not_actionable():
    meanings = {c: Meaning(family="deal", moves=Moves.BOTH) for c in ("kind", "budget")}
    assert not {i.name: i for i in ideas_of(schema(), meanings)}["deal"].actionable


def test_labels_are_the_organisations_where_it_gave_one():
    found = {i.name: i for i in ideas_of(schema(), {"amount": Meaning("Deal size", moves=Moves.UP)})}
    assert found["amount"].label == "Deal size"
    assert found["amount"].actionable
    assert found["kind"].label == "kind"
    assert not found["kind"].actionable


def test_meanings_survive_being_written_down():
    meanings = {"a": Meaning("A", "f", Moves.DOWN, 0, 5, True, ("x", "y")), "b": Meaning()}
    assert meanings_from_json(meanings_to_json(meanings)) == meanings


@pytest.mark.parametrize("raw", [[], {"a": 1}, {"a": {"moves": "sideways"}}, {"a": {"low": 5, "high": 1}}])
def test_other_meanings_are_refused(raw):
    with pytest.raises(ValueError, match=r"."):
        meanings_from_json(raw)
