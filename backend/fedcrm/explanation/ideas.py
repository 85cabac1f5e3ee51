"""Ideas: what people see as one thing, however many fields a model computes from it.

An amount and how round it is are one idea; a reader who saw both in a list would count it twice. So fields computed
from one source column are a family, and so is what an organisation declares to be one. A ratio stands for itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fedcrm.features import Field, Schema

__all__ = ["Idea", "Meaning", "Moves", "ideas_of", "meanings_from_json", "meanings_to_json"]


class Moves(StrEnum):
    """Which way somebody can move a value."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an organisation says about one source column; all of it may be left out.

    label:   as people read it.
    family:  columns with one family are one idea.
    moves:   which way somebody can change it; None: nobody can, or should be told to.
    low, high: how far a number can be moved; None: as far as own records go.
    whole:   numbers are whole.
    choices: names a category can be moved to; empty: any that own records hold.
    """

    label: str = ""
    family: str = ""
    moves: Moves | None = None
    low: float | None = None
    high: float | None = None
    whole: bool = False
    choices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if end is not None and not math.isfinite(end):
                raise ValueError("an end of what a value can be moved to is a finite number")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("low <= high does not hold")


@dataclass(frozen=True, slots=True)
class Idea:
    """One line of an explanation.

    name:    source column, family, or ratio; unique.
    fields:  columns of the encoded record that belong to it, ascending.
    shown:   the field whose value stands beside the line.
    column:  source column whose raw value can be changed, or None where there is more than one.
    """

    name: str
    label: str
    fields: tuple[int, ...]
    shown: int
    column: str | None
    meaning: Meaning = field(default=Meaning())

    @property
    def actionable(self) -> bool:
        """Whether somebody can change it."""
        return self.meaning.moves is not None and self.column is not None


def ideas_of(schema: Schema, meanings: Mapping[str, Meaning]) -> tuple[Idea, ...]:
    """Every field in exactly one idea, ideas in order of their first field.

    meanings: by source column.
    """
    families: dict[str, list[int]] = {}
    for position, f in enumerate(schema.fields):
        families.setdefault(_family(f, meanings), []).append(position)
    return tuple(_idea(name, positions, schema, meanings) for name, positions in families.items())


def _family(f: Field, meanings: Mapping[str, Meaning]) -> str:
    if len(f.source) > 1:
        return " / ".join(f.source)
    said = meanings.get(f.source[0], Meaning())
    return said.family or f.source[0]


def _idea(name: str, positions: Sequence[int], schema: Schema, meanings: Mapping[str, Meaning]) -> Idea:
    fields = [schema.fields[p] for p in positions]
    sources = dict.fromkeys(c for f in fields for c in f.source)
    # The value itself, where the family has it, and not something computed from it.
    plain = [p for p, f in zip(positions, fields, strict=True) if f.transform in ("number", "category", "ratio")]
    shown = plain[0] if plain else positions[0]
    single = next(iter(sources)) if len(sources) == 1 else None
    meaning = Meaning() if single is None else meanings.get(single, Meaning())
    spoken = meaning.label or (name if len(fields) > 1 else schema.fields[shown].words())
    return Idea(name, spoken, tuple(positions), shown, single, meaning)


def meanings_to_json(meanings: Mapping[str, Meaning]) -> dict[str, Any]:
    """Plain values; meanings_from_json is the inverse."""
    return {
        column: {
            "label": m.label,
            "family": m.family,
            "moves": m.moves,
            "low": m.low,
            "high": m.high,
            "whole": m.whole,
            "choices": list(m.choices),
        }
        for column, m in meanings.items()
    }


def meanings_from_json(raw: Any) -> dict[str, Meaning]:
    """Raises ValueError for anything that meanings_to_json does not write."""
    try:
        return {
            str(column): Meaning(
                label=str(m.get("label", "")),
                family=str(m.get("family", "")),
                moves=None if m.get("moves") is None else Moves(m["moves"]),
                low=None if m.get("low") is None else float(m["low"]),
                high=None if m.get("high") is None else float(m["high"]),
                whole=bool(m.get("whole", False)),
                choices=tuple(map(str, m.get("choices", ()))),
            )
            for column, m in raw.items()
        }
    except (AttributeError, TypeError) as wrong:
        raise ValueError(f"not a list of meanings: {json.dumps(str(raw))[:80]}") from wrong
