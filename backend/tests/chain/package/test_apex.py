"""The package's own Apex tests, run by the local org: unmanaged, and under its namespace."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from localorg.apex.engine import Engine
from localorg.metadata.deploy import deploy
from localorg.metadata.source_format import zip_source
from localorg.org import Org

pytestmark = pytest.mark.slow

PACKAGE = Path(__file__).parents[4] / "force-app" / "main" / "default"


@pytest.fixture(scope="module", params=[None, "fedcrm"], ids=["unmanaged", "fedcrm"])
def report(request, tmp_path_factory):
    org = Org.create(tmp_path_factory.mktemp("org"), alias="tests", number=1, namespace=request.param)
    engine = Engine(org)
    begun = time.perf_counter()
    result = deploy(org, zip_source(PACKAGE, skip=("connectedApps",)))
    assert result.success, [item.problem for item in result.components if not item.success]
    assert time.perf_counter() - begun < 10
    with org.snapshot(org.admin_context()) as transaction:
        assert engine.compile(transaction, request.param) == []
    return engine.run_tests(org.admin_context(), namespace=request.param)


def test_every_test_of_the_package_passes(report):
    assert len(report.outcomes) > 150
    assert [(o.class_name, o.method, o.message) for o in report.outcomes if not o.passed] == []


def test_nine_tenths_of_every_class_are_run(report):
    assert len(report.coverage) > 40
    thin = {
        each.name: sorted(each.uncovered)
        for each in report.coverage
        if len(each.covered) < 0.9 * (len(each.covered) + len(each.uncovered))
    }
    assert thin == {}
