"""What a data set directory says about itself: `dataset.json`, read once and checked whole.

Everything in it is public by agreement of the participants before they train: names, roles of columns, and,
where it gives `ranges` and `categories`, what values can occur. None of that may be read off the records.
"""

from __future__ import annotations

import dataclasses
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fedcrm.errors import DataSetError, DataSetWarning
from fedcrm.features.forms import as_text, day_number, parse_number
from fedcrm.features.tasks import task_name

__all__ = [
    "BY_ROW",
    "DataSetWarning",
    "DeclaredColumn",
    "DeclaredVocabulary",
    "Description",
    "Metric",
    "PublicCategories",
    "PublicRange",
    "parse_description",
    "read_description",
]

BY_ROW = "row"
"""The value of `order` that means: rows stand in time order."""


class Metric(StrEnum):
    """What a task is judged by."""

    AUC = "auc"
    AUC_SPEARMAN = "auc+spearman"

    @property
    def spearman(self) -> bool:
        """Whether Spearman's rank correlation is reported beside AUC."""
        return self is Metric.AUC_SPEARMAN


@dataclass(frozen=True, slots=True)
class PublicRange:
    """Values a numeric column can take, known without looking. low < high, both finite; dates in days since 1970."""

    low: float
    high: float
    source: str = "data set description"


@dataclass(frozen=True, slots=True)
class PublicCategories:
    """Values a column can take, known without looking; at least one, none blank, none twice."""

    names: tuple[str, ...]
    source: str = "data set description"


@dataclass(frozen=True, slots=True)
class DeclaredColumn:
    """A column as its org's feature definition declares it.

    kind:  number, category or flag. unit: of a number, "" = none. decimals: kept of a number.
    block: the feature block it belongs to; "" = the vocabulary that all share.
    """

    name: str
    kind: str
    unit: str = ""
    decimals: int = 0
    block: str = ""


