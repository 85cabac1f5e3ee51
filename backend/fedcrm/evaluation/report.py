"""What a demo found, for people: one HTML file that needs nothing else, and a model card in Markdown.

The report is for whoever owns all the node directories at once; the card has a part that may be shared and a
part that never leaves. The first is made from `SharedFacts`, a type that exact figures do not fit into: charged
and public ones only. In particular it quotes what each organisation *may* spend, not what it did: an
organisation without a feature block pays nothing for it, so its exact spending would tell that it lacks one.

Names, categories and reasons are whatever somebody typed: HTML is escaped by the template engine, Markdown by
`markdown_text`, and characters that reorder or hide text are made visible in both.
"""

from __future__ import annotations

import importlib.resources
import math
import re
import statistics
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup, escape

from fedcrm.evaluation import plots
from fedcrm.evaluation.plots import Axis
from fedcrm.evaluation.results import DemoResults, FieldEffect, OrganisationResult
from fedcrm.federation import RoundFacts

__all__ = ["SharedFacts", "markdown_text", "plain_text", "render_model_card", "render_report"]

METHODS: Mapping[str, tuple[str, str]] = {
    "local": ("Own data only", "a strong model from the organisation's own records, without the federation"),
    "federated": ("Federated model", "the one private model all organisations trained together, as it is"),
    "personal": ("Combined at home", "the federated model and the organisation's own models, weighed at home"),
    "central": (
        "Pooled, no privacy",
        "what one model could do if all records lay in one place: the yardstick, not an offer",
    ),
}
"""Words for a way of learning: short, and in a sentence."""

PURPOSES: Mapping[str, str] = {
    "calibration: counts by class, completeness, recency, label reliability": "counts and quality of the data",
    "ranges": "ranges of numbers",
    "cells": "how often values occur",
    "fields": "learning",
    "directions": "learning",
    "candidates": "search for pairs of fields",
    "pairs": "learning, pairs of fields included",
}
"""Words for what a release was for; others are shown as the ledger has them."""

STEPS: Mapping[str, str] = {
    "keys": "agree on a fresh key",
    "shares": "share out its parts",
    "uploads": "answer, add noise, encrypt, upload",
    "decryption": "check and open the sum",
}

PARTS: Mapping[str, str] = {
    "A": "federated terms, re-weighed",
    "R": "own trees on top of the federated score",
    "Lx": "own trees",
    "Ll": "own logistic regression",
    "F": "federated terms as they are",
}

# Entities rather than backslashes: inside a table's cell even an escaped pipe counts in some renderers.
MARKDOWN_MARKS = {mark: Markup("&#{};").format(ord(mark)) for mark in "\\`*_[]|~"}

CURVES_SHOWN = 12
LEVELS_AS_ROWS = 7
NAMES_SHOWN = 60
FACTORS = (0.5, 1.0, 2.0, 4.0, 8.0)


def render_report(results: DemoResults) -> str:
    """A whole HTML page: no request to anywhere, no script, plots inline."""
    return _environment().get_template("report.html.j2").render(_report_view(results))


def render_model_card(results: DemoResults) -> str:
    """The card in Markdown: "may be shared" first, "never leaves" after it."""
    shared = SharedFacts.of(results)
    return (
        _environment()
        .get_template("model_card.md.j2")
        .render(shared=shared, results=results, gains=_gains(results), parts=PARTS)
    )


@dataclass(frozen=True)
class SharedFacts:
    """All of a training that its participants may tell others.

    organisations: name, charged row count, epsilon it may spend.
    colluders:     most participants that may side with the coordinator without opening a single update.
    """

    data_set: str
    task: str
    fast: bool
    delta: float
    organisations: tuple[tuple[str, float, float], ...]
    rounds: tuple[RoundFacts, ...]
    stopped_early: str | None
    effects: tuple[FieldEffect, ...]
    pairs: tuple[str, ...]
    quorum: int
    k_min: int
    colluders: int
    model_digest: str

    @classmethod
    def of(cls, results: DemoResults) -> SharedFacts:
        """Leave everything else behind."""
        return cls(
            data_set=results.data_set,
            task=results.task,
            fast=results.fast,
            delta=results.delta,
            organisations=tuple((o.name, o.reported_rows, o.epsilon_budget) for o in results.organisations),
            rounds=results.rounds,
            stopped_early=results.stopped_early,
            effects=results.effects,
            pairs=results.pairs,
            quorum=results.quorum,
            k_min=results.k_min,
            colluders=_colluders(results),
            model_digest=results.model_digest,
        )

    @property
    def reported_rows(self) -> float:
        """Charged counts, added."""
        return math.fsum(rows for _, rows, _ in self.organisations)


