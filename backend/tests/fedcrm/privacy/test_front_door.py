"""What the package offers, and that docs/privacy.md speaks of functions and tests that exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import fedcrm.privacy

ROOT = Path(__file__).parents[4]


def test_the_package_exports_what_it_lists_in_order_and_nothing_else():
    listed = fedcrm.privacy.__all__
    assert listed == sorted(listed, key=lambda name: (name[0].islower(), name))
    for name in listed:
        assert getattr(fedcrm.privacy, name).__doc__ or name in ("Event", "RandomBytes")  # aliases
    public = {
        name
        for name, value in vars(fedcrm.privacy).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("fedcrm.privacy.")
    }
    assert public <= set(listed)


def test_every_claim_in_the_document_names_a_function_and_a_test_that_exist():
    text = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    table = text[text.index("## 11.") :]
    tests = "\n".join(path.read_text("utf-8") for path in (ROOT / "backend" / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", table))
    assert len(named) > 30
    for name in named:
        assert re.search(rf"^def {name}\(", tests, re.MULTILINE), f"docs/privacy.md names {name}, which is not there"
    for path in set(re.findall(r"`(fedcrm\.[\w.]+)`", table)):
        parts = path.split(".")
        found: object = importlib.import_module(".".join(parts[:3]))
        for part in parts[3:]:
            found = getattr(found, part)
