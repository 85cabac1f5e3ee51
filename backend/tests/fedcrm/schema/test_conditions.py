"""Conditions as the extractor reads them."""

from __future__ import annotations

import pytest

from fedcrm.schema.conditions import Condition, Operator, parse_conditions


def test_conditions_are_joined_by_semicolons():
    assert parse_conditions(
        "IsClosed = false; Priority in High|Critical ;Title contains Chief|Vice President; X is null"
    ) == (
        Condition("IsClosed", Operator.EQUAL, ("false",)),
        Condition("Priority", Operator.IN, ("High", "Critical")),
        Condition("Title", Operator.CONTAINS, ("Chief", "Vice President")),
        Condition("X", Operator.IS, ("null",)),
    )
    assert parse_conditions(" ; ") == ()


def test_operators_are_told_apart_whatever_their_case():
    (one,) = parse_conditions("Stage__c NOT  IN a|b")
    assert one.operator is Operator.NOT_IN
    assert [c.operator for c in parse_conditions("A >= 1; A > 1; A != 1; A <= -2.5; A < 1")] == [
        Operator.AT_LEAST, Operator.MORE, Operator.UNEQUAL, Operator.AT_MOST, Operator.LESS
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["A", "A = ", "= 3", "A = b|c", "A > many", "A is empty", "A in b|", "A like x%", "1A = 2"]
)
def test_what_cannot_be_read_is_named(text):
    with pytest.raises(ValueError, match="^" + text.strip()[:2]):
        parse_conditions(f"IsClosed = true; {text}")
