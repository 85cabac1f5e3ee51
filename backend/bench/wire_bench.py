"""Local orgs over the wire: 100,000 rows of 40 columns read by three clients, nine orgs' memory, a million rows paged.

Every reader runs in a process of its own, so that its peak memory is its own; all in one run, against one server.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import requests

ROWS, ORGS, EACH = 100_000, 9, 10_000
FIELDS = (
    "Name,AccountNumber,Type,BillingStreet,BillingCity,BillingState,BillingPostalCode,BillingCountry,ShippingStreet,"
    "ShippingCity,ShippingState,ShippingPostalCode,ShippingCountry,Phone,Fax,Website,Sic,Industry,AnnualRevenue,"
    "NumberOfEmployees,Ownership,TickerSymbol,Description,Rating,Site"
)
SYSTEM = (
    "Id,OwnerId,CreatedDate,LastModifiedDate,SystemModstamp,IsDeleted,ParentId,CreatedById,LastModifiedById,"
    "Owner.Name,Owner.Username,Owner.Email,Jigsaw,AccountSource,SicDesc"
)
QUERY = f"SELECT {SYSTEM},{FIELDS} FROM Account"  # noqa: S608 - SOQL of constants
API = "/services/data/v60.0"


class Client:
    """One org of the running server."""

    def __init__(self, org: dict[str, Any]) -> None:
        self.url = org["instance_url"]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {org['access_token']}"

    def finish(self, kind: str, job: str) -> dict[str, Any]:
        """Wait for a job to end."""
        while True:
            info: dict[str, Any] = self.session.get(f"{self.url}{API}/jobs/{kind}/{job}").json()
            if info["state"] not in ("UploadComplete", "InProgress"):
                return info
            time.sleep(0.05)

    def load(self, first: int, count: int) -> float:
        """Insert accounts by Bulk 2; returns seconds."""
        body = {"operation": "insert", "object": "Account", "contentType": "CSV"}
        job = self.session.post(f"{self.url}{API}/jobs/ingest", json=body).json()["id"]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(FIELDS.split(","))
        for n in range(first, first + count):
            row = [f"Account {n}", n, "Prospect", f"Street {n}", "Berlin", "BE", "10115", "Germany", "Street", "City"]
            row += ["X", "1", "DE", f"+49 30 {n}", "", "https://example.com", "1", "Banking", n * 1.5, n % 1000]
            writer.writerow([*row, "Private", "T", f"Description of account {n}", "Hot", "HQ"])
        began = time.perf_counter()
        path = f"{self.url}{API}/jobs/ingest/{job}"
        self.session.put(f"{path}/batches", data=text.getvalue().encode(), headers={"Content-Type": "text/csv"})
        self.session.patch(path, json={"state": "UploadComplete"})
        if self.finish("ingest", job)["numberRecordsFailed"]:
            raise RuntimeError("rows were refused")
        return time.perf_counter() - began


def stream(org: dict[str, Any]) -> int:
    """requests' raw stream into csv.reader: what a reader of one's own costs at least."""
    client = Client(org)
    body = {"operation": "query", "query": QUERY}
    job = client.session.post(f"{client.url}{API}/jobs/query", json=body).json()["id"]
    client.finish("query", job)
    locator, count = "", 0
    while locator != "null":
        parameters: dict[str, str] = {"maxRecords": "50000"} | ({"locator": locator} if locator else {})
        path = f"{client.url}{API}/jobs/query/{job}/results"
        with client.session.get(path, params=parameters, stream=True) as answer:
            answer.raw.decode_content = True
            reader = csv.reader(io.TextIOWrapper(answer.raw, encoding="utf-8", newline=""))
            next(reader)
            count += sum(1 for _ in reader)
            locator = answer.headers["Sforce-Locator"]
    return count


def simple_salesforce(org: dict[str, Any]) -> int:
    """simple-salesforce's bulk2.query in pages of 50,000, each read by csv.reader."""
    from simple_salesforce import Salesforce

    client = Salesforce(instance_url=org["instance_url"], session_id=org["access_token"], version="60.0")
    pages = client.bulk2.Account.query(QUERY, max_records=50_000, wait=0)
    return sum(sum(1 for _ in csv.reader(io.StringIO(page))) - 1 for page in pages)


