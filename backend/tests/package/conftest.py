"""The Salesforce package as the checkers see it, and the programs from npm that some of them need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[3]
PREFIX = "{http://soap.sforce.com/2006/04/metadata}"


@dataclass(frozen=True)
class Package:
    """The metadata under one folder.

    folder: holds classes, objects and so on.
    """

    folder: Path

    def files(self, pattern: str) -> list[Path]:
        """Files in order of their paths."""
        return sorted(self.folder.glob(pattern))

    @staticmethod
    def root(path: Path) -> ElementTree.Element:
        """A file's root element, without namespaces."""
        root = ElementTree.parse(path).getroot()
        for element in root.iter():
            element.tag = element.tag.replace(PREFIX, "")
        return root

    def names(self, folder: str, suffix: str) -> set[str]:
        """Names of the components of one folder."""
        ending = f".{suffix}-meta.xml"
        return {path.name.removesuffix(ending) for path in self.folder.glob(f"{folder}/**/*{ending}")}

    @cached_property
    def fields(self) -> dict[str, dict[str, ElementTree.Element]]:
        """Fields by object, as the package defines them."""
        found: dict[str, dict[str, ElementTree.Element]] = {}
        for path in self.files("objects/*/*.object-meta.xml"):
            found[path.parent.name] = {}
        for path in self.files("objects/*/fields/*.field-meta.xml"):
            root = self.root(path)
            found.setdefault(path.parts[-3], {})[root.findtext("fullName", "")] = root
        return found

    @cached_property
    def classes(self) -> dict[str, str]:
        """Source by class name."""
        return {path.stem: path.read_text() for path in self.files("classes/*.cls")}


@dataclass(frozen=True)
class Npm:
    """Programs that `npm ci` installed."""

    root: Path

    def run(self, command: Sequence[str], *, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run in the repository's root, output as text, whatever the status."""
        return subprocess.run(
            command, cwd=self.root, env={**os.environ, **(env or {})}, text=True, capture_output=True, check=False
        )

    def read_json(self, command: Sequence[str]) -> Any:
        """What a program printed. Raises AssertionError with what it said where it failed."""
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def package() -> Package:
    return Package(ROOT / "force-app" / "main" / "default")


@pytest.fixture(scope="session")
def npm() -> Npm:
    if not (ROOT / "node_modules" / "@salesforce").is_dir():
        pytest.fail("The checkers are not installed: run `make package-tools`.")
    return Npm(ROOT)


@pytest.fixture
def spoiled(package: Package, tmp_path: Path) -> Callable[[str, str, str], Package]:
    """Copies the package, once a test, and replaces a text in one file, so that a checker has something to find."""

    def spoil(name: str, before: str, after: str) -> Package:
        copy = tmp_path / "force-app" / "main" / "default"
        if not copy.exists():
            shutil.copytree(package.folder, copy)
            shutil.copy(ROOT / "sfdx-project.json", tmp_path)
        path = copy / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(after)
            return Package(copy)
        text = path.read_text()
        assert before in text, f"{name} does not hold what the test replaces"
        path.write_text(text.replace(before, after, 1))
        return Package(copy)

    return spoil


@pytest.fixture(scope="session")
def standard_fields(npm: Npm) -> Iterator[Callable[[str], set[str] | None]]:
    """Fields of standard objects, in lower case, from the types that the Apex type checker carries."""
    folder = npm.root / "node_modules/@salesforce/code-analyzer-pmd-engine/dist/java-lib"
    with ZipFile(next(folder.glob("sobject-types-*.jar"))) as jar:
        entries = {Path(name).stem.lower(): name for name in jar.namelist() if "/SObjects/" in name}

        def fields(name: str) -> set[str] | None:
            entry = entries.get(name.lower())
            return None if entry is None else field_names(jar.read(entry))

        yield fields


def field_names(class_file: bytes) -> set[str]:
    """Names of the fields of a compiled Java class, in lower case (JVM specification, chapter 4)."""
    size = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
    texts: dict[int, str] = {}
    position, index = 10, 1
    while index < int.from_bytes(class_file[8:10]):
        tag = class_file[position]
        if tag == 1:
            length = int.from_bytes(class_file[position + 1 : position + 3])
            texts[index] = class_file[position + 3 : position + 3 + length].decode(errors="replace")
            position += 3 + length
        else:
            position += 1 + size[tag]
        index += 2 if tag in (5, 6) else 1
    interfaces = int.from_bytes(class_file[position + 6 : position + 8])
    position += 8 + 2 * interfaces
    names = set()
    fields = int.from_bytes(class_file[position : position + 2])
    position += 2
    for _ in range(fields):
        names.add(texts[int.from_bytes(class_file[position + 2 : position + 4])].lower())
        attributes = int.from_bytes(class_file[position + 6 : position + 8])
        position += 8
        for _ in range(attributes):
            position += 6 + int.from_bytes(class_file[position + 2 : position + 6])
    return names
