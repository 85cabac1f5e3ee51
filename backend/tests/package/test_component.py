"""The score component: its unit tests, and every state of it in a real browser."""

from __future__ import annotations

import re
import shutil

import pytest

pytestmark = pytest.mark.slow


def test_the_components_unit_tests_pass(npm):
    done = npm.run(["npx", "sfdx-lwc-jest"])
    assert done.returncode == 0, done.stderr
    passed = re.search(r"Tests: +(\d+) passed, (\d+) total", done.stderr)
    assert passed
    assert passed[1] == passed[2]
    assert int(passed[1]) >= 30


def test_every_state_in_a_browser_is_usable_without_eyes_or_mouse(npm):
    assert shutil.which("chromium"), "make package-tools installs Chromium"
    built = npm.run(["npx", "rollup", "-c", "force-app/test/preview/rollup.config.mjs", "--silent"])
    assert built.returncode == 0, built.stderr
    done = npm.run(["node", "--test", "--test-reporter=tap", "force-app/test/preview/e2e/states.test.mjs"])
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# fail 0" in done.stdout
    assert int(re.search(r"# pass (\d+)", done.stdout)[1]) >= 40
