"""Reading rows out of an org: what is asked for, what comes back, and the seam behind which it is done.

Three extractors read the same rows in the same types: Bulk2Extractor by default, Bulk1Extractor with primary-key
chunking where Bulk 2 is refused, RestExtractor for fewer than 2,000 rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol

from fedcrm.errors import AccessDenied, SchemaChanged, SettingsError
from fedcrm.salesforce.client import Client
from fedcrm.salesforce.columns import Column, Values, convert
from fedcrm.salesforce.describe import FieldDescription, ObjectDescription
from fedcrm.salesforce.soql import check_name, select

__all__ = ["Block", "Bookmark", "Extraction", "Extractor", "check_unchanged", "resolve", "typed"]

COMPOUND = frozenset({"address", "location", "base64", "complexvalue", "json"})


@dataclass(frozen=True, slots=True)
class Extraction:
    """What to read.

    fields:  API names, or paths to a parent's field ("Owner.Name"); no name twice.
    where:   a SOQL condition, or None for every row. It is the caller's own text, never a user's.
    deleted: also rows in the recycle bin.
    """

    object_name: str
    fields: tuple[str, ...]
    where: str | None = None
    deleted: bool = False

    def __post_init__(self) -> None:
        check_name(self.object_name, "an object")
        for field in self.fields:
            check_name(field, "a field")
        if not self.fields or len({f.lower() for f in self.fields}) != len(self.fields):
            raise SettingsError(f"{self.object_name}: an extraction needs fields, each of them once")

    def soql(self) -> str:
        """The query."""
        return select(self.fields, self.object_name, self.where)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Where an extraction may be taken up again, also by another process: its rows are kept by the org for days.

    source:   which extractor's it is.
    job:      the org's id of what holds the results.
    position: the locator, batch or cursor of the page.
    rows:     rows of that page that were handed out.
    """

    source: str
    job: str
    position: str
    rows: int

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Bookmark:
        """Inverse of to_json. Raises SettingsError."""
        try:
            raw = json.loads(text)
            return cls(str(raw["source"]), str(raw["job"]), str(raw["position"]), int(raw["rows"]))
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError("not a bookmark of an extraction") from error

    def check_source(self, source: str) -> None:
        """Raises SettingsError unless the bookmark is that extractor's."""
        if self.source != source:
            raise SettingsError(f"a bookmark of {self.source} says nothing to {source}")


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows.

    values:   by field as it was asked for, each of length `rows`.
    bookmark: where the extraction goes on behind this block.
    """

    columns: tuple[Column, ...]
    values: Mapping[str, Values]
    bookmark: Bookmark

    def __len__(self) -> int:
        return len(self.values[self.columns[0].name])


class Extractor(Protocol):
    """Reads an extraction's rows, in blocks that fit in memory, each row once."""

    def blocks(self, extraction: Extraction, *, after: Bookmark | None = None) -> Iterator[Block]:
        """Blocks in the org's order; an extraction is whole only when the iterator ends of its own accord.

        after: go on behind the block that carried this bookmark.

        Raises AccessDenied before the first block; SchemaChanged, ResultsLost, JobFailed, OrgUnreachable or
        another SalesforceError at any time.
        """
        ...


def resolve(client: Client, extraction: Extraction, *, fresh: bool = False) -> tuple[Column, ...]:
    """The type of every field, from the org's descriptions.

    Raises AccessDenied with every field that this user does not see, SettingsError for compound fields.
    """
    described = client.describe(extraction.object_name, fresh=fresh)
    found = {name: _follow(client, described, name.split("."), fresh=fresh) for name in extraction.fields}
    hidden = tuple(name for name, field in found.items() if field is None)
    if hidden:
        raise AccessDenied(client.org, extraction.object_name, hidden)
    columns = tuple(Column(name, field.type) for name, field in found.items() if field is not None)
    for column in columns:
        if column.type in COMPOUND:
            raise SettingsError(
                f"{extraction.object_name}.{column.name} is compound or binary ({column.type}): ask for its parts"
            )
    return columns


def _follow(client: Client, here: ObjectDescription, path: Sequence[str], *, fresh: bool) -> FieldDescription | None:
    """The field at the end of a path, or None; of several possible parents the first that has it."""
    if len(path) == 1:
        return here.field(path[0])
    lookup = here.relation(path[0])
    for parent in lookup.reference_to if lookup else ():
        try:
            found = _follow(client, client.describe(parent, fresh=fresh), path[1:], fresh=fresh)
        except AccessDenied:
            continue
        if found is not None:
            return found
    return None


def check_unchanged(client: Client, extraction: Extraction, columns: tuple[Column, ...]) -> None:
    """Describe once more behind the last row. Raises SchemaChanged where a type is another than at the start."""
    try:
        now = resolve(client, extraction, fresh=True)
    except AccessDenied as gone:
        changes = tuple(f"{name} is gone" for name in gone.fields) or (f"{gone.object_name} is gone",)
        raise SchemaChanged(client.org, extraction.object_name, changes) from gone
    changes = tuple(
        f"{old.name} was {old.type} and is {new.type}" for old, new in zip(columns, now, strict=True) if old != new
    )
    if changes:
        raise SchemaChanged(client.org, extraction.object_name, changes)


def typed(
    org: str, extraction: Extraction, columns: tuple[Column, ...], cells: Sequence[Sequence[str]]
) -> dict[str, Values]:
    """Cells by column as values. Raises SchemaChanged where a cell is not of its column's type."""
    values = {}
    for column, texts in zip(columns, cells, strict=True):
        try:
            values[column.name] = convert(texts, column.kind)
        except (ValueError, OverflowError) as error:
            changes = (f"{column.name} holds what is no {column.type}",)
            raise SchemaChanged(org, extraction.object_name, changes) from error
    return values
