import numpy as np
import pytest

from fedcrm.boosting import LocalModel
from fedcrm.evaluation.baselines import fit_central
from fedcrm.evaluation.metrics import auc
from fedcrm.features import Field, Kind, Schema, Table

SCHEMA = Schema(
    (
        Field("a", Kind.NUMERIC, ("a",), "number", low=0.0, high=1e5, log=True),
        Field("b", Kind.NUMERIC, ("b",), "number", low=-5.0, high=5.0),
        Field("c", Kind.CATEGORICAL, ("c",), "category", categories=("x", "y", "z")),
    )
)


def draw(rows, seed, shift=0.0):
    """A federation of one kind: smooth in log a, a step in b, one category that matters; some values missing."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.exp(rng.normal(5, 2, rows)), rng.normal(size=rows), rng.integers(0, 4, rows)])
    z = 0.5 * (np.log1p(X[:, 0]) - 5) + 1.5 * (X[:, 1] > 0.3) + (X[:, 2] == 1) - 1.5 + shift
    y = (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(np.int8)
    X[rng.random(X.shape) < 0.05] = np.nan
    return Table(X.astype(np.float32), y)


def test_pooling_helps_and_knows_whose_a_row_is():
    tables = {"low": draw(400, 6, shift=-1.5), "high": draw(400, 7, shift=1.5)}
    central = fit_central(tables, SCHEMA, seed=1)
    X = draw(500, 8).X
    assert central.margin(X, "high").mean() > central.margin(X, "low").mean() + 1
    with pytest.raises(ValueError, match="not in"):
        central.margin(X, "stranger")


@pytest.mark.slow
def test_rows_of_others_make_a_better_model_than_ones_own():
    tables = {name: draw(150, seed) for seed, name in enumerate("pqrst")}
    own = LocalModel.fit(tables["p"].X, tables["p"].y.astype(float), 1, SCHEMA)
    test = draw(4_000, 9)
    alone, pooled = auc(test.y, own.margin(test.X)), auc(test.y, fit_central(tables, SCHEMA, 1).margin(test.X, "p"))
    assert pooled > alone + 0.01


def test_of_one_participant_it_is_the_local_model_with_a_constant_field_more():
    table = draw(300, 4)
    central = fit_central({"only": table}, SCHEMA, seed=2)
    local = LocalModel.fit(table.X, table.y.astype(float), 2, SCHEMA)
    assert np.corrcoef(central.margin(table.X, "only"), local.margin(table.X))[0, 1] > 0.99


@pytest.mark.slow
def test_the_order_in_which_participants_come_does_not_matter():
    tables = {"p": draw(100, 6), "q": draw(100, 7)}
    X = draw(100, 8).X
    first = fit_central(tables, SCHEMA, seed=1).margin(X, "p")
    assert np.array_equal(first, fit_central(dict(reversed(tables.items())), SCHEMA, seed=1).margin(X, "p"))


def test_units_of_two_participants_are_never_one():
    tables = {"p": draw(60, 6), "q": draw(60, 7)}
    of_p, of_q = np.arange(60) // 3, np.arange(60) // 2
    same, apart = {"p": of_p, "q": of_q}, {"p": of_p, "q": of_q + 20}
    X = draw(50, 8).X
    margins = [fit_central(tables, SCHEMA, 1, units).margin(X, "p") for units in (same, apart)]
    assert np.array_equal(*margins)
    assert not np.array_equal(margins[0], fit_central(tables, SCHEMA, 1).margin(X, "p"))


def test_one_row_of_a_class_is_refused():
    table = draw(12, 9)
    with pytest.raises(ValueError, match="folded"):
        fit_central({"p": Table(table.X, np.array([1, *[0] * 11], dtype=np.int8))}, SCHEMA, seed=1)


def test_a_field_without_public_categories_does_no_harm():
    schema = Schema((SCHEMA.fields[1], Field("c", Kind.CATEGORICAL, ("c",), "category")))
    table = draw(200, 1)
    X = np.column_stack([table.X[:, 1], np.zeros(200)]).astype(np.float32)
    assert np.isfinite(fit_central({"p": Table(X, table.y)}, schema, seed=1).margin(X, "p")).all()
