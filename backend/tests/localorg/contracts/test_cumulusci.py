"""Contract: CumulusCI in an environment of its own, its org handed over in one variable."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def cci(run, cci_program):
    def runs(*arguments, **changed):
        return run(cci_program, *arguments, **changed)

    return runs


def test_snowfakery_fills_the_org_and_an_own_task_counts(cci):
    filled = cci("task", "run", "snowfakery", "--recipe", "datasets/recipe.yml", "--org", "local")
    assert filled.code == 0, filled.out
    assert "Account: 5 successes, 0 errors" in filled.out
    assert "Contact: 10 successes, 0 errors" in filled.out
    counted = cci("task", "run", "count_accounts", "--org", "local")
    assert counted.code == 0, counted.out
    assert "accounts: 5" in counted.out


def test_a_data_set_comes_out_and_goes_in_again(cci):
    options = ("--mapping", "datasets/mapping.yml", "--sql_path", "datasets/out.sql", "--org", "local")
    out = cci("task", "run", "extract_dataset", *options)
    assert out.code == 0, out.out
    back = cci("task", "run", "load_dataset", *options)
    assert back.code == 0, back.out
    assert "accounts: 10" in cci("task", "run", "count_accounts", "--org", "local").out


def test_a_refused_row_stops_the_load(cci, up):
    import requests

    fault = {"kind": "refuse_row", "object": "Contact", "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no"}
    url = f"{up.org['instance_url']}/_local/faults"
    assert requests.post(url, json=fault, verify=up.document["ca_file"], timeout=30).ok
    options = ("--mapping", "datasets/mapping.yml", "--sql_path", "datasets/out.sql", "--org", "local")
    loaded = cci("task", "run", "load_dataset", *options)
    assert loaded.code != 0
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in loaded.out


def test_anonymous_apex_runs_in_the_org_and_a_mistake_in_it_is_told(cci):
    written = cci("task", "run", "execute_anon", "--apex", "insert new Account(Name = 'By Apex');", "--org", "local")
    assert written.code == 0, written.out
    wrong = cci("task", "run", "execute_anon", "--apex", "Integer n = 'one';", "--org", "local")
    assert wrong.code != 0
    assert "Illegal assignment from String to Integer" in " ".join(wrong.out.split())
