"""Apex classes that pass on the platform have to pass here; each names the page of the documentation it rests on."""

from pathlib import Path

import pytest

from localorg.apex.engine import Engine

CLASSES = sorted((Path(__file__).parent / "conformance").glob("*.cls"))


@pytest.fixture(scope="module")
def report(org_of_module):
    with org_of_module.transaction(org_of_module.admin_context().as_platform()) as transaction:
        rows = [
            {"Name": path.stem, "Body": path.read_text(), "ApiVersion": 67.0, "Status": "Active", "IsValid": True}
            for path in CLASSES
        ]
        assert all(saved.success for saved in transaction.insert("ApexClass", rows))
    engine = Engine(org_of_module)
    with org_of_module.transaction(org_of_module.admin_context()) as transaction:
        assert engine.compile(transaction, None) == []
    return engine.run_tests(org_of_module.admin_context())


def test_the_suite_has_at_least_a_hundred_cases(report):
    assert len(report.outcomes) >= 100


@pytest.mark.parametrize("path", CLASSES, ids=lambda path: path.stem)
def test_every_case_passes(path, report):
    mine = [outcome for outcome in report.outcomes if outcome.class_name == path.stem]
    assert mine
    assert [(outcome.method, outcome.message, outcome.stack) for outcome in mine if not outcome.passed] == []


@pytest.mark.parametrize("path", CLASSES, ids=lambda path: path.stem)
def test_every_class_names_its_page(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("/** ")
    assert any(guide in first for guide in ("Apex Developer Guide", "Apex Reference Guide"))
