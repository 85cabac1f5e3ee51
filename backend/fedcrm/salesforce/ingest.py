"""Bulk API 2.0 ingest: one job of rows to upsert, and the three tables that say what became of them.

Salesforce, "Bulk API 2.0 and Bulk API Developer Guide", Ingest Jobs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import requests

from fedcrm.errors import RequestRefused, UnexpectedReply, WriteUncertain
from fedcrm.salesforce.bulk2 import poll, too_slow
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.csv_stream import BadCsv, HeaderDiffers, read_columns
from fedcrm.salesforce.paging import CHUNK_BYTES

__all__ = ["Ingest"]


class Ingest:
    """Ingest jobs of one org. patience: seconds to wait for one."""

    def __init__(self, client: Client, patience: float) -> None:
        self._client, self._patience = client, patience

    def start(self, object_name: str, key_field: str, content: bytes) -> str:
        """A job that has its rows and runs. A reply that was lost leaves a job behind and begins another.

        content: CSV in UTF-8 with a header, LF line ends.
        """
        retry, attempt = self._client.session.retry, 0
        while True:
            attempt += 1
            body = {
                "operation": "upsert",
                "object": object_name,
                "externalIdFieldName": key_field,
                "contentType": "CSV",
                "columnDelimiter": "COMMA",
                "lineEnding": "LF",
            }
            job = str(self._job("POST", "", body)["id"])
            try:
                self._client.session.put(
                    f"{self._client.base}/jobs/ingest/{job}/batches",
                    data=content,
                    headers={"Content-Type": "text/csv; charset=UTF-8"},
                )
            except WriteUncertain:
                with suppress(RequestRefused):
                    self._job("PATCH", job, {"state": "Aborted"})
                if not retry.left(attempt):
                    raise
                retry.wait(attempt)
                continue
            try:
                self._job("PATCH", job, {"state": "UploadComplete"})
            except RequestRefused:
                # The first of two may have been heard: then the job runs already.
                if self._job("GET", job)["state"] == "Open":
                    raise
            return job

    def wait(self, job: str) -> str:
        """Until the job is over; what the org says about how, empty if all is well."""
        for _ in poll(self._client, self._patience):
            found = self._job("GET", job)
            if found["state"] in ("JobComplete", "Failed", "Aborted"):
                return str(found.get("errorMessage") or "")
        raise too_slow(self._client.org, job, self._patience)

    def _job(self, method: str, job: str, body: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """A job's description. All of these may be sent twice: an empty job does nothing, a state stays a state."""
        path = f"{self._client.base}/jobs/ingest" + (f"/{job}" if job else "")
        reply = self._client.session.request(method, path, json=body, repeatable=True)
        try:
            found = reply.json()
        except ValueError:
            found = None
        if not (isinstance(found, Mapping) and "id" in found and "state" in found):
            raise UnexpectedReply(self._client.org, "the reply about an ingest job is not one")
        return found

    def rows(self, job: str, kind: str, names: Sequence[str]) -> Iterator[Sequence[str]]:
        """Rows of one of a job's three tables; read anew from its start where it breaks off."""
        retry, attempt, told = self._client.session.retry, 0, 0
        while True:
            attempt += 1
            reply = self._client.session.get(
                f"{self._client.base}/jobs/ingest/{job}/{kind}", stream=True, headers={"Accept-Encoding": "gzip"}
            )
            seen = 0
            try:
                for cells in read_columns(reply.iter_content(CHUNK_BYTES), names):
                    for row in zip(*cells, strict=True):
                        seen += 1
                        if seen > told:
                            told = seen
                            yield row
            except (requests.RequestException, BadCsv, HeaderDiffers) as error:
                if not retry.left(attempt):
                    raise UnexpectedReply(self._client.org, f"{kind} of job {job} cannot be read") from error
                retry.wait(attempt)
            else:
                return
            finally:
                reply.close()
