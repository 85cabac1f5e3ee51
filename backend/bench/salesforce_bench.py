"""Reading an org: FedCRM's three extractors beside simple-salesforce's and salesforce-bulk's own readers.

A local org is started, filled and read over TLS, each reader in a process of its own, so that its peak memory is
its own. `rows_per_second` is of the whole call with the org's own work, which is this machine's as well;
`rows_per_cpu_second` is of the reader's own processor time alone.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fedcrm.salesforce import (
    Bulk1Extractor,
    Bulk2Extractor,
    Client,
    Extraction,
    OrgSession,
    RestExtractor,
    Secret,
    SessionToken,
    TokenEndpoint,
)

BACKEND = Path(__file__).resolve().parents[1]
TEXTS = ["Type", "BillingStreet", "BillingCity", "BillingState", "BillingPostalCode", "BillingCountry"]
TEXTS += ["ShippingStreet", "ShippingCity", "ShippingState", "ShippingPostalCode", "ShippingCountry", "Phone", "Fax"]
TEXTS += ["AccountNumber", "Website", "Sic", "Industry", "Ownership", "TickerSymbol", "Rating", "Site", "AccountSource"]
TEXTS += ["Tradestyle", "NaicsDesc", "SicDesc", "Description"]
NUMBERS = ["AnnualRevenue", "NumberOfEmployees", "BillingLatitude", "BillingLongitude"]
NUMBERS += ["ShippingLatitude", "ShippingLongitude"]
WRITTEN = ["Name", *TEXTS, *NUMBERS]
FIELDS = ["Id", *WRITTEN, "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp", "OwnerId", "CreatedById"]
MANY = ["Id", "LastName", "Company", "CreatedDate"]
PAGE = 50_000
SLOW, FEW = "salesforce-bulk", 10_000  # at its 1,000 to 4,000 rows a second


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"salesforce": rows()}


def rows(count: int = 100_000, many: int = 1_000_000) -> list[dict[str, Any]]:
    """One entry a reader of `count` accounts of 40 columns; the last pages through `many` leads of 4."""
    with tempfile.TemporaryDirectory() as place:
        org = json.loads(_localorg("up", "--orgs", "1", "--data", place, "--json"))
        try:
            connection = {"ca_file": org["ca_file"], **org["orgs"][0]}
            client = _client(connection)
            _fill(client, "Account", WRITTEN, count, _account)
            found = [_child(name, connection, FEW if name == SLOW else count) for name in READERS]
            _fill(client, "Lead", ["LastName", "Company"], many, lambda i: [f"Lead {i}", f"Company {i % 1000}"])
            return [*found, _child("many", connection, many)]
        finally:
            _localorg("down", "--data", place)


# --- readers: each yields the number of rows it has just taken ------------------------------------


def _extract(make: Callable[[Client], Any], object_name: str = "Account", fields: list[str] = FIELDS) -> Any:
    def read(connection: dict[str, str]) -> Iterator[int]:
        client = _client(connection)
        for block in make(client).blocks(Extraction(object_name, tuple(fields))):
            yield len(block)

    return read


def _simple_salesforce(connection: dict[str, str]) -> Iterator[int]:
    """bulk2.query, a page of text at a time, each row a dict."""
    from simple_salesforce import Salesforce

    sf = Salesforce(session_id=connection["access_token"], instance_url=connection["instance_url"], version="67.0")
    for page in sf.bulk2.Account.query(_soql(), max_records=PAGE, wait=1):
        yield sum(1 for _ in csv.DictReader(io.StringIO(page)))


def _simple_salesforce_rest(connection: dict[str, str]) -> Iterator[int]:
    from simple_salesforce import Salesforce

    sf = Salesforce(session_id=connection["access_token"], instance_url=connection["instance_url"], version="67.0")
    for _ in sf.query_all_iter(_soql()):
        yield 1


def _salesforce_bulk(connection: dict[str, str]) -> Iterator[int]:
    """As in its README: unicodecsv's DictReader over the batch's results."""
    import unicodecsv
    from salesforce_bulk import SalesforceBulk

    bulk = SalesforceBulk(sessionId=connection["access_token"], host=connection["instance_url"])
    job = bulk.create_query_job("Account", contentType="CSV")
    batch = bulk.query(job, f"{_soql()} LIMIT {FEW}")
    bulk.close_job(job)
    while not bulk.is_batch_done(batch):
        time.sleep(0.5)
    for result in bulk.get_all_results_for_query_batch(batch):
        for _ in unicodecsv.DictReader(result, encoding="utf-8"):
            yield 1


READERS: dict[str, Callable[[dict[str, str]], Iterator[int]]] = {
    "fedcrm Bulk 2": _extract(lambda client: Bulk2Extractor(client, page_rows=PAGE)),
    "fedcrm Bulk 1": _extract(lambda client: Bulk1Extractor(client, chunk_rows=25_000)),
    "fedcrm REST": _extract(RestExtractor),
    "simple-salesforce bulk2": _simple_salesforce,
    "simple-salesforce REST": _simple_salesforce_rest,
    SLOW: _salesforce_bulk,
}


def _measure(name: str, connection: dict[str, str]) -> dict[str, Any]:
    """In the child: one reader's figures."""
    read = READERS.get(name) or _extract(lambda client: Bulk2Extractor(client, page_rows=PAGE), "Lead", MANY)
    base = _peak()
    began, cpu = time.perf_counter(), time.process_time()
    taken = sum(read(connection))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "rows": taken,
        "seconds": seconds,
        "rows_per_second": taken / seconds,
        "rows_per_cpu_second": taken / cpu,
        "base_mb": base,
        "peak_mb": _peak(),
    }


