"""Reading by REST queries: for fewer than 2,000 rows, where a bulk job would take longer to start than to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedcrm.errors import SettingsError, UnexpectedReply
from fedcrm.salesforce.bulk2 import Bulk2Extractor
from fedcrm.salesforce.client import PAGE, Client
from fedcrm.salesforce.extractor import (
    Block,
    Bookmark,
    Extraction,
    Extractor,
    check_unchanged,
    resolve,
    typed,
)

__all__ = ["FEW_ROWS", "RestExtractor", "extractor_for"]

FEW_ROWS = 2_000
SOURCE = "rest"


class RestExtractor:
    """Any number of rows, a page a call; the org keeps the cursor for two days.

    page_rows: 200 to 2,000; fewer where rows are wide.
    """

    def __init__(self, client: Client, *, page_rows: int = PAGE) -> None:
        if not 200 <= page_rows <= PAGE:
            raise SettingsError(f"a page of a query has 200 to {PAGE} rows")
        self._client, self._page_rows = client, page_rows

    def blocks(self, extraction: Extraction, *, after: Bookmark | None = None) -> Iterator[Block]:
        """See Extractor. A block is a page."""
        client = self._client
        columns = resolve(client, extraction)
        if after is not None:
            after.check_source(SOURCE)
        if after is None or after.position:
            where = after.position if after else None
            seen = after.rows if after else 0
            pages = client.pages(extraction.soql(), deleted=extraction.deleted, after=where, page_rows=self._page_rows)
            for page in pages:
                rows = [[_text(record, column.name.split(".")) for column in columns] for record in page["records"]]
                following = str(page.get("nextRecordsUrl") or "")
                seen += len(rows)
                if not following and seen != int(page.get("totalSize", seen)):
                    raise UnexpectedReply(client.org, f"the query has {page['totalSize']} rows and gave {seen}")
                if rows:
                    bookmark = Bookmark(SOURCE, following.rsplit("/", 1)[-1], following, seen)
                    yield Block(
                        columns, typed(client.org, extraction, columns, list(zip(*rows, strict=True))), bookmark
                    )
        check_unchanged(client, extraction, columns)


def extractor_for(client: Client, extraction: Extraction) -> Extractor:
    """REST for few rows, Bulk 2 for more: one call to count them."""
    few = not extraction.deleted and client.count(extraction.object_name, extraction.where) < FEW_ROWS
    return RestExtractor(client) if few else Bulk2Extractor(client)


def _text(record: Mapping[str, Any], path: list[str]) -> str:
    """A value of a JSON record as Bulk would write it; a parent that is missing has no values."""
    value: Any = record
    for name in path:
        if not isinstance(value, Mapping):
            return ""
        # As it was asked for, or as the org spells it.
        value = value[name] if name in value else next((v for k, v in value.items() if k.lower() == name.lower()), None)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
