"""Why, in a sentence or two: templates filled with labels, nothing generated.

The code and the ideas it speaks of travel with the sentence, so that whoever shows it can say it in another language:
`Why` is the fact, `sentence` the English of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["TEMPLATES", "Story", "Why", "sentence", "why_of"]

MOST_NAMED = 2


class Story(StrEnum):
    """What moved a score."""

    RAISED = "RAISED"
    LOWERED = "LOWERED"
    RAISED_AND_LOWERED = "RAISED_AND_LOWERED"
    TYPICAL = "TYPICAL"


TEMPLATES: Mapping[Story, str] = MappingProxyType(
    {
        Story.RAISED: "{raises} {raise_verb} this score above the typical {baseline}.",
        Story.LOWERED: "{lowers} {lower_verb} this score below the typical {baseline}.",
        Story.RAISED_AND_LOWERED: (
            "Compared with the typical {baseline}, {raises} {raise_verb} this score and {lowers} {lower_verb} it."
        ),
        Story.TYPICAL: "Nothing on this record moves its score far from the typical {baseline}.",
    }
)


@dataclass(frozen=True, slots=True)
class Why:
    """raises, lowers: positions of ideas, the largest first."""

    story: Story
    raises: tuple[int, ...]
    lowers: tuple[int, ...]


def why_of(points: Sequence[int]) -> Why:
    """points: of one record's ideas. Named are the largest on each side, and of those not the slight ones."""
    worth = max(1.0, 0.25 * max(map(abs, points), default=0))
    named = sorted((i for i, p in enumerate(points) if abs(p) >= worth), key=lambda i: (-abs(points[i]), i))
    raises = tuple(i for i in named if points[i] > 0)[:MOST_NAMED]
    lowers = tuple(i for i in named if points[i] < 0)[:MOST_NAMED]
    if raises and lowers:
        return Why(Story.RAISED_AND_LOWERED, raises, lowers)
    if raises or lowers:
        return Why(Story.RAISED if raises else Story.LOWERED, raises, lowers)
    return Why(Story.TYPICAL, (), ())


def sentence(why: Why, labels: Sequence[str], baseline: str) -> str:
    """English; labels: of all ideas; baseline: as shown."""
    raises, lowers = ([f"“{labels[i]}”" for i in which] for which in (why.raises, why.lowers))
    return TEMPLATES[why.story].format(
        raises=" and ".join(raises),
        lowers=" and ".join(lowers),
        raise_verb="raises" if len(raises) == 1 else "raise",
        lower_verb="lowers" if len(lowers) == 1 else "lower",
        baseline=baseline,
    )
