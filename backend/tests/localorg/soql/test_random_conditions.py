"""Random conditions over random rows: what the org finds, beside a plain reading of SOQL's rules in Python."""

import random
from datetime import timedelta

import pytest

from localorg.schema import FieldType, custom_field

NAMES = ["Acme", "acme", "Beta", "", "ÄRGER", "ärger", "a%b", None]
INDUSTRIES = ["Banking", "Retail", None]
REVENUES = [None, -1.5, 0, 10, 10.25]
DAYS = [None, "2026-11-23", "2026-11-24", "2026-11-25", "2025-12-31"]


class Case:
    """One condition: its text, and a function that decides for a row."""

    def __init__(self, text, holds):
        self.text = text
        self.holds = holds


def quoted(value):
    return "null" if value is None else "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def folded(value):
    return value.casefold() if isinstance(value, str) else value


def same(first, second):
    return folded(first or None) == folded(second or None)


class Author:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def rows(self, count):
        return [
            {
                "Name": f"row {number}",
                "Site": self.rng.choice(NAMES),
                "Industry": self.rng.choice(INDUSTRIES),
                "AnnualRevenue": self.rng.choice(REVENUES),
                "Day__c": self.rng.choice(DAYS),
                "Flag__c": self.rng.random() < 0.5,
            }
            for number in range(count)
        ]

    def text_test(self):
        field = self.rng.choice(["Site", "Industry"])
        values = [self.rng.choice([*NAMES, *INDUSTRIES]) for _ in range(self.rng.randint(1, 3))]
        form = self.rng.randrange(4)
        if form == 0:
            return Case(f"{field} = {quoted(values[0])}", lambda row: same(row[field], values[0]))
        if form == 1:
            return Case(f"{field} != {quoted(values[0])}", lambda row: not same(row[field], values[0]))
        listed = ", ".join(quoted(value) for value in values)
        if form == 2:
            return Case(f"{field} IN ({listed})", lambda row: any(same(row[field], value) for value in values))
        return Case(f"{field} NOT IN ({listed})", lambda row: not any(same(row[field], value) for value in values))

    def like_test(self):
        start = self.rng.choice(["a", "ä", "B", "x", "a\\%"])
        plain = start.replace("\\", "")
        return Case(f"Site LIKE '{start}%'", lambda row: (row["Site"] or "").casefold().startswith(plain.casefold()))

    def number_test(self):
        value = self.rng.choice(REVENUES)
        operator = self.rng.choice(["=", "!=", "<", "<=", ">", ">="])
        if value is None:
            operator = self.rng.choice(["=", "!="])
        return Case(
            f"AnnualRevenue {operator} {'null' if value is None else value}",
            lambda row: compared(row["AnnualRevenue"], operator, value),
        )

    def day_test(self):
        name, first, after = self.rng.choice(
            [
                ("TODAY", "2026-11-24", "2026-11-25"),
                ("LAST_N_DAYS:1", "2026-11-23", "2026-11-25"),
                ("LAST_YEAR", "2025-01-01", "2026-01-01"),
                ("2026-11-25", "2026-11-25", "2026-11-26"),
            ]
        )
        operator = self.rng.choice(["=", "!=", "<", "<=", ">", ">="])
        bounds = {
            "<": lambda d: d < first,
            "<=": lambda d: d < after,
            ">": lambda d: d >= after,
            ">=": lambda d: d >= first,
        }

        def holds(row):
            day = row["Day__c"]
            if operator in ("=", "!="):
                inside = day is not None and first <= day < after
                return inside == (operator == "=")
            return day is not None and bounds[operator](day)

        return Case(f"Day__c {operator} {name}", holds)

    def flag_test(self):
        wanted = self.rng.random() < 0.5
        return Case(f"Flag__c = {str(wanted).lower()}", lambda row: row["Flag__c"] is wanted)

    def condition(self, depth=0):
        form = self.rng.random()
        if depth > 3 or form < 0.4:
            kinds = [self.text_test, self.like_test, self.number_test, self.day_test, self.flag_test]
            return self.rng.choice(kinds)()
        if form < 0.55:
            inner = self.condition(depth + 1)
            return Case(f"(NOT ({inner.text}))", lambda row: not inner.holds(row))
        parts = [self.condition(depth + 1) for _ in range(self.rng.randint(2, 3))]
        word, gather = self.rng.choice([("AND", all), ("OR", any)])
        return Case(
            "(" + f" {word} ".join(part.text for part in parts) + ")",
            lambda row: gather(part.holds(row) for part in parts),
        )


def compared(held, operator, value):
    if operator in ("=", "!="):
        return (held == value) == (operator == "=")
    if held is None:
        return False
    return {"<": held < value, "<=": held <= value, ">": held > value, ">=": held >= value}[operator]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_found_is_what_the_rules_say(org, seed):
    author = Author(seed)
    rows = author.rows(60)
    with org.transaction(org.admin_context().in_system_mode()) as work:
        work.save_field("Account", custom_field("Day__c", FieldType.DATE))
        work.save_field("Account", custom_field("Flag__c", FieldType.BOOLEAN))
        assert all(saved.success for saved in work.insert("Account", rows))
        org.clock.move(timedelta(hours=1))
        for _ in range(120):
            case = author.condition()
            expected = [row["Name"] for row in rows if case.holds(row)]
            found = [record["Name"] for record in work.query(f"SELECT Name FROM Account WHERE {case.text}")]
            assert found == expected, case.text
