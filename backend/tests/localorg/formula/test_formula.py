"""Results are those of the platform's formula reference ("Formula Operators and Functions")."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localorg.errors import OrgError
from localorg.formula import check_formula, evaluate, parse_formula


class Row:
    """A record as a formula sees it."""

    is_new = False
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    today = date(2026, 11, 24)

    def __init__(self, now, before=None):
        self.values, self.before = now, before if before is not None else now

    def value(self, path):
        return self.values.get(str(path))

    def prior(self, path):
        return self.before.get(str(path))


RECORD = Row(
    {
        "Amount": Decimal(100), "Stage": "Closed Won", "Close": date(2026, 1, 31), "Flag": True, "Empty": None,
        "Text": "", "Owner.Name": "Ada", "When": datetime(2026, 11, 23, 12, tzinfo=UTC), "Tags": "a;b",
    },
    {"Amount": Decimal(50), "Stage": "Closed Won"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1 + 2 * 3 ^ 2", 19),
        ("(1 + 2) * -3", -9),
        ("10 / 4", Decimal("2.5")),
        ("10 / 0", None),
        ("Amount * 1.1 >= 110", True),
        ("Amount > Empty", False),
        ("Empty + 1", None),
        ('"a" & "b" + "c"', "abc"),
        ('Stage = "Closed Won" && Flag', True),
        ('ISPICKVAL(Stage, "Closed Lost") || NOT(Flag)', False),
        ("AND(Flag, Amount = 100, ISBLANK(Empty), ISBLANK(Text))", True),
        ("OR(ISNULL(Amount), Amount <> 100)", False),
        ('IF(Amount > 50, "big", "small")', "big"),
        ('CASE(Stage, "New", 1, "Closed Won", 2, 3)', 2),
        ("ISCHANGED(Amount)", True),
        ("ISCHANGED(Stage)", False),
        ("PRIORVALUE(Amount)", 50),
        ("ISNEW()", False),
        ("TODAY() - Close", 297),
        ("Close + 1 = DATE(2026, 2, 1)", True),
        ("ADDMONTHS(Close, 1)", date(2026, 2, 28)),
        ("NOW() - When", 1),
        ("YEAR(Close) * 100 + MONTH(Close)", 202601),
        ("WEEKDAY(Close)", 7),
        ("CEILING(-2.5)", -3),
        ("FLOOR(-2.5)", -2),
        ("ROUND(2.345, 2)", Decimal("2.35")),
        ("MOD(-1, 3)", 2),
        ("MAX(1, Empty, 3) - MIN(2, 5)", 1),
        ('LEFT("abc", 2) & RIGHT("abc", 1) & MID("abc", 2, 1)', "abcb"),
        ('FIND("c", "abcabc") + LEN("four")', 7),
        ('CONTAINS(Owner.Name, "d") && BEGINS(Owner.Name, "A")', True),
        ('REGEX("12345", "[0-9]{5}")', True),
        ('INCLUDES(Tags, "b")', True),
        ('TEXT(Amount) & "%"', "100%"),
        ('VALUE("1.50")', Decimal("1.5")),
        ("BLANKVALUE(Text, 'none')", "none"),
        ('SUBSTITUTE(UPPER("aba"), "B", "-")', "A-A"),
        ('DATEVALUE("2026-02-30")', None),
        ('"a" * 2', None),
        ('REGEX("a", "(")', None),
        ("9 ^ (9 ^ (9 ^ 9))", None),
        ("/* a note */ 1", 1),
    ],
)
def test_a_formula_comes_to(formula, value):
    assert evaluate(parse_formula(formula), RECORD) == value


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "Missing operand"),
        ("1 +", "Missing operand"),
        ("(1", "Missing ')'"),
        ("1 2", "Extra '2'"),
        ("'it''s' = 'it'", "Extra ''s''"),
        ("a @ b", "Found '@'"),
        ("NOPE(1)", "Unknown function NOPE"),
        ("IF(TRUE, 1)", "Incorrect number of parameters for function 'IF()'"),
        ("Missing__c = 1", "Field Missing__c does not exist"),
        ("(" * 1000 + "1" + ")" * 1000, "too complex"),
    ],
)
def test_a_formula_that_cannot_be_evaluated_is_refused_by_name(formula, message):
    with pytest.raises(OrgError) as refused:
        check_formula(parse_formula(formula), lambda path: str(path) != "Missing__c")
    assert message in refused.value.message


def outcome(text):
    """The code of the refusal, or None where it comes to something; anything else fails the test."""
    try:
        node = parse_formula(text)
        check_formula(node, lambda _path: True)
    except OrgError as refused:
        return refused.code
    evaluate(node, RECORD)
    return None


WORDS = [
    "1",
    "Amount",
    "Close",
    "(",
    ")",
    "+",
    "-",
    "*",
    "/",
    "^",
    "&",
    "=",
    "<",
    ",",
    "'t'",
    "NOT(",
    "IF(",
    "LEFT(",
    "NULL",
]


@given(st.lists(st.sampled_from(WORDS), max_size=15).map(" ".join))
def test_no_order_of_words_breaks_it(text):
    assert outcome(text) in (None, "FIELD_INTEGRITY_EXCEPTION")
