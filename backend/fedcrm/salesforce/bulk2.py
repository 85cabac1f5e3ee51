"""Bulk API 2.0: query jobs read as a stream, by locator.

Salesforce, "Bulk API 2.0 and Bulk API Developer Guide", Query Jobs. simple-salesforce has a reader of its own,
which neither retries nor renews a session and holds a page as one string; so only the wire format is shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import requests

from fedcrm.errors import JobFailed, RequestRefused, ResultsLost, SettingsError, UnexpectedReply
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.extractor import Block, Bookmark, Extraction, check_unchanged, resolve
from fedcrm.salesforce.paging import CHUNK_BYTES, Page, PageReader
from fedcrm.salesforce.replies import GONE_CODES

__all__ = ["Bulk2Extractor", "poll", "too_slow"]

SOURCE = "bulk2"
LAST = "null"  # the locator behind the last page, in so many letters
SHORTEST_POLL, LONGEST_POLL, SLOWER = 0.1, 30.0, 1.3  # each look is one of the day's calls


class Bulk2Extractor:
    """The default: any number of rows, at one call a page.

    page_rows:  rows a call; the org may give fewer.
    block_rows: rows a block, about; memory grows with it.
    patience:   seconds to wait for the org to run the query.
    """

    def __init__(
        self, client: Client, *, page_rows: int = 50_000, block_rows: int = 5_000, patience: float = 6 * 3600.0
    ) -> None:
        if page_rows < 1 or block_rows < 1:
            raise SettingsError("pages and blocks have at least one row")
        self._client, self._page_rows, self._block_rows, self._patience = client, page_rows, block_rows, patience

    def blocks(self, extraction: Extraction, *, after: Bookmark | None = None) -> Iterator[Block]:
        """See Extractor. The org's copy of the rows is deleted when the last of them was taken."""
        client = self._client
        columns = resolve(client, extraction)
        if after is None:
            after = Bookmark(SOURCE, self._create(extraction), "", 0)
        after.check_source(SOURCE)
        job, whole = after.job, not after.position and not after.rows
        expected = self._wait(job)
        reader = PageReader(client.org, extraction, columns, client.session.retry, self._block_rows)
        locator, rows, taken = after.position, after.rows, 0
        while locator != LAST:
            following = ""

            def open_page(here: str = locator) -> Page:
                nonlocal following
                reply = self._results(job, here)
                count, following = self._page_facts(reply)
                return Page(reply.iter_content(CHUNK_BYTES), count, reply.close)

            for block in reader.blocks(open_page, Bookmark(SOURCE, job, locator, rows)):
                taken += len(block)
                yield block
            locator, rows = following, 0
        if whole and expected is not None and taken != expected:
            raise UnexpectedReply(client.org, f"job {job} found {expected} rows and gave {taken}")
        check_unchanged(client, extraction, columns)
        self._delete(job)

    def _create(self, extraction: Extraction) -> str:
        job = self._json(
            "POST",
            "/jobs/query",
            {
                "operation": "queryAll" if extraction.deleted else "query",
                "query": extraction.soql(),
                "columnDelimiter": "COMMA",
                "lineEnding": "LF",
            },
        )
        return str(job["id"])

    def _wait(self, job: str) -> int | None:
        """Until the rows are there; how many they are, where the org says."""
        for _ in poll(self._client, self._patience):
            found = self._json("GET", f"/jobs/query/{job}")
            match found["state"]:
                case "JobComplete":
                    count = found.get("numberRecordsProcessed")
                    return int(count) if count is not None else None
                case "Failed" | "Aborted" as state:
                    raise JobFailed(self._client.org, job=job, detail=str(found.get("errorMessage") or state))
        raise too_slow(self._client.org, job, self._patience)

    def _results(self, job: str, locator: str) -> requests.Response:
        params = {"maxRecords": str(self._page_rows)} | ({"locator": locator} if locator else {})
        try:
            return self._client.session.get(
                f"{self._client.base}/jobs/query/{job}/results",
                params=params,
                stream=True,
                headers={"Accept": "text/csv", "Accept-Encoding": "gzip"},
            )
        except RequestRefused as refused:
            raise self._lost(refused, job) from refused

    def _page_facts(self, reply: requests.Response) -> tuple[int, str]:
        """Rows of this page and the next one's locator: without them a short body, or end, could not be told."""
        count, locator = reply.headers.get("Sforce-NumberOfRecords", ""), reply.headers.get("Sforce-Locator", "")
        if not count.isdigit() or not locator:
            reply.close()
            raise UnexpectedReply(self._client.org, "a page does not say how many rows it has and what follows")
        return int(count), locator

    def _delete(self, job: str) -> None:
        with suppress(RequestRefused):  # it goes by itself after seven days
            self._client.session.request("DELETE", f"{self._client.base}/jobs/query/{job}", repeatable=True)

    def _json(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """A job's description. A query job that was made twice costs a little and changes nothing."""
        try:
            reply = self._client.session.request(method, self._client.base + path, json=body, repeatable=True)
            found = reply.json()
            if isinstance(found, Mapping) and "id" in found and "state" in found:
                return found
        except RequestRefused as refused:
            raise self._lost(refused, path.rsplit("/", 1)[-1]) from refused
        except ValueError:
            pass
        raise UnexpectedReply(self._client.org, "the reply about a query job is not one")

    def _lost(self, refused: RequestRefused, job: str) -> ResultsLost | RequestRefused:
        gone = refused.code in GONE_CODES or refused.status in (requests.codes.not_found, requests.codes.gone)
        return ResultsLost(self._client.org, job=job) if gone else refused


def poll(client: Client, patience: float) -> Iterator[float]:
    """Ticks at growing distances, each of them the moment to look, until patience (seconds) is over."""
    waited, pause = 0.0, SHORTEST_POLL
    while waited <= patience:
        yield waited
        client.session.retry.sleep(pause)
        waited, pause = waited + pause, min(LONGEST_POLL, pause * SLOWER)


def too_slow(org: str, job: str, patience: float) -> JobFailed:
    """For a job that was not done when patience was over."""
    return JobFailed(org, job=job, detail=f"not done after {patience:.0f} seconds")