def salesforce_bulk(org: dict[str, Any]) -> int:
    """salesforce-bulk's raw stream, chunked by primary key, read by csv.reader."""
    from salesforce_bulk import SalesforceBulk

    client = SalesforceBulk(sessionId=org["access_token"], host=org["instance_url"])
    job = client.create_query_job("Account", contentType="CSV", pk_chunking=25_000)
    client.query(job, QUERY)
    client.close_job(job)
    count = 0
    for batch in client.get_batch_list(job)[1:]:
        client.wait_for_batch(job, batch["id"], sleep_interval=0)
        for result in client.get_query_batch_result_ids(batch["id"], job):
            raw = client.get_query_batch_results(batch["id"], result, job, raw=True)
            raw.decode_content = True
            count += sum(1 for _ in csv.reader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))) - 1
    return count


READERS = {reader.__name__: reader for reader in (stream, simple_salesforce, salesforce_bulk)}


def read_in_a_process(name: str, document: Path) -> dict[str, float]:
    """Rows a second, job included, and peak MB of one reader in a fresh process."""
    command = [sys.executable, "-m", "bench.wire_bench", "--reader", name, "--document", str(document)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    found: dict[str, float] = json.loads(done.stdout)
    return found


def server_megabytes(directory: Path) -> float:
    """Peak resident memory of the server."""
    pid = json.loads((directory / "server.json").read_text())["pid"]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"local_org_over_the_wire": rows()}


def rows(*, million: bool = True) -> list[dict[str, Any]]:
    """A row a figure: what, rows a second (jobs included), peak MB of whoever does it."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        data, path = Path(folder) / "data", Path(folder) / "document.json"
        command = [sys.executable, "-m", "localorg.cli", "up", "--orgs", str(ORGS), "--data", str(data), "--json"]
        path.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603 - ours
        document = json.loads(path.read_text())
        os.environ["REQUESTS_CA_BUNDLE"] = document["ca_file"]
        try:
            for org in document["orgs"][1:]:
                Client(org).load(0, EACH)
            first = Client(document["orgs"][0])
            speed = ROWS / first.load(0, ROWS)
            found.append({"what": "Bulk 2 ingest, 25 columns", "rows_per_second": speed})
            for name in READERS:
                read = read_in_a_process(name, path)
                found.append(
                    {
                        "what": f"40 columns read by {name}",
                        "rows_per_second": read["rows"] / read["seconds"],
                        "megabytes": read["megabytes"],
                    }
                )
            if million:
                for start in range(ROWS, 1_000_000, ROWS):
                    first.load(start, ROWS)
                found.append(page_through(first))
            found.append({"what": f"server of {ORGS} orgs, after all that", "megabytes": server_megabytes(data)})
        finally:
            command = [sys.executable, "-m", "localorg.cli", "down", "--data", str(data)]
            subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - ours
    return found


def page_through(client: Client) -> dict[str, Any]:
    """A million rows by REST pages of 2,000."""
    began = time.perf_counter()
    page = client.session.get(f"{client.url}{API}/query", params={"q": "SELECT Id, Name FROM Account"}).json()
    count = len(page["records"])
    while not page["done"]:
        page = client.session.get(client.url + page["nextRecordsUrl"]).json()
        count += len(page["records"])
    speed = count / (time.perf_counter() - began)
    return {"what": f"REST pages, {count:,} rows of 2 columns", "rows_per_second": speed}


def main() -> None:
    """Be one reader, and say what it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--reader", choices=READERS, required=True)
    parser.add_argument("--document", type=Path, required=True)
    asked = parser.parse_args()
    org = json.loads(asked.document.read_text())["orgs"][0]
    began = time.perf_counter()
    count = READERS[asked.reader](org)
    seconds = time.perf_counter() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"rows": count, "seconds": seconds, "megabytes": megabytes}))


if __name__ == "__main__":
    main()
