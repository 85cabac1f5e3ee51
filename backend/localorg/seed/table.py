"""A data-set directory as a table: `dataset.json`, `data.csv.gz` and `participants.csv.gz`.

dataset.json names task, label column, its positive values, what counts as missing and which columns to leave
out or keep; participants.csv.gz says, a line a row, whose row it is.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localorg.errors import SettingsError

__all__ = ["Column", "Table", "read_table"]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE]-?\d+)?")
_FEW = 12  # distinct texts up to which a column is a picklist
TASKS = {"churn": "Account", "lead_conversion": "Lead", "win_probability": "Opportunity", "case_escalation": "Case"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of facts. kind: "number", "choice" or "text"; choices: its distinct values, most frequent first."""

    name: str
    kind: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one participant.

    rows:     by column; None where a value is missing.
    outcomes: whether each row's label is positive.
    numbers:  each row's place among the data's, from 0.
    """

    name: str
    task: str
    columns: tuple[Column, ...]
    rows: tuple[Mapping[str, str | None], ...]
    outcomes: tuple[bool, ...]
    numbers: tuple[int, ...]

    @property
    def object_name(self) -> str:
        """The standard object the rows become."""
        return TASKS[self.task]


def read_table(directory: Path, *, participant: int, of: int, limit: int | None = None) -> Table:
    """The rows of one participant.

    participant: 0 .. of - 1. With as many participants in the data as `of`, in the order of their size, each is
        its own; with another number, rows are dealt out in turn.
    Raises SettingsError where the directory is no data set.
    """
    about = _about(directory)
    names, rows = _rows(directory / "data.csv.gz")
    owners = _owners(directory / "participants.csv.gz", len(rows))
    segments = sorted(set(owners), key=lambda name: (-owners.count(name), name)) if owners else []
    if len(segments) == of:
        numbers = [number for number, owner in enumerate(owners) if owner == segments[participant]]
    else:
        numbers = list(range(len(rows)))[participant::of]
    numbers = numbers[:limit]
    mine = [rows[number] for number in numbers]
    label = str(about["label"])
    kept = _kept(names, about)
    missing = set(about.get("missing", [""]))
    facts = [{name: None if row[name] in missing else row[name] for name in kept} for row in mine]
    positive = set(about["positive"])
    columns = tuple(_column(name, [row[name] for row in rows], missing, about) for name in kept)
    return Table(
        str(about["name"]),
        str(about["task"]),
        columns,
        tuple(facts),
        tuple(row[label] in positive for row in mine),
        tuple(numbers),
    )


def _about(directory: Path) -> Mapping[str, Any]:
    try:
        about = json.loads((directory / "dataset.json").read_text(encoding="utf-8"))
        for key in ("name", "task", "label", "positive"):
            about[key]
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise SettingsError(f"{directory} is no data-set directory: dataset.json is missing or incomplete") from broken
    if about["task"] not in TASKS:
        raise SettingsError(f"{directory}: no object is known for task {about['task']!r}; one of {', '.join(TASKS)}")
    found: Mapping[str, Any] = about
    return found


def _rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            return list(reader.fieldnames or ()), rows
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as broken:
        raise SettingsError(f"{path} cannot be read: {broken}") from broken


def _owners(path: Path, count: int) -> list[str]:
    if not path.exists():
        return []
    names, rows = _rows(path)
    owners = [row[names[0]] for row in rows]
    if len(owners) != count:
        raise SettingsError(f"{path} has {len(owners)} rows, the data {count}")
    return owners


def _kept(names: Sequence[str], about: Mapping[str, Any]) -> list[str]:
    if "keep" in about:
        return [name for name in names if name in set(about["keep"])]
    left_out = {about["label"], *about.get("drop", ())}
    return [name for name in names if name not in left_out]


def _column(name: str, values: Sequence[str], missing: set[str], about: Mapping[str, Any]) -> Column:
    counts: dict[str, int] = {}
    for value in values:
        if value not in missing and value.strip():
            counts[value] = counts.get(value, 0) + 1
    numeric = about.get("numeric", "auto")
    as_number = (numeric == "auto" or name in numeric) and all(map(_NUMBER.fullmatch, counts))
    ordered = tuple(sorted(counts, key=lambda value: (-counts[value], value)))
    if counts and as_number and len(counts) > 2:
        return Column(name, "number")
    return Column(name, "choice", ordered) if len(counts) <= _FEW else Column(name, "text")