# --- the org ------------------------------------------------------------------------------------------


def _child(name: str, connection: dict[str, str], expected: int) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(BACKEND), "REQUESTS_CA_BUNDLE": connection["ca_file"]}
    command = [sys.executable, "-m", "bench.salesforce_bench", name, json.dumps(connection)]
    output = subprocess.run(command, env=environment, cwd=BACKEND, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ourselves
    found = json.loads(output)
    if found["rows"] != expected:
        raise SystemExit(f"{name}: {found['rows']} rows of {expected}")
    return {"name": name if name in READERS else "fedcrm Bulk 2, many rows", **found}


def _client(connection: dict[str, str]) -> Client:
    grant = SessionToken(Secret(connection["access_token"]))
    endpoint = TokenEndpoint("bench", connection["instance_url"], grant, ca_file=connection["ca_file"])
    return Client(OrgSession(endpoint, ca_file=connection["ca_file"]))


def _account(i: int) -> list[str]:
    """A row with a fifth of its cells empty and text of a usual length."""
    texts = ["" if (i + j) % 5 == 0 else f"{name} {i % 977} xy"[:20] for j, name in enumerate(TEXTS)]
    texts[TEXTS.index("Description")] = f"A longer remark about account {i}, of which nobody reads a second line."
    numbers = [str(i * 37 % 10**9), str(i % 5000), *(f"{(i * k) % 90}.{i % 100:02}" for k in (1, 3, 5, 7))]
    return [f"Account {i}", *texts, *numbers]


def _fill(client: Client, name: str, fields: list[str], count: int, row: Callable[[int], list[str]]) -> None:
    for start in range(0, count, 50_000):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(fields)
        writer.writerows(row(i) for i in range(start, min(count, start + 50_000)))
        _load(client, name, text.getvalue().encode())


def _load(client: Client, name: str, content: bytes) -> None:
    jobs = f"{client.base}/jobs/ingest"
    body = {"operation": "insert", "object": name, "contentType": "CSV", "lineEnding": "LF"}
    job = client.session.post(jobs, json=body).json()["id"]
    client.session.put(f"{jobs}/{job}/batches", data=content, headers={"Content-Type": "text/csv"})
    client.session.patch(f"{jobs}/{job}", json={"state": "UploadComplete"})
    while (state := client.session.get(f"{jobs}/{job}").json())["state"] not in ("JobComplete", "Failed"):
        time.sleep(0.5)
    if state["state"] == "Failed" or state["numberRecordsFailed"]:
        raise SystemExit(f"filling the org: {state}")


def _soql() -> str:
    return f"SELECT {', '.join(FIELDS)} FROM Account"  # noqa: S608 - SOQL of constants


def _localorg(*words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(BACKEND)}
    command = [sys.executable, "-m", "localorg.cli", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ourselves


def _peak() -> float:
    """MB of this process's own peak; getrusage would also know the parent's, from before exec."""
    status = Path("/proc/self/status").read_text("ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(_measure(sys.argv[1], json.loads(sys.argv[2]))))  # noqa: T201 - a command's output
    else:
        for entry in rows(*map(int, sys.argv[1].split(","))) if len(sys.argv) == 2 else rows():
            print(json.dumps(entry))  # noqa: T201 - a command's output
