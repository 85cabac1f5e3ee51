"""The package is laid out by prettier, and what JavaScript it has passes ESLint."""

from __future__ import annotations

import subprocess

import pytest

pytestmark = pytest.mark.slow  # needs npm


def unformatted(npm, folder):
    done = npm.run(
        ["npx", "prettier", "--list-different", "--config", ".prettierrc", f"{folder}/**/*.{{cls,xml,js,html,css}}"]
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.split("\n")[:-1]


def test_every_file_is_laid_out_by_prettier(npm):
    assert unformatted(npm, "force-app") + unformatted(npm, "unpackaged") == []


@pytest.mark.parametrize("name", ["classes/OrgKeys.cls", "objects/Prediction__c/Prediction__c.object-meta.xml"])
def test_a_file_laid_out_by_hand_is_found(npm, spoiled, name):
    before, after = ("{", "{\n\n") if name.endswith(".cls") else ("<label>", "<label >")
    spoilt = spoiled(name, before, after)
    # Outside the repository the layout of Lightning templates is not told from that of HTML: only the file's own kind.
    kind, file = name.split("/")[0], name.rsplit("/", 1)[1]
    assert [path.endswith(file) for path in unformatted(npm, spoilt.folder / kind)] == [True]


def test_an_apex_file_that_cannot_be_parsed_is_found(npm, spoiled):
    spoilt = spoiled("classes/OrgKeys.cls", "public with sharing class", "public with sharing clazz")
    done = npm.run(["npx", "prettier", "--check", "--config", ".prettierrc", f"{spoilt.folder}/classes/OrgKeys.cls"])
    assert done.returncode == 2


def test_javascript_passes_eslint(npm):
    done = npm.run(["npx", "eslint", "--no-error-on-unmatched-pattern", "force-app"])
    assert done.returncode == 0, done.stdout


def test_javascript_that_reaches_into_the_page_is_found(npm):
    bad = """import { LightningElement } from 'lwc';
export default class Bad extends LightningElement {
    connectedCallback() { document.querySelector('a'); }
}
"""
    command = [
        "npx",
        "eslint",
        "--stdin",
        "--stdin-filename",
        "force-app/main/default/lwc/bad/bad.js",
        "--format",
        "json",
    ]
    done = subprocess.run(command, cwd=npm.root, input=bad, text=True, capture_output=True, check=False)
    assert "@lwc/lwc/no-document-query" in done.stdout
