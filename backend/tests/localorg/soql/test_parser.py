import pytest
from hypothesis import given
from hypothesis import strategies as st

from localorg.errors import OrgError
from localorg.soql import binds_of, parse
from localorg.soql.ast import And, Bind, Comparison, DateLiteral, FieldPath, Function, InList, Not, Or, Query, SubQuery

ACCEPTED = [
    "SELECT Id FROM Account",
    "select id from account",
    "SELECT Id, Account.Owner.Manager.Name FROM Contact",
    "SELECT a.Id FROM Account a WHERE a.Name = 'x'",
    "SELECT Id FROM Contact c, c.Account a WHERE a.Name = 'x'",
    "SELECT FIELDS(STANDARD) FROM Account LIMIT 200",
    "SELECT COUNT() FROM Account",
    "SELECT COUNT(Id) total, Industry FROM Account GROUP BY Industry HAVING COUNT(Id) > 1 ORDER BY COUNT(Id) DESC",
    "SELECT Id, (SELECT Id FROM Contacts WHERE Name != null ORDER BY Name LIMIT 5) FROM Account",
    "SELECT Id FROM Account WHERE Name LIKE '%\\'quoted\\'%' AND (NumberOfEmployees > 1.5e3 OR Site = null)",
    "SELECT Id FROM Account WHERE NOT (Name = 'a' OR Name = 'b')",
    "SELECT Id FROM Account WHERE CreatedDate > 2026-01-01T00:00:00Z",
    "SELECT Id FROM Account WHERE CreatedDate > 2026-01-01T00:00:00.123+02:00",
    "SELECT Id FROM Opportunity WHERE CloseDate = LAST_N_FISCAL_QUARTERS:2 AND CloseDate != THIS_FISCAL_YEAR",
    "SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE LastName = 'x')",
    "SELECT Id FROM Account WHERE Id NOT IN ('001000000000001', '001000000000002')",
    "SELECT Id FROM Account USING SCOPE mine WHERE Name = 'a' WITH SECURITY_ENFORCED ORDER BY Name NULLS LAST",
    "SELECT Id FROM Account WITH USER_MODE LIMIT 10 OFFSET 5",
    "SELECT Id FROM Account ORDER BY Name ASC NULLS FIRST, Id DESC LIMIT 1 FOR UPDATE",
    "SELECT Id FROM Account LIMIT 1 ALL ROWS",
    "SELECT Id FROM X__c WHERE Choice__c INCLUDES ('a;b', 'c') AND Choice__c EXCLUDES ('d')",
    "SELECT CALENDAR_YEAR(convertTimezone(CreatedDate)) FROM Lead GROUP BY CALENDAR_YEAR(convertTimezone(CreatedDate))",
    "SELECT toLabel(Status), FORMAT(Amount) shown FROM Opportunity",
    "SELECT Id FROM Account WHERE Name = :name AND Id IN :ids LIMIT :limits.page(1)[0]",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_the_platform_accepts_is_read_to_its_last_token(text):
    assert isinstance(parse(text), Query)
    with pytest.raises(OrgError):
        parse(text + " )")


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "unexpected token: '<EOF>'"),
        ("SELECT", 7, "unexpected token: '<EOF>'"),
        ("SELECT FROM Account", 8, "unexpected token: 'FROM'"),
        ("SELECT Id FROM Account WHERE", 29, "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'", 56, "unexpected token: 'OR'"),
        ("SELECT Id FROM Account WHERE Name == 'a'", 36, "unexpected token: '='"),
        ("SELECT Id FROM Account WHERE Name = 'a", 37, "Invalid string literal"),
        ("SELECT Id FROM Account LIMIT -1", 30, "unexpected token: '-1'"),
        ("SELECT Id FROM Account trailing words", 33, "unexpected token: 'words'"),
        ("SELECT Id FROM Account WHERE Name = LAST_N_DAYS", 37, "unexpected token: 'LAST_N_DAYS'"),
        ("SELECT Id FROM Account WHERE Name IN ('a' 'b')", 43, "expecting a right parentheses, found 'b'"),
        ("SELECT TYPEOF What WHEN Account THEN Phone END FROM Event", 8, "TYPEOF is not supported in this query"),
        ("SELECT COUNT(Id) FROM Lead GROUP BY ROLLUP(Status)", 37, "GROUP BY ROLLUP is not supported in this query"),
        (
            "SELECT Id FROM Account WHERE DISTANCE(Place__c, GEOLOCATION(1, 2), 'mi') < 20",
            30,
            "DISTANCE function is not supported in this query",
        ),
    ],
)
def test_a_malformed_query_is_pointed_at(text, column, message):
    with pytest.raises(OrgError) as refused:
        parse(text)
    assert refused.value.code == "MALFORMED_QUERY"
    assert refused.value.message.endswith(f"\nERROR at Row:1:Column:{column}\n{message}")