@dataclass(frozen=True, slots=True)
class DeclaredVocabulary:
    """What an org's extractor measures, in its order. digest: the org's name for it, 64 hex digits."""

    digest: str
    columns: tuple[DeclaredColumn, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """A data set's public facts.

    task:         by its name inside (`tasks.task_name`).

    positive:     label values that count as 1; everything else is 0.
    drop, keep:   columns left out, or the only ones taken; never both. None: not given.
    numeric:      numeric columns; None means "auto": read off the form of the columns (`forms.form_of`).
    missing:      texts that stand for no value in every column; the blank text always does.
    sentinels:    by column, numbers that stand for a meaning of their own (999 = never).
    order:        column that orders rows in time, "row" for the order in the file, None for no order.
    participants: expected names, with their number of rows where it is given; empty: not given.
    unit:         column with the privacy unit's id; None: each row is a unit.
    ranges:       by column, or by "A / B" for the ratio of two numeric columns.
    vocabulary:   what the feature definitions of an org declare; None: nobody declared what the columns are.
    """

    name: str
    task: str
    label: str
    positive: frozenset[str]
    drop: tuple[str, ...] | None = None
    keep: tuple[str, ...] | None = None
    numeric: tuple[str, ...] | None = None
    dates: tuple[str, ...] = ()
    missing: tuple[str, ...] = ("",)
    sentinels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: str | None = None
    metric: Metric = Metric.AUC
    participants: Mapping[str, int | None] = field(default_factory=dict)
    activity_date: str | None = None
    label_source: str | None = None
    unit: str | None = None
    ranges: Mapping[str, PublicRange] = field(default_factory=dict)
    categories: Mapping[str, PublicCategories] = field(default_factory=dict)
    vocabulary: DeclaredVocabulary | None = None

    def features(self, header: Sequence[str]) -> tuple[str, ...]:
        """Columns of a header that may become features, in its order: neither label, privacy unit nor label source."""
        never = {self.label, self.unit, self.label_source, *(self.drop or ())}
        return tuple(c for c in header if c not in never and (self.keep is None or c in self.keep))

    def columns_needed(self) -> tuple[str, ...]:
        """Every column that the description names, label first, each once."""
        named = [self.label, *(self.drop or ()), *(self.keep or ()), *(self.numeric or ()), *self.dates]
        named += [*self.sentinels, *self.categories]
        named += [c for c in (self.activity_date, self.label_source, self.unit) if c is not None]
        if self.order not in (None, BY_ROW):
            named.append(str(self.order))
        for key in self.ranges:
            named += ratio_of(key) or (key,)
        if self.vocabulary is not None:
            named += [column.name for column in self.vocabulary.columns]
        return tuple(dict.fromkeys(named))


def ratio_of(key: str) -> tuple[str, str] | None:
    """("A", "B") where a key of `ranges` reads "A / B", otherwise None."""
    parts = key.split(" / ")
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


def read_description(path: Path) -> Description:
    """Read and check a `dataset.json`. Raises DataSetError; unknown keys raise a DataSetWarning."""
    try:
        raw = json.loads(path.read_bytes().decode("utf-8-sig"), object_pairs_hook=_no_duplicates)
    except FileNotFoundError:
        raise DataSetError(path, "there is no such file") from None
    except OSError as error:
        raise DataSetError(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataSetError(path, f"is not UTF-8 (byte {error.start})") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataSetError(path, f"is not JSON ({error})") from error
    except _DuplicateKeyError as error:
        raise DataSetError(path, f"has the key '{error}' twice") from error
    return parse_description(raw, path)


def parse_description(raw: object, path: Path) -> Description:
    """Check what a `dataset.json` holds. path names the file in errors.

    Lenient in form: one positive value instead of a list, ranges as [low, high] or {"low", "high", "source"},
    categories as a list or {"values", "source"}, participants as a list, `missing` as an object from column (or
    "*" for all) to values, where the values of one column are its sentinels, as under `sentinels`. Raises DataSetError.
    """
    if not isinstance(raw, dict):
        raise DataSetError(path, "must hold one JSON object")
    for key in sorted(set(raw) - {f.name for f in dataclasses.fields(Description)}):
        warnings.warn(f"{path}: unknown key '{key}' is ignored", DataSetWarning, stacklevel=3)
    read = _Reader(raw, path)
    missing, sentinels = read.missing()
    description = Description(
        name=read.text("name"),
        task=task_name(read.text("task")),
        label=read.text("label"),
        positive=read.positive(),
        drop=read.names("drop"),
        keep=read.names("keep"),
        numeric=None if raw.get("numeric", "auto") == "auto" else read.names("numeric"),
        dates=read.names("dates") or (),
        missing=missing,
        sentinels=sentinels,
        order=read.optional_text("order"),
        metric=read.metric(),
        participants=read.participants(),
        activity_date=read.optional_text("activity_date"),
        label_source=read.optional_text("label_source"),
        unit=read.optional_text("unit"),
        ranges=read.ranges(),
        categories=read.categories(),
        vocabulary=read.vocabulary(),
    )
    _refuse_contradictions(description, path)
    return description


class _DuplicateKeyError(Exception):
    """A JSON object names a key twice."""


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _DuplicateKeyError(key)
        found[key] = value
    return found


class _Reader:
    """Typed access to the raw object, every refusal a DataSetError."""

    def __init__(self, raw: dict[str, object], path: Path) -> None:
        self.raw, self.path = raw, path

    def wrong(self, key: str, reason: str) -> DataSetError:
        return DataSetError(self.path, f"'{key}' {reason}")

    def text(self, key: str) -> str:
        value = self.raw.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "is missing or is not a text")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.raw.get(key) is None else self.text(key)

    def names(self, key: str) -> tuple[str, ...] | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.wrong(key, "must be a list of column names")
        if len(set(value)) < len(value):
            raise self.wrong(key, "names a column twice")
        return tuple(value)

    def values(self, key: str, value: object) -> tuple[str, ...]:
        """Texts, numbers or truth values as the texts a CSV file holds."""
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(v, str | int | float) for v in listed):
            raise self.wrong(key, "must hold texts or numbers")
        return tuple(dict.fromkeys(as_text(v).strip() for v in listed))

    def positive(self) -> frozenset[str]:
        if self.raw.get("positive") is None:
            raise self.wrong("positive", "is missing: which label values count as positive?")
        found = self.values("positive", self.raw["positive"])
        if not found or "" in found:
            raise self.wrong("positive", "must hold at least one value, none of them blank")
        return frozenset(found)

    def metric(self) -> Metric:
        value = self.raw.get("metric", "auc")
        if value not in tuple(Metric):
            raise self.wrong("metric", "must be " + " or ".join(f'"{m}"' for m in Metric))
        return Metric(str(value))

    def missing(self) -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
        value = self.raw.get("missing", [])
        if isinstance(value, dict):
            everywhere = self.values("missing", value.get("*", []))
            by_column = {str(c): self.values("missing", v) for c, v in value.items() if c != "*"}
        else:
            everywhere, by_column = self.values("missing", value if value is not None else []), {}
        for column, values in self.mapping("sentinels").items():
            by_column[column] = tuple(dict.fromkeys((*by_column.get(column, ()), *self.values("sentinels", values))))
        return tuple(dict.fromkeys(("", *everywhere))), by_column

    def participants(self) -> Mapping[str, int | None]:
        value = self.raw.get("participants", {})
        if isinstance(value, list):
            value = dict.fromkeys(value)
        if not isinstance(value, dict) or not all(isinstance(k, str) and k.strip() for k in value):
            raise self.wrong("participants", "must be a list of names or an object from name to number of rows")
        for name, rows in value.items():
            if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 0):
                raise self.wrong("participants", f"gives '{name}' a number of rows that is not a whole number")
        return dict(value)

    def mapping(self, key: str) -> dict[str, object]:
        value = self.raw.get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(key, "must be an object from column to value")
        return value

    def ranges(self) -> Mapping[str, PublicRange]:
        found = {}
        for column, value in self.mapping("ranges").items():
            given = value if isinstance(value, dict) else {}
            pair = [given.get("low"), given.get("high")] if given else value
            if not isinstance(pair, list) or len(pair) != 2:
                raise self.wrong("ranges", f"of '{column}' must be [low, high] or an object with low and high")
            low, high = (self.bound(column, v) for v in pair)
            if not low < high:
                raise self.wrong("ranges", f"of '{column}' must have low < high")
            found[column] = PublicRange(
                low, high, str(given.get("source", PublicRange.__dataclass_fields__["source"].default))
            )
        return found

    def bound(self, column: str, value: object) -> float:
        if isinstance(value, str):
            number = parse_number(value)
            value = day_number(value) if math.isnan(number) else number
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong("ranges", f"of '{column}' must hold two finite numbers or dates")
        return float(value)

    def categories(self) -> Mapping[str, PublicCategories]:
        found = {}
        for column, value in self.mapping("categories").items():
            given = value if isinstance(value, dict) else {"values": value}
            names = given.get("values")
            if not isinstance(names, list) or not names:
                raise self.wrong("categories", f"of '{column}' must be a list of values, not empty")
            texts = self.values("categories", names)
            if len(texts) < len(names) or "" in texts:
                raise self.wrong("categories", f"of '{column}' must be distinct and not blank")
            default = PublicCategories.__dataclass_fields__["source"].default
            found[column] = PublicCategories(texts, str(given.get("source", default)))
        return found

    def vocabulary(self) -> DeclaredVocabulary | None:
        value = self.mapping("vocabulary")
        if not value:
            return None
        digest, listed = value.get("digest"), value.get("columns")
        if not isinstance(digest, str) or not isinstance(listed, list):
            raise self.wrong("vocabulary", "must hold a digest and a list of columns")
        columns = tuple(self.declared(entry) for entry in listed)
        if len({column.name for column in columns}) < len(columns):
            raise self.wrong("vocabulary", "declares a column twice")
        return DeclaredVocabulary(digest, columns)

    def declared(self, entry: object) -> DeclaredColumn:
        raw = {} if not isinstance(entry, dict) else {k: "" if v is None else v for k, v in entry.items()}
        if set(raw) != set(_COLUMN) or not all(isinstance(raw[key], kind) for key, kind in _COLUMN.items()):
            raise self.wrong("vocabulary", f"declares each column by {', '.join(_COLUMN)}")
        if raw["kind"] not in ("number", "category", "flag"):
            raise self.wrong("vocabulary", f"calls '{raw['name']}' a {raw['kind']}: neither number, category nor flag")
        return DeclaredColumn(**raw)  # type: ignore[arg-type]  # each value's type was checked just above


