"""Our parser beside another one: `@jetstreamapp/soql-parser-js` (MIT), installed from npm for this test alone.

Made-up queries of every form that both know: each must be read by both, and to the same things in the same order.
"""

import json
import random
import subprocess

import pytest

from localorg.soql import parse
from localorg.soql.ast import (
    And,
    Comparison,
    DateLiteral,
    FieldPath,
    Function,
    Includes,
    InList,
    InQuery,
    Literal,
    LiteralKind,
    Not,
    Or,
    SubQuery,
)

VERSION = "6.3.1"
READER = """
const { parseQuery } = require('@jetstreamapp/soql-parser-js');
const queries = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const answers = queries.map(text => {
  try { return { query: parseQuery(text) }; } catch (problem) { return { problem: String(problem) }; }
});
process.stdout.write(JSON.stringify(answers));
"""


class Author:
    """Writes queries at random, from a seed."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def pick(self, *options):
        return self.rng.choice(options)

    def maybe(self, text, chance=0.4):
        return text if self.rng.random() < chance else ""

    def path(self):
        return self.pick("Id", "Name", "Account.Name", "Account.Owner.Name", "Custom__c", "Parent__r.Key__c", "Amount")

    def value(self):
        return self.pick(
            "'text'", "'it\\'s'", "''", "12", "-1.5", "true", "FALSE", "null", "2026-01-31", "2026-01-31T10:00:00Z",
            "TODAY", "LAST_N_DAYS:30", "THIS_FISCAL_QUARTER", "NEXT_N_MONTHS:2",
        )  # fmt: skip

    def test(self, depth):
        form = self.rng.random()
        if form < 0.15 and depth < 3:
            return f"({self.condition(depth + 1)})"
        if form < 0.25:
            return f"(NOT {self.path()} = {self.value()})"
        if form < 0.4:
            values = ", ".join(self.pick("'a'", "'b c'") for _ in range(self.rng.randint(1, 4)))
            return f"{self.path()} {self.pick('IN', 'NOT IN')} ({values})"
        if form < 0.5:
            return (
                f"Id {self.pick('IN', 'NOT IN')} (SELECT AccountId FROM Contact WHERE {self.path()} = {self.value()})"
            )
        if form < 0.6:
            return f"Choice__c {self.pick('INCLUDES', 'EXCLUDES')} ('a;b', 'c')"
        if form < 0.7:
            return f"{self.path()} LIKE 'a%'"
        return f"{self.path()} {self.pick('=', '!=', '<', '<=', '>', '>=')} {self.value()}"

    def condition(self, depth=0):
        word = self.pick(" AND ", " OR ")
        return word.join(self.test(depth) for _ in range(self.rng.randint(1, 3)))

    def tail(self):
        order = f" ORDER BY {self.path()}{self.pick('', ' ASC', ' DESC')}{self.pick('', ' NULLS FIRST', ' NULLS LAST')}"
        # The other parser knows OFFSET only after LIMIT.
        return self.maybe(order) + self.maybe(f" LIMIT {self.rng.randint(1, 99)}{self.maybe(' OFFSET 5')}")

    def query(self):
        where = self.maybe(f" WHERE {self.condition()}", 0.8)
        if self.rng.random() < 0.25:
            group = self.path()
            having = self.maybe(" HAVING COUNT(Id) > 1")
            return f"SELECT {group}, COUNT(Id) n, MAX(Amount) FROM Opportunity{where} GROUP BY {group}{having}"
        fields = [self.path() for _ in range(self.rng.randint(1, 4))]
        if self.rng.random() < 0.3:
            fields.append(
                f"(SELECT {self.path()} FROM Contacts{self.maybe(f' WHERE {self.condition()}')}{self.tail()})"
            )
        return f"SELECT {', '.join(fields)} FROM Account{where}{self.tail()}"


def ours(query):
    """What matters of a query, as plain lists."""
    return {
        "select": [selected(entry) for entry in query.select],
        "from": str(query.source),
        "where": conditions_of(query.where),
        "group": [str(item) for item in query.group_by],
        "having": conditions_of(query.having),
        "order": [[str(item.item), item.descending, item.nulls_first] for item in query.order_by],
        "limit": query.limit,
        "offset": query.offset,
    }


def selected(entry):
    if isinstance(entry.item, SubQuery):
        return ours(entry.item.query)
    if isinstance(entry.item, Function):
        return [entry.item.name, [str(item) for item in entry.item.arguments], entry.alias]
    return str(entry.item)


def conditions_of(condition):
    match condition:
        case None:
            return []
        case And(items) | Or(items):
            return [test for item in items for test in conditions_of(item)]
        case Not(item):
            return conditions_of(item)
        case Comparison(left, operator, right):
            return [[name(left), operator, written(right)]]
        case InList(left, values, negated):
            return [[name(left), "NOT IN" if negated else "IN", [written(value) for value in values]]]
        case Includes(left, values, negated):
            return [[name(left), "EXCLUDES" if negated else "INCLUDES", [written(value) for value in values]]]
        case InQuery(left, query, negated):
            return [[name(left), "NOT IN" if negated else "IN", ours(query)]]


def name(left):
    return str(left) if isinstance(left, FieldPath) else [left.name, [str(item) for item in left.arguments]]


def written(value):
    if isinstance(value, DateLiteral):
        return value.name if value.count is None else f"{value.name}:{value.count}"
    assert isinstance(value, Literal)
    if value.kind is LiteralKind.STRING:
        return "'" + str(value.value).replace("'", "\\'") + "'"
    return str(value.value).lower() if value.kind in (LiteralKind.BOOLEAN, LiteralKind.NULL) else str(value.value)


def theirs(query):
    return {
        "select": [their_field(item) for item in query["fields"]],
        "from": query.get("sObject") or query.get("relationshipName"),
        "where": their_conditions(query.get("where")),
        "group": [item["field"] for item in query.get("groupBy", [])],
        "having": their_conditions(query.get("having")),
        "order": [
            [item["field"], item.get("order") == "DESC", {"FIRST": True, "LAST": False}.get(item.get("nulls"))]
            for item in query.get("orderBy", [])
        ],
        "limit": query.get("limit"),
        "offset": query.get("offset"),
    }


def their_field(item):
    if item["type"] == "FieldSubquery":
        return theirs(item["subquery"])
    if item["type"] == "FieldFunctionExpression":
        return [item["functionName"], item["parameters"], item.get("alias")]
    return item.get("rawValue") or item["field"]


def their_conditions(node):
    found = []
    while node:
        left = node.get("left") or {}
        if "operator" in left:
            field = left["field"] if "field" in left else [left["fn"]["functionName"], left["fn"]["parameters"]]
            value = theirs(left["valueQuery"]) if "valueQuery" in left else left["value"]
            found.append([field, left["operator"].upper(), plain(value)])
        node = node.get("right")
    return found


def plain(value):
    if isinstance(value, str) and value.lower() in ("true", "false", "null", "none"):
        return value.lower().replace("null", "none")
    return value


@pytest.fixture(scope="module")
def read_theirs(tmp_path_factory):
    """Install their parser; a function from queries to its answers."""
    folder = tmp_path_factory.mktemp("parser")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"@jetstreamapp/soql-parser-js@{VERSION}"]
    subprocess.run(install, cwd=folder, check=True, timeout=120)

    def read(queries):
        done = subprocess.run(
            ["node", "-e", READER], cwd=folder, input=json.dumps(queries), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return read


@pytest.mark.slow
def test_both_parsers_read_the_same_of_a_thousand_queries(read_theirs):
    queries = [Author(seed).query() for seed in range(1000)]
    for text, answer in zip(queries, read_theirs(queries), strict=True):
        assert "query" in answer, (text, answer)
        assert json.loads(json.dumps(ours(parse(text)))) == theirs(answer["query"]), text