def plain_text(value: object) -> str:
    """Text on one line, with control, format and unpaired surrogate characters replaced by U+FFFD.

    That takes in what switches the direction of writing, so that a name cannot rearrange the text around it.
    """
    text = re.sub(r"\s+", " ", str(value)).strip()
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} else c for c in text)


def markdown_text(value: object) -> Markup:
    """Text that Markdown shows as it stands, in a heading or a table's cell: HTML escaped, every mark defused."""
    text = escape(plain_text(value))
    for mark, entity in MARKDOWN_MARKS.items():
        text = text.replace(mark, entity)
    return text


# --- the page ------------------------------------------------------------------------------------


def _report_view(results: DemoResults) -> dict[str, object]:
    """Everything the template names; it decides nothing itself."""
    gains = _gains(results)
    return {
        "results": results,
        "shared": SharedFacts.of(results),
        "methods": METHODS,
        "marks": {name: plots.key(shape) for name, shape in plots.MARKS.items()},
        "gains": gains,
        "tiles": [
            (key, METHODS[key][0] if key != "chosen" else "What each one uses", results.means.get(key, math.nan))
            for key in ("local", "federated", "chosen")
        ]
        + [("central", METHODS["central"][0], results.central)],
        "metric": _metric_view(results),
        "budget": _budget_view(results),
        "factors": [(epsilon, math.exp(epsilon)) for epsilon in sorted({*FACTORS, *_budgets(results)})],
        "rounds": _rounds_view(results),
        "timings": _timings_view(results),
        "effects": _effects_view(results),
        "parts": PARTS,
    }


def _metric_view(results: DemoResults) -> dict[str, object]:
    measured = {o.name: _metrics(results, o) for o in results.organisations}
    axis = Axis.spanning([v for values in measured.values() for v in values.values()])
    rows = []
    for n, organisation in enumerate(results.organisations):
        values = measured[organisation.name]
        spoken = "; ".join(f"{METHODS[key][0]} {values[key]:.3f}" for key in METHODS if key in values)
        spoken = spoken or "not measured: too few of either outcome among its test records"
        chosen = "personal" if organisation.choice == "personal" else "local"
        rows.append(
            (
                organisation,
                plots.dots(f"metric-{n}", f"AUC of {plain_text(organisation.name)}", spoken, axis, values, chosen),
                values.get("central"),
            )
        )
    return {"rows": rows, "scale": plots.scale(axis, _plain_ticks(axis)), "low": axis.low}


def _budget_view(results: DemoResults) -> dict[str, object]:
    purposes = tuple(dict.fromkeys(c.purpose for o in results.organisations for c in o.charges))
    axis = Axis.spanning([max(o.epsilon_budget, o.epsilon_spent) for o in results.organisations], zero=True)
    rows = []
    for n, organisation in enumerate(results.organisations):
        by_purpose = {c.purpose: c for c in organisation.charges}
        spoken = f"{organisation.epsilon_spent:.2f} of {organisation.epsilon_budget:.2f}; " + ", ".join(
            f"{_purpose(c.purpose)} {c.epsilon:.2f}" for c in organisation.charges
        )
        drawn = plots.budget(
            f"budget-{n}",
            f"Epsilon spent by {plain_text(organisation.name)}",
            spoken,
            axis,
            organisation.epsilon_spent,
            organisation.epsilon_budget,
            [by_purpose[p].epsilon if p in by_purpose else None for p in purposes],
        )
        rows.append((organisation, drawn, [by_purpose.get(p) for p in purposes]))
    words = [(_purpose(p), plots.key(plots.PURPOSES[n % len(plots.PURPOSES)])) for n, p in enumerate(purposes)]
    return {"rows": rows, "scale": plots.scale(axis, _plain_ticks(axis)), "purposes": words}


