"""docs/secure-aggregation.md names functions, tests and a table: they exist, and say what the code says."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from fedcrm.secagg import collusion_table

TEXT = (Path(__file__).parents[4] / "docs" / "secure-aggregation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "test"), sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", TEXT))))
def test_every_test_that_the_documentation_names_exists(file, test):
    assert f"def {test}(" in (Path(__file__).parent / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?!fedcrm)[a-z]+\.[A-Za-z_.]+)`", TEXT))))
def test_every_function_that_the_documentation_names_exists(name):
    module, *path = name.split(".")
    found = import_module(f"fedcrm.secagg.{module}")
    for part in path:
        found = getattr(found, part)


def test_the_collusion_table_is_the_one_the_code_gives():
    stated = re.findall(r"^\| (\d) \| (\d|-) \| (yes|no) \| (\d) \| (yes|no) \| (yes|no) \|$", TEXT, re.MULTILINE)
    expected = [
        (
            str(r.colluders),
            str(r.least_k_min or "-"),
            *map(str, (_yes(r.safe), r.honest_in_sum)),
            _yes(r.quorum_holds),
            _yes(r.one_answer),
        )
        for r in collusion_table(9, 6)
    ]
    assert stated == expected


def _yes(holds):
    return "yes" if holds else "no"
