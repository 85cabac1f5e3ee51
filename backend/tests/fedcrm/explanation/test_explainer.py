import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fedcrm.errors import StorageError
from fedcrm.explanation import Background, pack, unpack
from fedcrm.explanation.explainer import _split


def test_a_score_is_its_baseline_and_points_for_every_kind_of_model(explainer, world):
    found = explainer.explain(world.federation.held[:500])
    shown = found.figures
    np.testing.assert_array_equal(shown.baseline + shown.points.sum(axis=1), shown.score)
    np.testing.assert_allclose(shown.score / 1000, found.probability, atol=0.0005)


def test_scoring_alone_gives_the_explained_probability(explainer, world):
    X = world.federation.held[:300]
    np.testing.assert_allclose(explainer.probability(X), explainer.explain(X, changes=False).probability, atol=1e-9)


def test_the_typical_record_is_the_mean_of_ones_own(explainer, world):
    assert explainer.baseline == pytest.approx(float(explainer.parts.read(world.X).margin.mean()), abs=1e-9)


def test_the_likely_range_is_around_the_score(explainer, world):
    found = explainer.explain(world.federation.held[:500], changes=False)
    assert np.all(found.low < found.probability)
    assert np.all(found.probability < found.high)


def test_points_of_the_federation_and_of_ones_own_add_up_and_are_nothing_where_there_is_none(explainer_of, world):
    X = world.federation.held[:200]
    federated = explainer_of("federated").explain(X, changes=False)
    np.testing.assert_array_equal(federated.federation, federated.figures.points)
    assert not explainer_of("local").explain(X, changes=False).federation.any()
    personal = explainer_of("personal").explain(X, changes=False)
    assert np.any(personal.federation != personal.figures.points)
    assert np.any(personal.federation)


@given(
    st.integers(1, 8).flatmap(
        lambda k: st.tuples(
            arrays(np.float64, (4, k), elements=st.floats(-600, 600)),
            arrays(np.float64, (4, k), elements=st.floats(-600, 600)),
            arrays(np.int64, (4, k), elements=st.integers(-1, 1)),
        )
    )
)
def test_both_parts_of_a_rounded_figure_are_near_their_own(parts):
    federation, own, moved = parts
    exact = federation + own
    points = np.rint(exact).astype(np.int64) + moved
    found = _split(points, federation, exact)
    assert found.dtype == np.int64
    assert np.all(np.abs(found - federation) <= 1.5 + 1e-6)
    both = (np.abs(own) > 1e-9) & (np.abs(federation) > 1e-9)
    assert np.all(np.abs(points - found - own)[both] <= 1.5 + 1e-6)
    np.testing.assert_array_equal(found[own == 0], points[own == 0])
    assert not found[(federation == 0) & (np.abs(own) > 1e-6)].any()


def test_nothing_known_of_a_record_is_no_error(explainer, world):
    nothing = np.full((1, world.X.shape[1]), np.nan, np.float32)
    found = explainer.explain(nothing)
    assert np.isfinite(found.probability).all()
    assert 0 <= found.confidence.value[0] < explainer.explain(world.X).confidence.value.mean()


def test_values_beyond_all_bounds_are_no_error(explainer, world):
    X = np.repeat(world.X[:1], 3, axis=0)
    X[0], X[1] = 3e38, -3e38
    found = explainer.explain(X)
    assert np.isfinite(found.probability).all()
    np.testing.assert_array_equal(found.figures.baseline + found.figures.points.sum(axis=1), found.figures.score)


def test_bytes_give_the_same_explanations_again_and_equal_bytes(explainer, world):
    content = pack(explainer)
    again = unpack(content)
    assert pack(again) == content
    X = world.federation.held[:100]
    one, two = explainer.explain(X), again.explain(X)
    np.testing.assert_array_equal(one.figures.points, two.figures.points)
    np.testing.assert_array_equal(one.low, two.low)
    np.testing.assert_array_equal(one.confidence.value, two.confidence.value)
    assert one.changes == two.changes


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + 18 * b"\0"])
def test_other_bytes_are_refused(content):
    with pytest.raises(StorageError):
        unpack(content)


def test_arrays_of_another_shape_are_refused(explainer):
    """A file of an earlier form would otherwise fail in the middle of a call."""
    content = io.BytesIO(pack(explainer))
    other = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "trees_sets.npy":
                flat = io.BytesIO()
                np.save(flat, np.load(io.BytesIO(data)).ravel())
                data = flat.getvalue()
            new.writestr(name, data)
    with pytest.raises(StorageError):
        unpack(other.getvalue())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}'])
def test_another_background_is_refused(text):
    with pytest.raises(ValueError, match=r"background|format|Expecting"):
        Background.from_json(text)
