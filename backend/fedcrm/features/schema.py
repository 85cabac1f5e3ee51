"""The public schema: what every participant agrees a record's features are, and the one way to compute them.

A schema is public. Its ranges and categories come from public knowledge or from charged private releases, never
from looking at records; where neither has happened yet they are None, and the learner has to ask for them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.features.dataset import Column, DataSet
from fedcrm.features.derived import TRANSFORMS, Kind, ratio
from fedcrm.features.forms import as_text, is_missing

__all__ = ["Field", "Schema", "Table", "spreads_by_factor"]

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Field:
    """One feature.

    source:     raw columns it is computed from; two for a ratio.
    transform:  key of `derived.TRANSFORMS`; argument: a date format, a sentinel.
    low, high:  NUMERIC: public range, low < high; both None: not public. Values outside belong to the end bins.
    log:        NUMERIC: spread bins evenly on log1p(x - low), not on x.
    categories: CATEGORICAL: public names; None: not public. Everything else is "other".
    block:      feature block of a field that only some participants have; None: everybody has it.
    provenance: where range or categories come from.
    """

    name: str
    kind: Kind
    source: tuple[str, ...]
    transform: str
    argument: str = ""
    low: float | None = None
    high: float | None = None
    log: bool = False
    categories: tuple[str, ...] | None = None
    unit: str = ""
    block: str | None = None
    provenance: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a field that no schema may hold."""
        known = TRANSFORMS.get(self.transform)
        if known is None or known.kind is not self.kind:
            raise ValueError(f"{self.name}: no {self.kind} transform is called '{self.transform}'")
        if not self.name or len(self.source) != (2 if self.transform == "ratio" else 1):
            raise ValueError(f"{self.name}: wrong number of source columns")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.name}: a range has two ends")
        if self.low is not None and self.high is not None:
            if self.kind is Kind.CATEGORICAL or not (math.isfinite(self.low) and math.isfinite(self.high)):
                raise ValueError(f"{self.name}: a range is finite and of a numeric field")
            if not self.low < self.high:
                raise ValueError(f"{self.name}: low < high does not hold")
        if self.categories is not None:
            distinct = set(self.categories)
            if self.kind is Kind.NUMERIC or len(distinct) < len(self.categories) or "" in distinct:
                raise ValueError(f"{self.name}: categories are distinct, not blank, and of a categorical field")

    @property
    def public(self) -> bool:
        """Whether the range or the categories are known."""
        return (self.low if self.kind is Kind.NUMERIC else self.categories) is not None

    @property
    def levels(self) -> int:
        """CATEGORICAL with known categories: codes 0..levels-1, the last one "other". Otherwise 0."""
        return 0 if self.categories is None else len(self.categories) + 1

    def words(self) -> str:
        """The field as people read it in an explanation."""
        return TRANSFORMS[self.transform].words.format(" / ".join(self.source))

    def label_of(self, value: float) -> str:
        """One encoded value as people read it."""
        if math.isnan(value):
            return "missing"
        if self.categories is None:
            return f"{value:g}"
        return self.categories[int(value)] if value < len(self.categories) else "other"


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Encoded records.

    X: float32, (n, fields). NaN = missing, never infinite; a category is its code 0..levels-1.
    y: int8, (n,), 0 or 1.
    """

    X: NDArray[np.float32]
    y: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True)
class Schema:
    """Fields in order, and which raw values mean that there is none.

    missing:   texts that mean "no value" in every column.
    sentinels: by column, values with a meaning of their own: missing for the column's other fields.
    version:   of this format.
    """

    fields: tuple[Field, ...]
    missing: tuple[str, ...] = ("",)
    sentinels: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError for names that occur twice."""
        if len(set(self.names)) < len(self.fields):
            raise ValueError("two fields have one name")

    def __hash__(self) -> int:
        return hash(self.to_json())

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(f.name for f in self.fields)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Feature blocks that occur, in order of their first field."""
        return tuple(dict.fromkeys(f.block for f in self.fields if f.block is not None))

    @property
    def unknown_ranges(self) -> tuple[str, ...]:
        """Numeric fields whose range is not public."""
        return tuple(f.name for f in self.fields if f.kind is Kind.NUMERIC and not f.public)

    @property
    def unknown_categories(self) -> tuple[str, ...]:
        """Categorical fields whose categories are not public."""
        return tuple(f.name for f in self.fields if f.kind is Kind.CATEGORICAL and not f.public)

    def index(self, name: str) -> int:
        """Position of a field. Raises ValueError."""
        if name not in self.names:
            raise ValueError(f"the schema has no field '{name}'")
        return self.names.index(name)

    def with_ranges(self, ranges: Mapping[str, tuple[float, float]], provenance: str = "private release") -> Schema:
        """The schema with ranges of some numeric fields filled in."""
        return self._with(
            {
                name: {"low": low, "high": high, "log": spreads_by_factor(low, high), "provenance": provenance}
                for name, (low, high) in ranges.items()
            }
        )

    def with_categories(self, categories: Mapping[str, Sequence[str]], provenance: str = "private release") -> Schema:
        """The schema with names of some categorical fields filled in; an empty list means that all is "other"."""
        return self._with({n: {"categories": tuple(c), "provenance": provenance} for n, c in categories.items()})

    def _with(self, changes: Mapping[str, Mapping[str, Any]]) -> Schema:
        unknown = set(changes) - set(self.names)
        if unknown:
            raise ValueError(f"the schema has no field '{min(unknown)}'")
        fields = tuple(dataclasses.replace(f, **changes.get(f.name, {})) for f in self.fields)
        return dataclasses.replace(self, fields=fields)

    # --- form on the wire and on disk ---

    def to_json(self) -> str:
        """Canonical: equal schemas have equal texts."""
        plain = {
            "version": self.version,
            "missing": list(self.missing),
            "sentinels": {c: list(v) for c, v in self.sentinels.items()},
            "fields": [dataclasses.asdict(f) for f in self.fields],
        }
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Schema:
        """Inverse of to_json. Raises ValueError for anything else."""
        try:
            raw = json.loads(text)
            if raw["version"] != 1:
                raise ValueError(f"schema version {raw['version']} is not known here")
            fields = []
            for entry in raw["fields"]:
                names = entry["categories"]
                entry = {**entry, "kind": Kind(entry["kind"]), "source": tuple(entry["source"])}
                fields.append(Field(**{**entry, "categories": None if names is None else tuple(names)}))
            sentinels = {str(c): tuple(map(str, v)) for c, v in raw["sentinels"].items()}
            return cls(tuple(fields), tuple(map(str, raw["missing"])), sentinels)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a schema: {error!r}") from error

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical text, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    # --- encoding ---

    def encode(self, data: DataSet, rows: NDArray[np.int64] | None = None) -> Table:
        """Records of a data set as numbers; rows: which, in this order; None: all.

        A column the data set lacks is missing throughout; unknown categories are "other"; a value that does not
        parse is missing. Raises nothing for what a record holds. A field whose categories are not public yet
        encodes every value as code 0, "other".
        """
        rows = np.arange(len(data)) if rows is None else rows
        return Table(self._encode(data.columns, rows), data.label[rows])

    def encode_records(self, records: Sequence[Mapping[str, object]]) -> NDArray[np.float32]:
        """Records by column name, as an API hands them in, float32, (records, fields). The same code as `encode`."""
        wanted = dict.fromkeys(c for f in self.fields for c in f.source)
        columns = {c: Column.of([as_text(r.get(c)) for r in records]) for c in wanted}
        return self._encode(columns, np.arange(len(records)))

    def _encode(self, columns: Mapping[str, Column], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        X = np.full((len(rows), len(self.fields)), np.nan, dtype=np.float32)
        for j, field in enumerate(self.fields):
            if all(c in columns for c in field.source):
                X[:, j] = self._values(field, columns, rows)
        return X

    def _values(self, field: Field, columns: Mapping[str, Column], rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """One field of these rows, float64, finite or NaN."""
        parts = []
        for source in field.source:
            column = columns[source]
            codes = column.codes[rows]
            used, position = np.unique(codes, return_inverse=True)
            parts.append(self._of_texts(field, source, [str(t) for t in column.values[used]])[position])
        values = ratio(parts[0], parts[1]) if len(parts) == 2 else parts[0]
        return np.clip(values, -_LARGEST, _LARGEST)

    def _of_texts(self, field: Field, source: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """One source column's distinct texts as values of a field."""
        transform = TRANSFORMS[field.transform]
        # A sentinel is what its own indicator looks for, and no value to every other field of the column.
        sentinels = () if field.transform == "is_sentinel" else self.sentinels.get(source, ())
        gone = np.array([is_missing(t, self.missing, sentinels) for t in texts], dtype=bool)
        given = [("" if out else t) for t, out in zip(texts, gone, strict=True)]
        computed = transform.compute(given, field.argument)
        if transform.kind is Kind.CATEGORICAL:
            code = {name: i for i, name in enumerate(field.categories or ())}
            computed = np.array([code.get(str(c), len(code)) if c != "" else np.nan for c in computed], dtype=float)
        values = np.asarray(computed, dtype=np.float64)
        return values if transform.sees_missing else np.where(gone, np.nan, values)


def spreads_by_factor(low: float, high: float) -> bool:
    """Whether a range is better spread evenly by factor than by difference: it starts at zero and reaches far."""
    return low >= 0 and high >= 1_000 and high >= 100 * (low + 1)
