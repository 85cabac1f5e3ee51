"""A local org with the package, as tests/chain/staging has it, and one organisation's node beside it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[1] / "staging" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("staging_fixtures", _PATH)
_staging = importlib.util.module_from_spec(_SPEC)
sys.modules["staging_fixtures"] = _staging
_SPEC.loader.exec_module(_staging)

packaged_orgs, packaged = _staging.packaged_orgs, _staging.packaged


@pytest.fixture(scope="session")
def cci_program() -> Path:
    """CumulusCI's command, in `.venv-cci`."""
    home = Path(__file__).resolve().parents[4] / ".venv-cci"
    if not (home / "bin" / "cci").exists():
        subprocess.run(["make", "tools"], cwd=home.parent, check=True)
    return home / "bin" / "cci"