def _rounds_view(results: DemoResults) -> dict[str, object]:
    axis = Axis.spanning([r.share for r in results.rounds], zero=True)
    rows = [
        (
            r,
            _purpose(r.purpose),
            plots.bar(
                f"round-{n}",
                f"Round {r.round}",
                f"{100 * r.share:.1f} per cent of the training's privacy, {r.coordinates} numbers",
                axis,
                r.share,
                "fill quiet" if r.purpose in {"ranges", "cells", "pairs"} else "fill",
            ),
        )
        for n, r in enumerate(results.rounds)
    ]
    per_cent = Axis(100 * axis.low, 100 * axis.high, tuple(100 * t for t in axis.ticks))
    return {
        "rows": rows,
        "scale": plots.scale(per_cent, _plain_ticks(per_cent)),
        "attempts": sum(r.attempts for r in results.rounds),
    }


def _timings_view(results: DemoResults) -> dict[str, object]:
    stages = dict(results.seconds)
    axis = Axis.spanning(list(stages.values()) or [1.0], zero=True)
    by_step = {step: math.fsum(r.seconds.get(step, 0.0) for r in results.rounds) for step in _steps(results.rounds)}
    moved = {step: sum(r.bytes_moved.get(step, 0) for r in results.rounds) for step in by_step}
    steps = Axis.spanning(list(by_step.values()) or [1.0], zero=True)
    amounts = Axis.spanning([b / 1e6 for b in moved.values()] or [1.0], zero=True)
    return {
        "stages": [
            (name, seconds, plots.bar(f"stage-{n}", plain_text(name), f"{seconds:.1f} seconds", axis, seconds))
            for n, (name, seconds) in enumerate(stages.items())
        ],
        "stage_scale": plots.scale(axis, _plain_ticks(axis)),
        "steps": [
            (
                STEPS.get(step, step),
                seconds,
                moved[step],
                plots.bar(f"step-{n}", plain_text(STEPS.get(step, step)), f"{seconds:.1f} seconds", steps, seconds),
                plots.bar(
                    f"bytes-{n}",
                    plain_text(STEPS.get(step, step)),
                    _bytes(moved[step]),
                    amounts,
                    moved[step] / 1e6,
                    "fill quiet",
                ),
            )
            for n, (step, seconds) in enumerate(by_step.items())
        ],
        "step_scale": plots.scale(steps, _plain_ticks(steps)),
        "bytes_scale": plots.scale(amounts, _plain_ticks(amounts)),
        "seconds": math.fsum(by_step.values()),
        "bytes": sum(moved.values()),
    }


def _effects_view(results: DemoResults) -> dict[str, object]:
    shown = results.effects[:CURVES_SHOWN]
    # A rare level's band can be many times as wide as anything the model says; it is cut at the axis' ends.
    usual = statistics.median([d for e in shown for d in e.deviation] or [0.0])
    axis = Axis.spanning([p + side * 2 * usual for e in shown for p in e.points for side in (-1, 1)] + [0.0], about=4)
    drawn: list[tuple[FieldEffect, Markup | None, list[tuple[str, Markup]]]] = []
    for n, effect in enumerate(shown):
        name = plain_text(effect.words or effect.field)
        if len(effect.points) <= LEVELS_AS_ROWS:
            levels = [
                (
                    label,
                    plots.intervals(
                        f"effect-{n}-{k}", plain_text(label), f"{p:+.2f} plus or minus {2 * d:.2f}", axis, p, d
                    ),
                )
                for k, (label, p, d) in enumerate(zip(effect.labels, effect.points, effect.deviation, strict=True))
            ]
            drawn.append((effect, None, levels))
            continue
        lowest, highest = min(effect.points), max(effect.points)
        where = [plain_text(effect.labels[effect.points.index(end)]) for end in (lowest, highest)]
        spoken = f"{len(effect.points)} bins; lowest {lowest:+.2f} at {where[0]}, highest {highest:+.2f} at {where[1]}"
        gap = effect.labels[-1] == "missing"
        picture = plots.curve(
            f"effect-{n}", f"Effect of {name}", spoken, axis, effect.points, effect.deviation, gap=gap
        )
        drawn.append((effect, picture, []))
    return {
        "drawn": drawn,
        "scale": plots.scale(axis, lambda tick: _signed(tick, _digits(axis))),
        "axis": axis,
        "digits": _digits(axis),
    }


