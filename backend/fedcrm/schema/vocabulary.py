"""The common vocabulary: canonical features, and what the standard fields of an org mean.

Organisations name the same thing differently. What they share is a list of meanings, each with its kind, its
unit and the direction in which more of it points; an organisation's mapping links its fields to them. Meanings that
tell who somebody is, or what nobody should be judged by, are listed so that they are recognised and kept out.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Any

__all__ = ["CanonicalFeature", "Higher", "Kind", "Use", "Vocabulary", "vocabulary"]


class Kind(StrEnum):
    """What sort of value a canonical feature has."""

    NUMBER = "number"
    CATEGORY = "category"
    FLAG = "flag"
    DATE = "date"
    TEXT = "text"
    REFERENCE = "reference"


class Use(StrEnum):
    """What a canonical feature may be used for."""

    FEATURE = "feature"
    CONTEXT = "context"
    IDENTITY = "identity"
    SENSITIVE = "sensitive"

    @property
    def learnable(self) -> bool:
        """Whether a model may learn from it."""
        return self is Use.FEATURE


class Higher(StrEnum):
    """What more of a feature usually says about the relationship."""

    BETTER = "better"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class CanonicalFeature:
    """One meaning in the shared vocabulary.

    id:     family.word, as "contract.monthly_value"; what mappings and blocks carry.
    unit:   of a number or date: count, score, currency, percent, days, months, hours, date; None where it has none.
    higher: direction; None where more of it says nothing in itself.
    about:  kinds of records that it can describe, lower case: account, contact, lead, opportunity, case.
    actionable: those of them for which somebody can change it, and may be told what that would do to a score.
    """

    id: str
    name: str
    kind: Kind
    about: tuple[str, ...]
    meaning: str
    use: Use = Use.FEATURE
    unit: str | None = None
    higher: Higher | None = None
    actionable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Canonical features by id, and the meaning of standard fields by (object, field), both lower case."""

    features: Mapping[str, CanonicalFeature]
    standard_fields: Mapping[tuple[str, str], CanonicalFeature]

    def __contains__(self, feature: str) -> bool:
        return feature in self.features

    def __getitem__(self, feature: str) -> CanonicalFeature:
        return self.features[feature]

    def of_standard_field(self, sobject: str, field: str) -> CanonicalFeature | None:
        """What a standard field means; None where the ontology does not say. Case does not matter."""
        return self.standard_fields.get((sobject.lower(), field.lower()))


@functools.cache
def vocabulary() -> Vocabulary:
    """The vocabulary and ontology that this version ships."""
    features = {
        f"{family}.{word}": CanonicalFeature(
            id=f"{family}.{word}",
            name=entry["name"],
            kind=Kind(entry["kind"]),
            about=tuple(entry["about"]),
            meaning=entry["meaning"],
            use=Use(entry.get("use", Use.FEATURE)),
            unit=entry.get("unit"),
            higher=Higher(entry["higher"]) if "higher" in entry else None,
            actionable=tuple(entry.get("actionable", ())),
        )
        for family, words in _read("vocabulary.toml").items()
        for word, entry in words.items()
    }
    standard = {
        (sobject.lower(), field.lower()): features[meaning]
        for sobject, fields in _read("ontology.toml").items()
        for field, meaning in fields.items()
    }
    return Vocabulary(MappingProxyType(features), MappingProxyType(standard))


def _read(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("fedcrm.schema").joinpath(name).read_text("utf-8"))
