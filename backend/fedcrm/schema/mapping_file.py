"""The mapping as a file that an admin reads, writes and reviews: TOML, one table a feature.

Reading reports every problem at once; what is written carries the meaning of each canonical feature as a comment.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import tomlkit

from fedcrm.errors import MappingError
from fedcrm.schema.mapping import TASKS, Aggregate, Empty, FieldMapping, KeptOut, Known, SchemaMapping, incoherent
from fedcrm.schema.vocabulary import Vocabulary

__all__ = ["mapping_text", "read_mapping"]

VERSION = 1
_Choice = TypeVar("_Choice", bound=StrEnum)


def read_mapping(path: Path, words: Vocabulary) -> SchemaMapping:
    """Read a mapping file and check its form. Raises MappingError with every problem found, not only the first."""
    try:
        raw = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise MappingError(path, ["there is no such file"]) from None
    except OSError as error:
        raise MappingError(path, [f"cannot be read ({error.strerror})"]) from error
    except UnicodeDecodeError as error:
        raise MappingError(path, [f"is not UTF-8 (byte {error.start})"]) from error
    except tomllib.TOMLDecodeError as error:
        raise MappingError(path, [f"is not TOML: {error}"]) from error
    reader = _Reader(words)
    mapping = reader.mapping(raw)
    if reader.problems or mapping is None:
        raise MappingError(path, reader.problems)
    return mapping


def mapping_text(mapping: SchemaMapping, words: Vocabulary) -> str:
    """The mapping as a file for review: what each canonical feature means stands above it as a comment."""
    document = tomlkit.document()
    document.add("version", tomlkit.item(VERSION))
    document.add("organisation", tomlkit.item(mapping.organisation))
    if mapping.reviewed_by is not None:
        document.add("reviewed_by", tomlkit.item(mapping.reviewed_by))
    features = tomlkit.aot()
    for entry in mapping.features:
        features.append(_feature_table(entry, words))
    document.add("feature", features)
    kept = tomlkit.aot()
    for out in mapping.kept_out:
        table = tomlkit.table()
        table.update({"object": out.sobject, "field": out.source_field, "because": out.because})
        kept.append(table)
    if mapping.kept_out:
        document.add("keep_out", kept)
    return tomlkit.dumps(document)


def _feature_table(entry: FieldMapping, words: Vocabulary) -> tomlkit.items.Table:
    table = tomlkit.table()
    if entry.meaning is not None:
        table.add(tomlkit.comment(f"{words[entry.meaning].name}: {words[entry.meaning].meaning}"))
    elif entry.known is None:
        table.add(tomlkit.comment("left out until it says how its past values are known"))
    said = {
        "name": entry.name,
        "tasks": list(entry.tasks),
        "means": entry.meaning,
        "object": entry.sobject,
        "field": entry.source_field,
        "link": entry.link,
        "entity_key": entry.entity_key if entry.entity_key != "Id" else None,
        "aggregate": entry.aggregate.value,
        "where": entry.where,
        "window_days": entry.window_days,
        "empty": entry.empty.value if entry.empty is not Empty.MISSING else None,
        "known": entry.known.value if entry.known else None,
        "date": entry.date_field,
        "because": entry.because,
        "factor": entry.factor if entry.factor != 1.0 else None,
        "values": dict(entry.values) or None,
    }
    for key, value in said.items():
        if value is not None:
            table.add(key, value)
    return table


_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*")
"""What the platform takes as a developer name: no doubled and no trailing underscore."""
_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*")
_KEYS = {
    "name",
    "tasks",
    "means",
    "object",
    "field",
    "link",
    "entity_key",
    "aggregate",
    "where",
    "window_days",
    "empty",
    "known",
    "date",
    "because",
    "factor",
    "values",
}


class _Reader:
    """Typed access to the raw tables; every problem is noted with the entry it is in."""

    def __init__(self, words: Vocabulary) -> None:
        self.words = words
        self.problems: list[str] = []

    def mapping(self, raw: dict[str, Any]) -> SchemaMapping | None:
        if raw.get("version") != VERSION:
            self.problems.append(f"'version' must be {VERSION}")
        organisation = raw.get("organisation")
        if not isinstance(organisation, str) or not organisation.strip():
            self.problems.append("'organisation' is missing: whose fields are these?")
            organisation = ""
        for key in sorted(set(raw) - {"version", "organisation", "reviewed_by", "feature", "keep_out"}):
            self.problems.append(f"'{key}' is not a key of a mapping")
        features = [f for n, t in enumerate(self._tables(raw, "feature"), 1) if (f := self._feature(t, n))]
        kept = [k for n, t in enumerate(self._tables(raw, "keep_out"), 1) if (k := self._kept_out(t, n))]
        self._refuse_doubles(features)
        self._refuse_contradictions(features, kept)
        reviewer = raw.get("reviewed_by")
        if reviewer is not None and not isinstance(reviewer, str):
            self.problems.append("'reviewed_by' must be a text")
            reviewer = None
        return SchemaMapping(organisation, tuple(features), tuple(kept), reviewer)

    def _tables(self, raw: dict[str, Any], key: str) -> list[dict[str, Any]]:
        tables = raw.get(key, [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            self.problems.append(f"'{key}' must be written as tables: [[{key}]]")
            return []
        return tables

    def _feature(self, table: dict[str, Any], number: int) -> FieldMapping | None:
        before = len(self.problems)
        at = f"feature {table.get('name') or number}"
        for key in sorted(set(table) - _KEYS):
            self.problems.append(f"{at}: '{key}' is not a key of a feature")
        name = self._text(table, "name", at, _NAME, required=True)
        sobject = self._text(table, "object", at, _API_NAME, required=True)
        aggregate = self._choice(table, "aggregate", at, Aggregate, Aggregate.VALUE)
        source_field = self._text(table, "field", at, _API_NAME)
        meaning = self._text(table, "means", at)
        entry = FieldMapping(
            name=name or "",
            tasks=self._tasks(table, at),
            sobject=sobject or "",
            aggregate=aggregate or Aggregate.VALUE,
            source_field=source_field,
            meaning=meaning,
            link=self._text(table, "link", at, _API_NAME),
            entity_key=self._text(table, "entity_key", at, _API_NAME) or "Id",
            where=self._text(table, "where", at),
            window_days=self._days(table, at),
            empty=self._choice(table, "empty", at, Empty, Empty.MISSING) or Empty.MISSING,
            known=self._choice(table, "known", at, Known, None),
            date_field=self._text(table, "date", at, _API_NAME),
            because=self._text(table, "because", at),
            factor=self._factor(table, at),
            values=self._values(table, at),
        )
        if len(self.problems) == before:  # otherwise a problem of form would be told twice
            self.problems += [f"{at}: {problem}" for problem in incoherent(entry, self.words)]
        return entry if len(self.problems) == before else None

    def _kept_out(self, table: dict[str, Any], number: int) -> KeptOut | None:
        at = f"keep_out {number}"
        found = [
            self._text(table, "object", at, _API_NAME, required=True),
            self._text(table, "field", at, _API_NAME, required=True),
            self._text(table, "because", at, required=True),
        ]
        return KeptOut(*(str(f) for f in found)) if all(found) else None

    def _text(
        self, table: dict[str, Any], key: str, at: str, form: re.Pattern[str] | None = None, *, required: bool = False
    ) -> str | None:
        value = table.get(key)
        if value is None:
            if required:
                self.problems.append(f"{at}: '{key}' is missing")
            return None
        if not isinstance(value, str) or not value.strip():
            self.problems.append(f"{at}: '{key}' must be a text")
            return None
        if form is not None and not form.fullmatch(value):
            self.problems.append(f"{at}: '{key}' is '{value}', which is no API name")
            return None
        return value

    def _choice(
        self, table: dict[str, Any], key: str, at: str, kind: type[_Choice], default: _Choice | None
    ) -> _Choice | None:
        value = table.get(key)
        if value is None:
            return default
        if value not in tuple(kind):
            self.problems.append(f"{at}: '{key}' must be one of {', '.join(kind)}")
            return default
        return kind(value)

    def _tasks(self, table: dict[str, Any], at: str) -> tuple[str, ...]:
        value = table.get("tasks")
        if not isinstance(value, list) or not value or not set(map(str, value)) <= set(TASKS):
            self.problems.append(f"{at}: 'tasks' must be a list of {', '.join(TASKS)}")
            return ()
        return tuple(dict.fromkeys(value))

    def _days(self, table: dict[str, Any], at: str) -> int | None:
        value = table.get("window_days")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 3650:
            self.problems.append(f"{at}: 'window_days' must be a whole number from 1 to 3650")
            return None
        return value

    def _factor(self, table: dict[str, Any], at: str) -> float:
        value = table.get("factor", 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < abs(value) < float("inf"):
            self.problems.append(f"{at}: 'factor' must be a number other than 0")
            return 1.0
        return float(value)

    def _values(self, table: dict[str, Any], at: str) -> Mapping[str, str]:
        value = table.get("values", {})
        if not isinstance(value, dict) or not all(isinstance(v, str) and v for v in value.values()):
            self.problems.append(f"{at}: 'values' must lead from the org's values to the federation's")
            return {}
        return dict(value)

    def _refuse_doubles(self, features: Iterable[FieldMapping]) -> None:
        names: set[str] = set()
        meanings: dict[tuple[str, str], str] = {}
        for entry in features:
            if entry.name.lower() in names:
                self.problems.append(f"feature {entry.name}: another feature has this name")
            names.add(entry.name.lower())
            for task in entry.tasks if entry.meaning else ():
                other = meanings.setdefault((task, str(entry.meaning)), entry.name)
                if other != entry.name:
                    self.problems.append(f"feature {entry.name}: {other} already means {entry.meaning} for {task}")

    def _refuse_contradictions(self, features: Iterable[FieldMapping], kept: Iterable[KeptOut]) -> None:
        out = {(k.sobject.lower(), k.source_field.lower()): k.because for k in kept}
        for entry in features:
            reason = out.get((entry.sobject.lower(), (entry.source_field or "").lower()))
            if reason is not None:
                self.problems.append(
                    f"feature {entry.name}: {entry.sobject}.{entry.source_field} is kept out ({reason})"
                )
