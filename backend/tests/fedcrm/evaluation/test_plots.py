"""Plots: axes, positions, shapes and what a screen reader is told."""

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcrm.evaluation import plots
from fedcrm.evaluation.plots import Axis

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(FINITE, min_size=1, max_size=20), st.booleans())
def test_an_axis_holds_every_value_between_round_ends(values, zero):
    axis = Axis.spanning(values, zero=zero)
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.low < axis.high
    assert axis.low - slack <= min(values)
    assert max(values) <= axis.high + slack
    assert 2 <= len(axis.ticks) <= 12
    assert axis.ticks[0] == axis.low
    assert axis.ticks[-1] == axis.high
    if zero:
        assert axis.low <= slack
        assert axis.high >= -slack


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf], [0.0], [5e-324], [0.8, 0.8]])
def test_an_axis_stands_even_where_there_is_nothing_to_span(values):
    axis = Axis.spanning(values)
    assert axis.high > axis.low


def test_a_value_beyond_the_axis_is_drawn_at_its_end():
    axis = Axis(0.0, 1.0, (0.0, 0.5, 1.0))
    assert [axis.at(v) for v in (-3.0, 0.25, math.inf, math.nan)] == ["0.00%", "25.00%", "100.00%", "0.00%"]


def test_a_line_of_dots_has_one_mark_a_method_and_a_ring_around_the_chosen_one():
    axis = Axis(0.0, 1.0, (0.0, 1.0))
    strip = _parse(plots.dots("x", "t", "d", axis, {"local": 0.2, "personal": 0.4}, "personal"))
    placed = {
        shape.get("class"): nested.get("x") for nested in strip.iter("svg") for shape in nested if nested.get("x")
    }
    assert placed == {"mark local": "20.00%", "mark personal": "40.00%", "ring": "40.00%"}


def test_an_organisation_without_a_metric_gets_an_empty_line():
    strip = _parse(plots.dots("x", "t", "d", Axis(0.0, 1.0, (0.0, 1.0)), {}, "personal"))
    assert not [e for e in strip.iter() if (e.get("class") or "").startswith(("mark", "ring", "span"))]


def test_every_picture_has_a_title_and_a_description_of_its_own():
    axis = Axis(-1.0, 1.0, (-1.0, 0.0, 1.0))
    drawn = [
        plots.dots("a", "title", "description", axis, {"local": 0.1}, "local"),
        plots.budget("b", "title", "description", axis, 0.5, 1.0, [0.1, None]),
        plots.bar("c", "title", "description", axis, 0.5),
        plots.curve("d", "title", "description", axis, [0.1, 0.2], [0.1, 0.1], gap=True),
        plots.intervals("e", "title", "description", axis, 0.1, 0.2),
    ]
    for slug, picture in zip("abcde", drawn, strict=True):
        svg = next(e for e in _parse(picture).iter("svg") if e.get("role") == "img")
        assert svg.get("aria-labelledby") == f"{slug}-t {slug}-d"
        assert {e.get("id"): e.text for e in svg if e.tag in {"title", "desc"}} == {
            f"{slug}-t": "title",
            f"{slug}-d": "description",
        }


def test_a_name_cannot_leave_the_title_it_stands_in():
    evil = '</title><script>alert(1)</script>"\' onload="x'
    picture = plots.bar("a", evil, evil, Axis(0.0, 1.0, (0.0, 1.0)), 0.5)
    assert "<script" not in picture
    assert next(_parse(picture).iter("title")).text == evil


def test_a_curve_draws_each_bin_at_its_height_and_sets_missing_apart():
    axis = Axis(-1.0, 1.0, (-1.0, 0.0, 1.0))
    svg = _parse(plots.curve("a", "t", "d", axis, [-1.0, 1.0, 0.0], [0.0, 0.0, 0.25], gap=True))
    steps = [e for e in svg.iter("line") if e.get("class") == "step"]
    treads = [e for e in steps if e.get("y1") == e.get("y2")]
    assert [float(e.get("y1")) for e in treads] == [plots.CURVE - 8.0, 8.0, plots.CURVE / 2]
    assert float(treads[2].get("x1")[:-1]) > float(treads[1].get("x2")[:-1])
    assert float(treads[2].get("x2")[:-1]) == pytest.approx(100.0, abs=0.01)
    band = [e for e in svg.iter("rect") if e.get("class") == "band"][-1]
    assert float(band.get("height")) == pytest.approx((plots.CURVE - 16) / 2)


def test_marks_differ_in_shape_and_not_in_colour_alone():
    shapes = [plots.MARKS[name] for name in plots.MARKS]
    outlines = {
        " ".join(p for p in str(s).split() if "class" not in p and "mark" not in p) for s in [*shapes, *plots.PURPOSES]
    }
    assert len(outlines) == len(shapes) + len(plots.PURPOSES)


def _parse(markup):
    return ET.fromstring(f"<div>{markup}</div>")
