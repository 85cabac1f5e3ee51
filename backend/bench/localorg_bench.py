"""The local org's core: rows in and out of the store, SOQL to SQL, the memory of nine orgs.

`python -m bench.localorg_bench` measures this part alone.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from localorg.access import Context
from localorg.org import Org
from localorg.schema import FieldType, custom_field, custom_object

__all__ = ["rows", "tables"]

_KINDS = (
    FieldType.DOUBLE,
    FieldType.STRING,
    FieldType.BOOLEAN,
    FieldType.DATE,
    FieldType.DATETIME,
    FieldType.PICKLIST,
)
_QUERIES = (
    "SELECT Id, Name FROM Account WHERE Name = 'x'",
    """SELECT Id, Name, Account.Owner.Name, Email FROM Contact
    WHERE Account.Industry IN ('a', 'b') AND CreatedDate = LAST_N_DAYS:30 ORDER BY Name LIMIT 100""",
    """SELECT Account.Name, COUNT(Id), SUM(Amount) FROM Opportunity WHERE IsClosed = true
    GROUP BY Account.Name HAVING COUNT(Id) > 1""",
    """SELECT Id, (SELECT Id, Subject FROM Tasks), (SELECT Id FROM Opportunities WHERE StageName LIKE 'c%')
    FROM Account WHERE Id IN (SELECT AccountId FROM Opportunity)""",
)
_NINE_ORGS = """
import resource, sys
from pathlib import Path
from localorg.org import Org
orgs = [Org.create(Path(sys.argv[1]), alias=f"org{n}", number=n) for n in range(9)]
for org in orgs:
    with org.transaction(org.admin_context()) as work:
        rows = [{"Name": f"Account {n}", "Industry": "Banking", "AnnualRevenue": n} for n in range(10000)]
        work.insert("Account", rows)
for org in orgs:
    with org.snapshot(org.admin_context()) as work:
        assert sum(1 for _ in work.query("SELECT Id, Name FROM Account")) == 10000
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"local_org": rows()}


def rows(size: int = 100_000) -> list[dict[str, Any]]:
    """Rows a second of 40 columns, written in batches of 10,000 and read in each way; p50 of SOQL; memory."""
    with tempfile.TemporaryDirectory() as folder:
        org = Org.create(Path(folder), alias="bench", number=1)
        context = org.admin_context().in_system_mode()
        _make_wide(org, context)
        written = _write(org, context, size)
        names = ", ".join(f"F{place}__c" for place in range(36))
        soql = f"SELECT Id, Name, CreatedDate, LastModifiedDate, {names} FROM Wide__c"  # noqa: S608 -- names of this module
        with org.snapshot(context) as work:
            found = [
                {"what": "plain sqlite3, the same columns", "rows/s": _plain(org, names, size)},
                {"what": "tuples", "rows/s": _speed(size, work.query(soql).tuples)},
                {"what": "lines of CSV", "rows/s": _speed(size, work.query(soql).csv_lines)},
                {"what": "records", "rows/s": _speed(size, lambda: iter(work.query(soql)))},
                {"what": "inserted", "rows/s": written},
            ]
        milliseconds = _compile_times(org)
        org.close()
    with tempfile.TemporaryDirectory() as folder:
        memory = subprocess.run(  # noqa: S603 -- our own script
            [sys.executable, "-c", _NINE_ORGS, folder], capture_output=True, text=True, check=True
        )
    p99 = quantiles(milliseconds, n=100)[98]
    found.append({"what": "SOQL, parsed and compiled", "p50 ms": median(milliseconds), "p99 ms": p99})
    found.append({"what": "nine orgs of 10,000 accounts", "peak MB": float(memory.stdout)})
    return found


def _make_wide(org: Org, context: Context) -> None:
    with org.transaction(context) as work:
        wide = custom_object("Wide__c", work.new_key_prefix(), label="Wide")
        for place in range(36):
            kind = _KINDS[place % 6]
            size = {"precision": 18, "scale": 4} if kind is FieldType.DOUBLE else {}
            wide = wide.with_field(custom_field(f"F{place}__c", kind, **size))
        work.save_object(wide)


def _write(org: Org, context: Context, size: int) -> float:
    rng = random.Random(0)  # noqa: S311 -- made-up rows
    spent = 0.0
    for start in range(0, size, 10_000):
        batch = [_row(rng, number) for number in range(start, min(size, start + 10_000))]
        began = time.perf_counter()
        with org.transaction(context) as work:
            work.insert("Wide__c", batch)
        spent += time.perf_counter() - began
    return size / spent


def _row(rng: random.Random, number: int) -> dict[str, object]:
    values = (
        round(rng.random() * 1000, 4),
        f'text "value" {number}',
        True,
        "2026-01-31",
        "2026-01-31T10:00:00Z",
        "Hot",
    )
    return {"Name": f"row {number}", **{f"F{place}__c": values[place % 6] for place in range(36)}}


def _plain(org: Org, names: str, size: int) -> float:
    connection = sqlite3.connect(org.store.path)
    sql = f"SELECT Id, Name, CreatedDate, LastModifiedDate, {names} FROM Wide__c"  # noqa: S608 -- names of this module
    speed = _speed(size, lambda: connection.execute(sql))
    connection.close()
    return speed


def _speed(size: int, read: Callable[[], Iterator[Any]]) -> float:
    began = time.perf_counter()
    for _ in read():
        pass
    return size / (time.perf_counter() - began)


def _compile_times(org: Org) -> list[float]:
    found = []
    with org.snapshot(org.admin_context()) as work:
        for turn in range(500):
            for soql in _QUERIES:
                text = soql + " " * turn  # a text not seen before, so that it is parsed
                began = time.perf_counter()
                work.query(text)
                found.append((time.perf_counter() - began) * 1000)
    return found


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))  # noqa: T201 -- a command's answer