_COLUMN = {"name": str, "kind": str, "unit": str, "decimals": int, "block": str}


def _refuse_contradictions(d: Description, path: Path) -> None:
    """Combinations that cannot be meant."""
    if d.drop is not None and d.keep is not None:
        raise DataSetError(path, "has both 'drop' and 'keep'; give one")
    if d.keep is not None and not set(d.keep) - {d.label, d.unit, d.label_source}:
        raise DataSetError(path, "'keep' leaves no feature")
    for first, second, one, other in (
        ("numeric", "dates", d.numeric or (), d.dates),
        ("numeric", "categories", d.numeric or (), d.categories),
        ("dates", "categories", d.dates, d.categories),
        ("ranges", "categories", d.ranges, d.categories),
    ):
        both = sorted(set(one) & set(other))
        if both:
            raise DataSetError(path, f"names '{both[0]}' in '{first}' and in '{second}'")
    for role in ("order", "unit", "activity_date", "label_source"):
        if getattr(d, role) == d.label:
            raise DataSetError(path, f"uses the label '{d.label}' as '{role}'")
    for role, listed in (
        ("numeric", d.numeric or ()),
        ("dates", d.dates),
        ("ranges", d.ranges),
        ("categories", d.categories),
    ):
        if d.label in listed:
            raise DataSetError(path, f"lists the label '{d.label}' in '{role}'")
    if d.positive & set(d.missing):
        raise DataSetError(path, f"counts {sorted(d.positive & set(d.missing))[0]!r} as positive and as missing")
