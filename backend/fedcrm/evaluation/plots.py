"""Plots as inline SVG that needs no script, no picture file and no fixed width.

Horizontal positions are percentages and everything else is in pixels, so a plot fills whatever width it gets
while its dots stay round and its letters legible; at 390 pixels nothing is scaled down. Colours are classes
of the page's style sheet (light, dark and print are its affair); shapes differ too, so that no reading rests
on colour alone. Every plot carries a title and a description for those who hear it.

Text is escaped by Markup.format: names of organisations and fields are whatever somebody typed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["MARKS", "PURPOSES", "Axis", "bar", "budget", "curve", "dots", "intervals", "key", "scale"]

MARKS: Mapping[str, Markup] = {
    "local": Markup('<circle class="mark local" r="5.5"/>'),
    "federated": Markup('<path class="mark federated" d="M0-7.5 7.5 0 0 7.5-7.5 0z"/>'),
    "personal": Markup('<rect class="mark personal" x="-5.2" y="-5.2" width="10.4" height="10.4" rx="1"/>'),
    "central": Markup('<path class="mark central" d="M-1.5-10h3V10h-3z"/>'),
    "chosen": Markup('<circle class="ring" r="11"/>'),
}
"""One shape a way of learning, drawn around the origin; "chosen" is a ring around one of the others."""

PURPOSES: tuple[Markup, ...] = (
    Markup('<circle class="purpose p0" r="4.2"/>'),
    Markup('<path class="purpose p1" d="M0-5.6 5.6 0 0 5.6-5.6 0z"/>'),
    Markup('<rect class="purpose p2" x="-4" y="-4" width="8" height="8"/>'),
    Markup('<path class="purpose p3" d="M0-5 5 4h-10z"/>'),
    Markup('<path class="purpose p4" d="M0 5-5-4h10z"/>'),
    Markup('<path class="purpose p5" d="M-1.8-5h3.6v3.2h3.2v3.6h-3.2v3.2h-3.6v-3.2h-3.2v-3.6h3.2z"/>'),
)
"""Shapes of what a budget was spent on, by order; after the last they begin again."""

STRIP, THIN = 34, 22
CURVE = 148


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear axis from low to high with round ticks. high > low."""

    low: float
    high: float
    ticks: tuple[float, ...]

    @classmethod
    def spanning(cls, values: Sequence[float], *, zero: bool = False, about: int = 5) -> Axis:
        """The smallest axis with round ends that holds all finite values; with zero, it starts there."""
        finite = [v for v in values if math.isfinite(v)]
        low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
        if zero:
            low, high = min(low, 0.0), max(high, 0.0)
        if high - low < 1e-9 * max(abs(high), abs(low), 1.0):
            low, high = (0.0, 1.0) if abs(high) < 1e-9 else (low - abs(low) / 2, high + abs(high) / 2)
        rough = (high - low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        return cls(first * step, last * step, tuple(k * step for k in range(first, last + 1)))

    def at(self, value: float) -> str:
        """Horizontal position as an SVG length; what lies beyond an end is drawn at that end."""
        return f"{100 * self.share(value):.2f}%"

    def share(self, value: float) -> float:
        """Position between 0 (low) and 1 (high)."""
        if math.isnan(value):
            return 0.0
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def dots(
    slug: str, title: str, description: str, axis: Axis, values: Mapping[str, float], chosen: str | None
) -> Markup:
    """One line with a mark a method; values by name in MARKS, chosen: the one that gets the ring.

    slug: unique in the page, letters, digits and hyphens.
    """
    parts = []
    if values:
        ends = {"x1": axis.at(min(values.values())), "x2": axis.at(max(values.values()))}
        parts.append(Markup('<line class="span" x1="{x1}" x2="{x2}"/>').format(**ends))
    # Central lies below the marks of what organisations really have, the ring above all.
    behind_first = sorted(values, key=lambda n: (n != "central", n))
    parts.extend(_placed(axis.at(values[name]), 0, MARKS[name]) for name in behind_first)
    if chosen is not None and chosen in values:
        parts.append(_placed(axis.at(values[chosen]), 0, MARKS["chosen"]))
    return _strip(slug, title, description, axis, STRIP, parts)


def budget(
    slug: str, title: str, description: str, axis: Axis, spent: float, limit: float, purposes: Sequence[float | None]
) -> Markup:
    """A bar up to what is spent on a track up to the limit, and a mark a purpose under it (None: no such charge).

    All in epsilon.
    """
    track = Markup('<rect class="track" x="0" width="{w}" y="-15" height="12" rx="2"/>').format(w=axis.at(limit))
    bar_ = Markup('<rect class="fill" x="0" width="{w}" y="-15" height="12" rx="2"/>').format(w=axis.at(spent))
    end = Markup('<line class="limit" x1="{x}" x2="{x}" y1="-19" y2="1"/>').format(x=axis.at(limit))
    # Two purposes of one price would lie on each other: every other one stands a little lower.
    small = [
        _placed(axis.at(value), 6 + 9 * (n % 2), PURPOSES[n % len(PURPOSES)])
        for n, value in enumerate(purposes)
        if value is not None
    ]
    return _strip(slug, title, description, axis, STRIP + 10, [track, bar_, end, *small])


def bar(slug: str, title: str, description: str, axis: Axis, value: float, kind: str = "fill") -> Markup:
    """One bar from zero. kind: class of its colour."""
    shape = Markup('<rect class="{kind}" x="0" width="{w}" y="-6" height="12" rx="2"/>')
    return _strip(slug, title, description, axis, THIN, [shape.format(kind=kind, w=axis.at(value))])


def scale(axis: Axis, words: Callable[[float], str]) -> Markup:
    """The numbers under a column of strips. Hidden from screen readers, which have the tables."""
    text = Markup('<text x="{x}" y="13" text-anchor="middle">{text}</text>')
    numbers = [text.format(x=axis.at(tick), text=words(tick)) for tick in axis.ticks]
    return Markup('<svg class="scale" aria-hidden="true" width="100%" height="18">{}</svg>').format(
        Markup("").join(numbers)
    )


def key(shape: Markup) -> Markup:
    """A mark for the legend."""
    return Markup('<svg class="key" aria-hidden="true" width="24" height="24">{}</svg>').format(
        _placed("12", 12, shape)
    )


def curve(
    slug: str,
    title: str,
    description: str,
    axis: Axis,
    points: Sequence[float],
    deviation: Sequence[float],
    *,
    gap: bool,
) -> Markup:
    """A step a bin with a band of two deviations on either side; vertical axis in log-odds.

    gap: whether the last bin (missing values) stands apart.
    """
    top, bottom = 8.0, CURVE - 8.0

    def y(value: float) -> float:
        return bottom - (bottom - top) * axis.share(value)

    bins = len(points)
    width = 100.0 / (bins + (0.6 if gap else 0.0))
    parts = []
    for tick in axis.ticks:
        line = Markup('<line class="{kind}" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(line.format(kind="zero" if abs(tick) < 1e-12 else "grid", y=y(tick)))
    before: float | None = None
    for n, (point, sd) in enumerate(zip(points, deviation, strict=True)):
        apart = gap and n == bins - 1
        left = n * width + (0.6 * width if apart else 0.0)
        low, high = y(point - 2 * sd), y(point + 2 * sd)
        band = Markup('<rect class="band" x="{x:.3f}%" width="{w:.3f}%" y="{top:.1f}" height="{h:.1f}"/>')
        parts.append(band.format(x=left, w=width, top=high, h=max(low - high, 1.0)))
        if before is not None and not apart:
            riser = Markup('<line class="step" x1="{x:.3f}%" x2="{x:.3f}%" y1="{a:.1f}" y2="{b:.1f}"/>')
            parts.append(riser.format(x=left, a=y(before), b=y(point)))
        tread = Markup('<line class="step" x1="{a:.3f}%" x2="{b:.3f}%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(tread.format(a=left, b=left + width, y=y(point)))
        before = point
    return _svg("curve", slug, title, description, str(CURVE), parts)


def intervals(slug: str, title: str, description: str, axis: Axis, point: float, sd: float) -> Markup:
    """One level's points as a dot on a line of two deviations to either side."""
    ends = {"a": axis.at(point - 2 * sd), "b": axis.at(point + 2 * sd)}
    line = Markup('<line class="whisker" x1="{a}" x2="{b}"/>').format(**ends)
    dot = Markup('<circle class="dot" cx="{x}" r="4.5"/>').format(x=axis.at(point))
    return _strip(slug, title, description, axis, THIN, [line, dot])


def _strip(slug: str, title: str, description: str, axis: Axis, height: int, parts: Sequence[Markup]) -> Markup:
    """Parts drawn around the middle of a strip that is at least `height` high and grows with the label beside it."""
    line = Markup('<line class="{kind}" x1="{x}" x2="{x}" y1="0" y2="100%"/>')
    grid = [line.format(kind="zero" if abs(t) < 1e-12 else "grid", x=axis.at(t)) for t in axis.ticks]
    middle = Markup('<svg y="50%" overflow="visible">{}</svg>').format(Markup("").join(parts))
    strip = _svg("strip", slug, title, description, "100%", [*grid, middle])
    return Markup('<div class="cell" style="min-height: {}px">{}</div>').format(height, strip)


def _placed(x: str, y: float, shape: Markup) -> Markup:
    # A path cannot be placed by a percentage; a nested picture around it can.
    return Markup('<svg x="{x}" y="{y}" overflow="visible">{shape}</svg>').format(x=x, y=y, shape=shape)


def _svg(kind: str, slug: str, title: str, description: str, height: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="{kind}" role="img" aria-labelledby="{slug}-t {slug}-d" width="100%" height="{height}">'
        '<title id="{slug}-t">{title}</title><desc id="{slug}-d">{description}</desc>{body}</svg>'
    ).format(kind=kind, slug=slug, title=title, description=description, height=height, body=Markup("").join(parts))
