import importlib
import warnings

import numpy as np
import pytest

from fedcrm.errors import SettingsError
from fedcrm.evaluation.telco import telco_demo
from fedcrm.features import propose_schema


@pytest.fixture(scope="module")
def demo():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # sizes that differ from the published ones would warn
        return telco_demo()


def test_the_demo_has_the_published_rows_and_nine_organisations_of_the_published_sizes(demo):
    assert len(demo) == 7043
    assert demo.label.mean() == pytest.approx(0.265, abs=0.001)
    assert {p: len(demo.rows(p)) for p in demo.participants} == dict(demo.description.participants)
    assert demo.participants[0] == "Fiber optic/echeck"


def test_everything_in_the_demos_schema_is_public_before_training(demo):
    schema = propose_schema(demo)
    assert schema.unknown_ranges == ()
    assert schema.unknown_categories == ()
    assert len(schema.fields) == 19


def test_the_demos_public_ranges_and_categories_cover_the_table_without_being_its_own_extremes(demo):
    schema = propose_schema(demo)
    X = schema.encode(demo).X
    for j, field in enumerate(schema.fields):
        values = X[:, j][~np.isnan(X[:, j])]
        if field.categories is not None:
            assert set(values) == set(range(len(field.categories)))  # nobody is "other"
        elif field.transform == "number":
            assert field.low <= values.min()
            assert values.max() < field.high
    assert np.isnan(X[:, schema.index("total_charges")]).sum() == 11


def test_without_the_extra_the_demo_says_how_to_install_it(monkeypatch):
    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(SettingsError, match=r"pip install 'fedcrm\[demo\]'"):
        telco_demo()
