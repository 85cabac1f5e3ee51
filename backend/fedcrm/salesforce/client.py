"""REST calls to one org: queries, descriptions, counts, limits, collections.

simple-salesforce makes the requests; over an OrgSession it needs no login and sees no refusal. Its shape ends
here: what goes out are plain values and our own types.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

from fedcrm.errors import AccessDenied, RequestRefused, ResultsLost, SettingsError, UnexpectedReply
from fedcrm.salesforce.describe import ObjectDescription
from fedcrm.salesforce.session import OrgSession
from fedcrm.salesforce.soql import check_name, select

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce

__all__ = ["API_VERSION", "Client", "Limit", "Record", "SavedRow"]

API_VERSION = "67.0"
COLLECTION = 200  # records a call, at most
PAGE = 2_000  # likewise, of a query

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """One of the org's limits; the unit is in its name ("DailyApiRequests", "DataStorageMB")."""

    remaining: int
    maximum: int


@dataclass(frozen=True, slots=True)
class SavedRow:
    """What became of one row of a collection. code: the platform's, empty where it was saved."""

    id: str | None
    saved: bool
    created: bool
    code: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()


class Client:
    """One org over REST. Every method raises a SalesforceError where the org refuses."""

    def __init__(self, session: OrgSession, *, version: str = API_VERSION) -> None:
        if not re.fullmatch(r"\d\d\.0", version):
            raise SettingsError(f"{version!r} is no API version; write it as {API_VERSION}")
        self.session, self.version = session, version
        self._described: dict[str, ObjectDescription] = {}

    @property
    def org(self) -> str:
        """The org's alias."""
        return self.session.org

    @property
    def base(self) -> str:
        """Path of the REST API, without a slash at its end."""
        return f"/services/data/v{self.version}"

    # --- reading ----------------------------------------------------------------------------------

    def query(self, soql: str, *, deleted: bool = False) -> Iterator[Record]:
        """Records of a query, a page of up to 2,000 in memory at a time.

        deleted: also those in the recycle bin.
        Raises ResultsLost where the org forgets the cursor between two pages.
        """
        for page in self.pages(soql, deleted=deleted):
            yield from page["records"]

    def pages(
        self, soql: str, *, deleted: bool = False, after: str | None = None, page_rows: int = PAGE
    ) -> Iterator[Record]:
        """The same, page by page, as the API answers: totalSize, done, records, nextRecordsUrl.

        after:     a nextRecordsUrl to go on from.
        page_rows: 200 to 2,000; the org may give fewer.
        """
        size = {"Sforce-Query-Options": f"batchSize={page_rows}"}
        if after is None:
            page = self._read(
                lambda rest: rest.query(soql, include_deleted=deleted, headers=size), "a query's result", ("records",)
            )
            yield page
            after = page.get("nextRecordsUrl")
        while after is not None:
            here = after
            try:
                page = self._read(
                    lambda rest: rest.query_more(here, identifier_is_url=True, headers=size),  # noqa: B023 - called at once
                    "a query's result",
                    ("records",),
                )
            except RequestRefused as refused:
                if refused.code == "INVALID_QUERY_LOCATOR" or refused.status == requests.codes.not_found:
                    raise ResultsLost(self.org, job=here.rsplit("/", 1)[-1]) from refused
                raise
            yield page
            after = page.get("nextRecordsUrl")

    def count(self, object_name: str, where: str | None = None) -> int:
        """Records this user can see."""
        soql = select(["COUNT()"], object_name, where)
        return int(self._read(lambda rest: rest.query(soql), "a count", ("totalSize",))["totalSize"])

    def tooling(self, soql: str) -> list[Record]:
        """Records of a query against the Tooling API: a page of metadata, never data."""
        page = self._get("tooling/query/", {"q": soql}, "records")
        return list(page["records"])

    def objects(self) -> tuple[str, ...]:
        """API names of every object this user may query."""
        found = self._read(lambda rest: rest.describe(), "a list of objects", ("sobjects",))
        return tuple(str(o["name"]) for o in found["sobjects"] if o.get("queryable", True))

    def describe(self, object_name: str, *, fresh: bool = False) -> ObjectDescription:
        """An object as the org describes it to this user; kept for this client's life unless fresh is wanted.

        Raises AccessDenied where the user does not see it.
        """
        name = check_name(object_name, "an object")
        if fresh or name.lower() not in self._described:
            try:
                raw = self._get(f"sobjects/{name}/describe", None, "fields")
            except RequestRefused as refused:
                if refused.status == requests.codes.not_found:
                    raise AccessDenied(self.org, name) from refused
                raise
            try:
                self._described[name.lower()] = ObjectDescription.read(raw)
            except (KeyError, TypeError, ValueError) as error:
                raise UnexpectedReply(self.org, f"the description of {name} lacks {error}") from error
        return self._described[name.lower()]

    def record_counts(self, objects: Sequence[str]) -> dict[str, int]:
        """Records in the org by object, whoever may see them; approximate, and absent for small system objects."""
        names = ",".join(check_name(o, "an object") for o in objects)
        found = self._get("limits/recordCount", {"sObjects": names}, "sObjects")
        return {str(o["name"]): int(o["count"]) for o in found["sObjects"]}

    def limits(self) -> dict[str, Limit]:
        """The org's limits by the platform's names."""
        found = self._read(lambda rest: rest.limits(), "a list of limits", ())
        return {
            str(name): Limit(int(one["Remaining"]), int(one["Max"]))
            for name, one in found.items()
            if isinstance(one, Mapping) and "Max" in one and "Remaining" in one
        }

    def versions(self) -> tuple[str, ...]:
        """API versions the org speaks, oldest first."""
        reply = self.session.get("/services/data/")
        try:
            return tuple(str(v["version"]) for v in reply.json())
        except (ValueError, KeyError, TypeError) as error:
            raise UnexpectedReply(self.org, "the list of API versions cannot be read") from error

    # --- writing ----------------------------------------------------------------------------------

    def upsert(self, object_name: str, key_field: str, rows: Sequence[Mapping[str, object]]) -> list[SavedRow]:
        """Up to 200 rows by an external id, each on its own; may be sent twice, for the key makes it repeatable."""
        path = f"composite/sobjects/{check_name(object_name, 'an object')}/{check_name(key_field, 'a field')}"
        records = [{"attributes": {"type": object_name}, **row} for row in rows]
        answers = self._read(
            lambda rest: rest.restful(
                path, method="PATCH", json={"allOrNone": False, "records": records}, repeatable=True
            ),
            "a collection's result",
            (),
        )
        if not isinstance(answers, list) or len(answers) != len(rows):
            raise UnexpectedReply(self.org, f"{len(rows)} rows were written and the reply does not answer for each")
        return [_saved(answer) for answer in answers]

    # --- simple-salesforce ------------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, Any] | None, key: str) -> Any:
        return self._read(lambda rest: rest.restful(path, params), path, (key,))

    def _read(self, call: Callable[[Salesforce], Any], what: str, keys: tuple[str, ...]) -> Any:
        """Make a call and check that what was promised is in the answer."""
        from simple_salesforce.api import Salesforce  # imports a SOAP library; commands that call no org do without

        try:
            # Built for each call: it copies the instance URL, which a new session may change. It opens nothing.
            answer = call(
                Salesforce(
                    session_id=self.session.token.organization_id,  # the session puts the token in; this is no secret
                    instance_url=self.session.instance_url,
                    version=self.version,
                    session=self.session,
                    parse_float=str,  # digits as the org wrote them, so that a text column is what Bulk would give
                )
            )
        except ValueError as error:  # not JSON
            raise UnexpectedReply(self.org, f"{what} is not JSON") from error
        if keys and not (isinstance(answer, Mapping) and all(key in answer for key in keys)):
            raise UnexpectedReply(self.org, f"{what} lacks {', '.join(keys)}")
        return answer


def _saved(answer: Mapping[str, Any]) -> SavedRow:
    errors = answer.get("errors") or [{}]
    first = errors[0]
    return SavedRow(
        id=answer.get("id"),
        saved=bool(answer.get("success")),
        created=bool(answer.get("created")),
        code="" if answer.get("success") else str(first.get("statusCode", "UNKNOWN")),
        message="" if answer.get("success") else " ".join(str(first.get("message", "")).split()),
        fields=tuple(str(f) for f in first.get("fields") or ()),
    )
