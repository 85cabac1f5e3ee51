"""A local org with the package, as tests/chain/staging has it, and one organisation's node beside it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).parents[1] / "staging" / "conftest.py"
_SPEC = importlib.util.spec_from_file_location("staging_fixtures", _PATH)
_staging = importlib.util.module_from_spec(_SPEC)
sys.modules["staging_fixtures"] = _staging
_SPEC.loader.exec_module(_staging)

packaged_orgs, packaged, command_of = _staging.packaged_orgs, _staging.packaged, _staging.command_of
