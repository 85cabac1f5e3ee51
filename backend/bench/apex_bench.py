"""What Apex costs in the local org: compiling, starting a transaction, a statement, a record of a batch.

`rows(sizes)` makes an org in a temporary directory and measures in this process, in CPU seconds.

    python -m bench.apex_bench            prints the rows as JSON
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localorg.apex.engine import Engine
from localorg.apex.program import ClassSource, Program
from localorg.org import Org

__all__ = ["rows", "tables"]

CLASSES = 100
TURNS = 300_000
FEATURES = 40

_SERVICE = """
public with sharing class Service{n} {{
    private final Map<String, Decimal> totals = new Map<String, Decimal>();
    public class Line {{ public String name; public Decimal amount; public Integer count; }}
    public void add(List<Line> lines) {{
        for (Line line : lines) {{
            Decimal before = totals.get(line.name) ?? 0;
            if (line.amount == null || line.count < 0) {{ continue; }}
            totals.put(line.name, before + line.amount * line.count);
        }}
    }}
    public List<Account> accounts(Set<Id> ids) {{
        return [SELECT Id, Name, Industry, (SELECT Id, Amount FROM Opportunities) FROM Account WHERE Id IN :ids];
    }}
    public String describe(Integer limitTo) {{
        List<String> parts = new List<String>();
        for (String name : totals.keySet()) {{
            if (parts.size() >= limitTo) {{ break; }}
            parts.add(name + '=' + totals.get(name).setScale(2).toPlainString());
        }}
        return String.join(parts, ', ');
    }}
}}
"""
_BATCH = """
public with sharing class Extract implements Database.Batchable<SObject>, Database.Stateful {
    private Integer total = 0;
    private final Datetime until = System.now();
    public Database.QueryLocator start(Database.BatchableContext context) {
        return Database.getQueryLocator([SELECT Id, NumberOfEmployees FROM Account]);
    }
    public void execute(Database.BatchableContext context, List<Account> scope) {
        Map<Id, List<Opportunity>> byAccount = new Map<Id, List<Opportunity>>();
        for (Opportunity row : [SELECT AccountId, Amount, CreatedDate FROM Opportunity WHERE AccountId IN :scope]) {
            if (!byAccount.containsKey(row.AccountId)) { byAccount.put(row.AccountId, new List<Opportunity>()); }
            byAccount.get(row.AccountId).add(row);
        }
        List<String> lines = new List<String>();
        for (Account account : scope) {
            List<Opportunity> rows = byAccount.get(account.Id) ?? new List<Opportunity>();
            List<String> cells = new List<String>();
            for (Integer feature = 0; feature < FEATURES; feature++) { cells.add(cell(rows, feature)); }
            lines.add(String.join(cells, ','));
        }
        total += lines.size();
    }
    public void finish(Database.BatchableContext context) { System.debug(total); }
    private String cell(List<Opportunity> rows, Integer feature) {
        Decimal sum = 0;
        for (Opportunity row : rows) { sum += row.Amount * feature; }
        return sum.setScale(6).toPlainString();
    }
}
""".replace("FEATURES", str(FEATURES))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"apex_in_the_local_org": rows(2_000, 10_000)}


def rows(*sizes: int) -> list[dict[str, Any]]:
    """One row a figure; a batch for each number of accounts, two opportunities each."""
    with tempfile.TemporaryDirectory() as directory:
        org = Org.create(Path(directory), alias="bench", number=1)
        sources = [ClassSource(f"Service{n}", _SERVICE.format(n=n)) for n in range(CLASSES)]
        found = [
            {"what": f"cold compile of {CLASSES} classes, s", "value": _seconds(Program(sources, org.schema).check)}
        ]
        found += [
            {"what": "transaction start-up, ms", "value": _start_up(org) * 1000},
            {"what": "statements a second", "value": _statements(org)},
        ]
        org.close()
    for size in sizes:
        with tempfile.TemporaryDirectory() as directory:
            org = Org.create(Path(directory), alias="bench", number=1)
            found.append({"what": f"batch of {size} records x {FEATURES} features, s", "value": _batch(org, size)})
            org.close()
    return found


def _start_up(org: Org) -> float:
    engine, admin = Engine(org), org.admin_context()
    engine.execute_anonymous(admin, "Integer x;")
    return _seconds(lambda: [engine.execute_anonymous(admin, "Integer x;") for _ in range(20)]) / 20


def _statements(org: Org) -> float:
    engine, admin = Engine(org), org.admin_context()
    text = f"Integer sum = 0; for (Integer i = 0; i < {TURNS}; i++) {{ sum += i; sum -= 1; }}"
    return 3 * TURNS / _seconds(lambda: engine.execute_anonymous(admin, text))


def _batch(org: Org, size: int) -> float:
    admin = org.admin_context()
    with org.transaction(admin.as_platform()) as transaction:
        transaction.insert("ApexClass", [{"Name": "Extract", "Body": _BATCH, "ApiVersion": 67.0, "Status": "Active"}])
        accounts = [{"Name": f"A{i}", "NumberOfEmployees": i} for i in range(size)]
        ids = [saved.id for saved in transaction.insert("Account", accounts)]
        common = {"StageName": "Prospecting", "CloseDate": "2026-12-01"}
        deals = [{"Name": f"O{i}", "AccountId": ids[i // 2], "Amount": i / 2, **common} for i in range(2 * size)]
        transaction.insert("Opportunity", deals)
    engine = Engine(org)
    engine.execute_anonymous(admin, "Database.executeBatch(new Extract(), 200);")
    return _seconds(engine.run_pending_jobs)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(rows(2_000, 10_000), indent=1) + "\n")
