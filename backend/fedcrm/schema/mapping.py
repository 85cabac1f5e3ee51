"""An organisation's mapping: which of its fields mean what, and how their past values are known.

A field is linked to a canonical feature of the shared vocabulary, put into
the organisation's own block, or kept out with a reason. Every feature says how its value at a past moment is known;
one that does not is left out of training, because a value of today tells what happened since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fedcrm.schema.conditions import parse_conditions
from fedcrm.schema.vocabulary import Kind, Vocabulary

__all__ = ["Aggregate", "Empty", "FieldMapping", "KeptOut", "Known", "SchemaMapping", "incoherent"]

TASKS = ("churn", "lead_conversion", "opportunity_win", "case_escalation")
LONGEST_NAME = 34
"""Characters of a feature's name: with its task's prefix it must fit the 40 of a developer name."""


class Aggregate(StrEnum):
    """How rows of the source object become one value of the entity.

    VALUE: of the entity itself, or of the last related row before the moment. SHARE: of rows that pass the filter.
    """

    VALUE = "value"
    COUNT = "count"
    DISTINCT = "distinct"
    SUM = "sum"
    AVERAGE = "average"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    SHARE = "share"
    DAYS_SINCE_LAST = "days_since_last"
    DAYS_SINCE_FIRST = "days_since_first"

    @property
    def reads_a_field(self) -> bool:
        """Whether it needs to be told which field of the rows."""
        return self not in (self.COUNT, self.SHARE, self.DAYS_SINCE_LAST, self.DAYS_SINCE_FIRST)


class Known(StrEnum):
    """How a feature's value at a past moment is known.

    HISTORY: from the object's history rows. DATED: from related rows that carry a date. FIXED: the admin states
    that the outcome does not change it.
    """

    HISTORY = "history"
    DATED = "dated"
    FIXED = "fixed"


class Empty(StrEnum):
    """What no value stands for."""

    MISSING = "missing"
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One field of the org, or an aggregate of one, as a feature.

    name:        letters, digits and underscores; also the developer name of its definition in the org.
    meaning:     id of a canonical feature; None: a feature of the organisation's own block.
    sobject, source_field: API names; the field is None where rows are counted.
    link:        field of sobject that leads to the entity, as "Account__c" or "Order__r.AccountId"; None: sobject is
                 the entity.
    entity_key:  field of the entity that the link is matched with; "AccountId" looks through its account.
    where:       conditions joined by ";", as "Status__c = active; Kind__c in A|B"; None: every row.
    window_days: only rows dated at most so many days before the moment; None: all before it.
    known:       None: left out of training and scoring.
    date_field:  date of a related row, for DATED and for windows.
    because:     for FIXED: why the outcome does not change it.
    factor:      what the org's number is multiplied by to be in the canonical unit.
    values:      the org's picklist value -> the federation's.
    """

    name: str
    tasks: tuple[str, ...]
    sobject: str
    aggregate: Aggregate
    source_field: str | None = None
    meaning: str | None = None
    link: str | None = None
    entity_key: str = "Id"
    where: str | None = None
    window_days: int | None = None
    empty: Empty = Empty.MISSING
    known: Known | None = None
    date_field: str | None = None
    because: str | None = None
    factor: float = 1.0
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A field that is not learned from. because: identity, sensitive, consequence (of the outcome), or a sentence."""

    sobject: str
    source_field: str
    because: str


@dataclass(frozen=True, slots=True)
class SchemaMapping:
    """What one org's fields mean. No two features of one task share a name, nor a canonical meaning."""

    organisation: str
    features: tuple[FieldMapping, ...]
    kept_out: tuple[KeptOut, ...] = ()
    reviewed_by: str | None = None

    @property
    def objects(self) -> tuple[str, ...]:
        """Objects that a snapshot has to hold for this mapping to be checked, each once."""
        return tuple(dict.fromkeys([*(entry.sobject for entry in self.features), "Account"]))

    def of_task(self, task: str) -> tuple[FieldMapping, ...]:
        """Features of one task whose past values are known, in the file's order."""
        return tuple(f for f in self.features if task in f.tasks and f.known is not None)

    def without_past(self) -> tuple[FieldMapping, ...]:
        """Features left out because nothing says how their past values are known."""
        return tuple(f for f in self.features if f.known is None)


def incoherent(entry: FieldMapping, words: Vocabulary) -> list[str]:
    """What cannot be meant, whatever the org looks like; a sentence each."""
    found = []
    if len(entry.name) > LONGEST_NAME:
        found.append(f"'name' has more than {LONGEST_NAME} characters")
    meaning = words.features.get(entry.meaning) if entry.meaning is not None else None
    if entry.meaning is not None and meaning is None:
        found.append(f"'{entry.meaning}' is not in the vocabulary; leave 'means' out to keep it in your own block")
    if meaning is not None and not meaning.use.learnable:
        found.append(f"'{meaning.id}' is {meaning.use} and is never learned from")
    if entry.aggregate.reads_a_field and entry.source_field is None:
        found.append(f"'field' is missing: {entry.aggregate} of what?")
    if entry.aggregate not in (Aggregate.VALUE, Aggregate.DAYS_SINCE_FIRST) and entry.link is None:
        found.append(f"'link' is missing: which field of {entry.sobject} leads to the record?")
    if entry.aggregate is Aggregate.SHARE and entry.where is None:
        found.append("'where' is missing: the share of which rows?")
    if entry.known is Known.FIXED and entry.because is None:
        found.append("'because' is missing: why does the outcome not change a fixed value?")
    if entry.known is Known.DATED and entry.date_field is None:
        found.append("'date' is missing: which field says when a row came about?")
    if entry.known is Known.DATED and entry.link is None and entry.aggregate is not Aggregate.DAYS_SINCE_FIRST:
        found.append("only related rows are dated; the record's own field is known by history, or fixed")
    if entry.window_days is not None and entry.date_field is None:
        found.append("'date' is missing: 'window_days' before what?")
    try:
        parse_conditions(entry.where or "")
    except ValueError as unread:
        found.append(f"cannot read the condition '{unread}'")
    if any(sign in value for pair in entry.values.items() for value in pair for sign in ";="):
        found.append("'values' cannot hold a value with ';' or '=' in it; align it by '*'")
    if entry.values and entry.aggregate is not Aggregate.VALUE:
        found.append(f"'values' align a picklist; {entry.aggregate} gives a number")
    if entry.values and entry.factor != 1.0:
        found.append("has both 'values' and 'factor': a picklist or a number?")
    if meaning is not None and meaning.kind is Kind.CATEGORY and entry.factor != 1.0:
        found.append(f"'factor' changes a number; {meaning.id} is a category")
    return found
