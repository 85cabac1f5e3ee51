"""Bulk API 1.0 through salesforce-bulk: for orgs and objects that refuse Bulk 2, with primary-key chunking.

The library speaks the protocol; its results are taken as raw bytes, never through its DictReader, which reads
2,000 to 4,000 rows a second. It sends through the functions of the `requests` module, where neither CA, pool
nor retries can be set: each extractor therefore loads a copy of its module in which that name is an OrgSession.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from xml.etree.ElementTree import ParseError  # what the library raises; nothing is parsed here  # nosec B405

import requests

from fedcrm.errors import (
    AccessDenied,
    JobFailed,
    RequestRefused,
    ResultsLost,
    SettingsError,
    UnexpectedReply,
    WriteUncertain,
)
from fedcrm.salesforce.bulk2 import poll, too_slow
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.extractor import Block, Bookmark, Extraction, check_unchanged, resolve
from fedcrm.salesforce.paging import CHUNK_BYTES, Page, PageReader
from fedcrm.salesforce.replies import Refusal
from fedcrm.salesforce.session import OrgSession

__all__ = ["Bulk1Extractor"]

SOURCE = "bulk1"
DONE, UNDONE = frozenset({"Completed", "NotProcessed"}), frozenset({"Failed"})


class Bulk1Extractor:
    """Any number of rows; the org splits the query by Id into batches of chunk_rows.

    chunk_rows: 1 to 250,000; None where the object does not support chunking.
    """

    def __init__(
        self, client: Client, *, chunk_rows: int | None = 100_000, block_rows: int = 5_000, patience: float = 6 * 3600.0
    ) -> None:
        if chunk_rows is not None and not 1 <= chunk_rows <= 250_000:
            raise SettingsError("a chunk has 1 to 250,000 rows")
        self._client, self._chunk_rows = client, chunk_rows
        self._block_rows, self._patience = block_rows, patience

    def blocks(self, extraction: Extraction, *, after: Bookmark | None = None) -> Iterator[Block]:
        """See Extractor. Batches come in the order of their ids, so that a bookmark says which are over."""
        client = self._client
        columns = resolve(client, extraction)
        bulk = _library(client)
        if after is None:
            after = Bookmark(SOURCE, self._start(bulk, extraction), "", 0)
        after.check_source(SOURCE)
        job = after.job
        reader = PageReader(client.org, extraction, columns, client.session.retry, self._block_rows)
        begun = after.position
        for batch in self._batches(bulk, job):
            results, expected = self._results(bulk, job, batch)
            taken, whole = 0, not begun
            for result in results:
                position = f"{batch}/{result}"
                if begun and position != begun:
                    continue
                begun = ""
                rows = expected if len(results) == 1 else None  # the org counts by batch

                def open_page(batch: str = batch, result: str = result, rows: int | None = rows) -> Page:
                    raw = self._ask(
                        job, lambda: bulk.get_query_batch_results(batch, result, job_id=job, chunk_size=1, raw=True)
                    )
                    return Page(raw.stream(CHUNK_BYTES, decode_content=True), rows, lambda: _give_back(raw))

                done = after.rows if position == after.position else 0
                for block in reader.blocks(open_page, Bookmark(SOURCE, job, position, done)):
                    taken += len(block)
                    yield block
            if whole and taken != expected:
                raise UnexpectedReply(client.org, f"batch {batch} has {expected} rows and gave {taken}")
        if begun:
            raise ResultsLost(client.org, job=job)
        check_unchanged(client, extraction, columns)
        with suppress(RequestRefused, WriteUncertain):  # a job left open closes by itself
            self._ask(job, lambda: bulk.close_job(job))

    def _start(self, bulk: Any, extraction: Extraction) -> str:
        """A job with its one batch. Two batches would give every row twice, so a lost reply means another job."""
        client, attempt = self._client, 0
        while True:
            attempt += 1
            try:
                job = self._ask(
                    "",
                    lambda: bulk.create_job(
                        extraction.object_name,
                        "queryAll" if extraction.deleted else "query",
                        contentType="CSV",
                        pk_chunking=self._chunk_rows or False,
                    ),
                )
                self._ask(job, lambda job=job: bulk.query(job, extraction.soql(), contentType="CSV"))
                return str(job)
            except WriteUncertain:
                if not client.session.retry.left(attempt):
                    raise
                client.session.retry.wait(attempt)

    def _batches(self, bulk: Any, job: str) -> Iterator[str]:
        """Ids of the batches with rows, in order, each when it is done."""
        over: set[str] = set()
        for _ in poll(self._client, self._patience):
            batches = self._ask(job, lambda: bulk.get_batch_list(job))
            batches = sorted(batches if isinstance(batches, list) else [batches], key=lambda b: b["id"])
            for batch in batches:
                state = batch["state"].replace(" ", "")
                if state in UNDONE:
                    raise self._failed(job, str(batch.get("stateMessage") or ""))
                if state not in DONE:
                    break  # the ones behind it wait, too: a bookmark counts on the order
                if batch["id"] not in over:
                    over.add(batch["id"])
                    if state == "Completed":
                        yield str(batch["id"])
            else:
                break
        else:
            raise too_slow(self._client.org, job, self._patience)
        # Batches of a job that somebody aborted are not processed either, and are no rows left out on purpose.
        state = self._ask(job, lambda: bulk.job_state(job))
        if state not in ("Open", "Closed"):
            raise self._failed(job, f"the job is {state}")

    def _results(self, bulk: Any, job: str, batch: str) -> tuple[list[str], int]:
        """A batch's results, and the rows they must have together."""
        status: Mapping[str, str] = self._ask(job, lambda: bulk.batch_status(batch, job, reload=True))
        rows = int(status.get("numberRecordsProcessed") or 0)
        if not rows:
            return [], 0  # the platform gives a sentence in place of an empty table
        results = self._ask(job, lambda: bulk.get_query_batch_result_ids(batch, job_id=job)) or []
        return sorted(str(r) for r in results), rows

    def _failed(self, job: str, detail: str) -> JobFailed | AccessDenied:
        told = Refusal(requests.codes.bad_request, "INVALID_FIELD", detail).error(self._client.org)
        return told if isinstance(told, AccessDenied) else JobFailed(self._client.org, job=job, detail=detail)

    def _ask(self, job: str, call: Any) -> Any:
        """Let the library make a request; its own errors for replies it cannot read become ours."""
        try:
            return call()
        except RequestRefused as refused:
            if job and refused.status in (requests.codes.not_found, requests.codes.gone):
                raise ResultsLost(self._client.org, job=job) from refused
            if job and refused.code in ("InvalidJob", "InvalidBatch"):
                raise ResultsLost(self._client.org, job=job) from refused
            raise
        except (ParseError, KeyError, TypeError, ValueError) as error:
            raise UnexpectedReply(self._client.org, f"the reply about bulk job {job} cannot be read") from error


class _Requests:
    """What salesforce-bulk uses of the `requests` module, over an OrgSession."""

    def __init__(self, session: OrgSession) -> None:
        self.get, self.post = session.get, session.post


def _library(client: Client) -> Any:
    """A SalesforceBulk whose requests go through the client's session."""
    spec = importlib.util.find_spec("salesforce_bulk.salesforce_bulk")
    if spec is None or spec.loader is None:
        raise SettingsError("salesforce-bulk is not installed")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["requests"] = _Requests(client.session)
    return module.SalesforceBulk(
        sessionId=client.session.token.organization_id,  # no secret: the session puts the token in
        host=client.session.instance_url,
        API_version=client.version,
    )


def _give_back(raw: Any) -> None:
    """The raw stream's connection: closed if it was not read to its end, and back to the pool in any case."""
    raw.close()
    raw.release_conn()