def test_the_caret_stands_under_the_place_also_in_a_later_line():
    with pytest.raises(OrgError) as refused:
        parse("SELECT Id\nFROM Account\nWHERE Name @ 'a'")
    _, line, caret, where, *_ = refused.value.message.split("\n")
    assert line[caret.index("^")] == "@"
    assert where == "ERROR at Row:3:Column:12"


def test_conditions_become_a_tree():
    query = parse("SELECT Id FROM Account WHERE NOT Name = 'a' AND (Site = 'b' OR CreatedDate = LAST_N_DAYS:7)")
    assert isinstance(query.where, And)
    first, second = query.where.items
    assert isinstance(first, Not)
    assert isinstance(second, Or)
    right = second.items[1]
    assert isinstance(right, Comparison)
    assert right.right == DateLiteral("LAST_N_DAYS", 7, right.right.position)


@pytest.mark.parametrize(
    ("written", "read"),
    [(r"\'", "'"), (r"\n", "\n"), (r"\\", "\\"), (r"\"", '"'), (r"\u00e9", "é"), (r"\t", "\t")],
)
def test_escapes_in_strings_are_the_platforms(written, read):
    query = parse(f"SELECT Id FROM Account WHERE Name = '{written}'")
    assert query.where.right.value == read


def test_select_holds_paths_functions_and_sub_queries_in_order():
    query = parse("SELECT Name, COUNT(Id) n, (SELECT Id FROM Contacts) FROM Account")
    items = [entry.item for entry in query.select]
    assert [type(item) for item in items] == [FieldPath, Function, SubQuery]
    assert [entry.alias for entry in query.select] == [None, "n", None]


def test_a_bind_keeps_its_expression_as_written_and_where():
    text = "SELECT Id FROM Account WHERE Name = :acc.get('x, y')[0].Name AND Id IN :(first + second) LIMIT :n"
    binds = sorted(binds_of(parse(text)), key=lambda bind: bind.position)
    assert [bind.text for bind in binds] == ["acc.get('x, y')[0].Name", "(first + second)", "n"]
    assert [text[bind.position :][: len(bind.text)] for bind in binds] == [bind.text for bind in binds]


def test_a_bound_list_stands_alone_after_in():
    where = parse("SELECT Id FROM Account WHERE Id IN :ids").where
    assert isinstance(where, InList)
    assert isinstance(where.values[0], Bind)


def test_brackets_too_deep_are_refused_not_recursed_into():
    with pytest.raises(OrgError):
        parse("SELECT Id FROM Account WHERE " + "(" * 5000 + "Name = 'a'" + ")" * 5000)
    with pytest.raises(OrgError):
        parse("SELECT Id FROM Account WHERE " + "NOT " * 5000 + "Name = 'a'")


WORDS = [
    "SELECT", "FROM", "WHERE", "Id", "Name", "Account", "(", ")", ",", "=", "'a'", "AND", "OR", "NOT", "IN", "LIKE",
    "GROUP", "BY", "ORDER", "LIMIT", "1", "COUNT()", "FIELDS(ALL)", ":x", ":", ".", "TODAY", "LAST_N_DAYS:3", "null",
    "2026-01-01", "HAVING", "ALL ROWS", "WITH", "USING SCOPE", "FOR UPDATE", "TYPEOF", "'", "\\", "é", "[", "]",
]  # fmt: skip


def code_of(text):
    """MALFORMED_QUERY, or None where the text parses; anything else gets out and fails the test."""
    try:
        parse(text)
    except OrgError as refused:
        return refused.code
    return None


@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join))
def test_whatever_order_words_come_in_only_the_platforms_error_comes_out(text):
    assert code_of(text) in (None, "MALFORMED_QUERY")


@given(st.text(max_size=80))
def test_whatever_text_comes_in_only_the_platforms_error_comes_out(text):
    for query in (text, f"SELECT Id FROM Account WHERE Name = {text}", f"SELECT {text} FROM Account"):
        assert code_of(query) in (None, "MALFORMED_QUERY")