# --- figures behind it ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Gains:
    """How the federation compares with staying alone. better, worse: what is used than own data only, if measured."""

    measured: int
    better: int
    worse: int
    stay_local: int
    mean: float
    refused_by_bootstrap: int
    refused_by_paper: int


def _gains(results: DemoResults) -> Gains:
    pairs = [(o.chosen, o.local) for o in results.organisations if o.chosen is not None and o.local is not None]
    return Gains(
        measured=len(pairs),
        better=sum(chosen > local for chosen, local in pairs),
        worse=sum(chosen < local for chosen, local in pairs),
        stay_local=sum(o.choice == "local" for o in results.organisations),
        mean=math.fsum(c - a for c, a in pairs) / len(pairs) if pairs else math.nan,
        refused_by_bootstrap=sum(o.bootstrap_gate == "refused" for o in results.organisations),
        refused_by_paper=sum(o.paper_gate == "refused" for o in results.organisations),
    )


def _metrics(results: DemoResults, organisation: OrganisationResult) -> dict[str, float]:
    values = {
        "local": organisation.local,
        "federated": organisation.federated,
        "personal": organisation.personal,
        "central": results.central_by_organisation.get(organisation.name),
    }
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def _budgets(results: DemoResults) -> set[float]:
    return {round(o.epsilon_budget, 2) for o in results.organisations if 0 < o.epsilon_budget <= 20}


def _colluders(results: DemoResults) -> int:
    """Two sums over disjoint sets of honest members are excluded while k_min > (n + f) / 2."""
    return max(2 * results.k_min - len(results.organisations) - 1, 0)


def _steps(rounds: Sequence[RoundFacts]) -> list[str]:
    return list(dict.fromkeys(step for r in rounds for step in (*r.seconds, *r.bytes_moved)))


def _purpose(purpose: str) -> str:
    return PURPOSES.get(purpose, plain_text(purpose))


def _plain_ticks(axis: Axis) -> Callable[[float], str]:
    digits = _digits(axis)
    return lambda tick: f"{tick:.{digits}f}"


def _digits(axis: Axis) -> int:
    """Decimals that tell its ticks apart."""
    step = axis.ticks[1] - axis.ticks[0]
    return next((d for d in range(4) if abs(step * 10**d - round(step * 10**d)) < 1e-6), 4)


# --- templates -----------------------------------------------------------------------------------


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        auc=lambda value: _number(value, 3),
        bytes=_bytes,
        count=lambda value: f"{round(value):,}",
        delta=_delta,
        epsilon=lambda value: _number(value, 2),
        factor=_factor,
        md=markdown_text,
        name=_name,
        number=_number,
        per_cent=lambda value: f"{100 * value:.1f} %",
        plain=plain_text,
        points=lambda value: _signed(100 * value, 1),
        purpose=_purpose,
        signed=_signed,
        words=_words,
    )
    return environment


def _source(name: str) -> str:
    return (importlib.resources.files("fedcrm") / "templates" / name).read_text("utf-8")


def _name(value: object) -> Markup:
    """A name in running text: isolated, so that a right-to-left one leaves its surroundings alone; long ones cut."""
    text = plain_text(value)
    short = text if len(text) <= NAMES_SHOWN else text[: NAMES_SHOWN - 1] + "…"
    return (
        Markup('<bdi title="{}">{}</bdi>').format(text, short)
        if short != text
        else Markup("<bdi>{}</bdi>").format(text)
    )


def _number(value: float | None, digits: int) -> str:
    if value is None or math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _signed(value: float, digits: int = 2) -> str:
    if not math.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) < 0 else f"+{text}" if float(text) > 0 else text.lstrip("-")


def _factor(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _delta(value: float) -> str:
    return f"1 in {1 / value:,.0f}" if 0 < value < 1 else _number(value, 2)


def _words(number: int) -> str:
    """Small numbers in words, as a sentence has them."""
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[number] if 0 <= number < len(words) else f"{number:,}"


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
