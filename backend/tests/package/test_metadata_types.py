"""Every metadata file against the types of the Metadata API, as @salesforce/types publishes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.slow  # needs npm


OPAQUE = {"targetConfigs"}
"""Elements that the types call strings: what is in them is read by the component, not by the Metadata API."""


@dataclass(frozen=True)
class Member:
    """One element that a type may hold."""

    type: str
    is_optional: bool
    is_list: bool


@dataclass(frozen=True)
class Types:
    """The types of the Metadata API.

    members: elements by type; parents: what a type extends; enums: values by enumeration.
    """

    members: dict[str, dict[str, Member]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    enums: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Types:
        """Read the declarations."""
        types = cls()
        current = None
        for line in path.read_text().splitlines():
            if found := re.fullmatch(r"export type (\w+) = (?:(\w+) & )?\{", line):
                current = types.members.setdefault(found[1], {})
                if found[2]:
                    types.parents[found[1]] = found[2]
            elif found := re.fullmatch(r"export type (\w+) = ('.+);", line):
                types.enums[found[1]] = set(re.findall(r"'([^']*)'", found[2]))
            elif current is not None and (
                found := re.fullmatch(r"\s+(\w+)(\??): ([\w|' -]+?)(\[\])?(?: \| null)?;", line)
            ):
                current[found[1]] = Member(found[3], bool(found[2]), bool(found[4]))
        return types

    def of(self, name: str) -> dict[str, Member]:
        """Elements of a type and of those that it extends."""
        parent = self.parents.get(name)
        return {**(self.of(parent) if parent else {}), **self.members.get(name, {})}

    def problems(self, element: ElementTree.Element, name: str, where: str) -> Iterator[str]:
        """What the Metadata API would refuse, a line each."""
        text = (element.text or "").strip()
        if name in self.members:
            yield from self._children(element, name, where)
        elif name in self.enums:
            if text not in self.enums[name]:
                yield f"{where}: '{text}' is no {name}"
        elif name == "boolean" and text not in ("true", "false"):
            yield f"{where}: '{text}' is no boolean"
        elif name == "number" and not re.fullmatch(r"-?\d+(\.\d+)?", text):
            yield f"{where}: '{text}' is no number"
        elif len(element) and element.tag not in OPAQUE:
            yield f"{where}: elements inside a {name}"

    def _children(self, element: ElementTree.Element, name: str, where: str) -> Iterator[str]:
        members = self.of(name)
        order = [child.tag for child in element]
        for tag, count in Counter(order).items():
            if tag not in members:
                yield f"{where}/{tag}: no element of {name}"
            elif count > 1 and not members[tag].is_list:
                yield f"{where}/{tag}: repeated, and no list"
            if order.index(tag) + count - 1 != len(order) - 1 - order[::-1].index(tag):
                yield f"{where}/{tag}: duplicated at this location, its repetitions are apart"
        for child in element:
            if child.tag in members:
                yield from self.problems(child, members[child.tag].type, f"{where}/{child.tag}")
        for tag, member in members.items():
            if not (member.is_optional or member.is_list or tag in order or tag == "fullName"):
                yield f"{where}/{tag}: required by {name}"


@pytest.fixture(scope="module")
def types(npm):
    return Types.read(npm.root / "node_modules/@salesforce/types/lib/metadata.d.ts")


def problems_of(package, types):
    found = []
    for path in package.files("**/*-meta.xml"):
        root = package.root(path)
        found += [f"{path.name}: {problem}" for problem in types.problems(root, root.tag, root.tag)]
    return found


def test_every_metadata_file_follows_its_type(package, types):
    assert len(types.members) > 1500
    assert len(package.files("**/*-meta.xml")) > 300
    assert problems_of(package, types) == []


def test_what_is_deployed_after_installation_follows_its_type(package, types):
    after = package.folder.parents[2] / "unpackaged" / "post"
    found = []
    for path in sorted(after.glob("**/*-meta.xml")):
        root = package.root(path)
        found += list(types.problems(root, root.tag, path.name))
    assert found == []


@pytest.mark.parametrize(
    ("name", "before", "after", "problem"),
    [
        ("objects/Prediction__c/Prediction__c.object-meta.xml", "<label>", "<titel/><label>", "no element of"),
        ("objects/Prediction__c/Prediction__c.object-meta.xml", ">Private<", ">Secret<", "'Secret' is no SharingModel"),
        ("objects/Prediction__c/fields/Score__c.field-meta.xml", "<precision>4", "<precision>four", "is no number"),
        ("objects/Prediction__c/fields/Score__c.field-meta.xml", "<type>", "<label>b</label><type>", "repeated"),
        ("permissionsets/FedCRM_Viewer.permissionset-meta.xml", "<label>", "<classAccesses/><label>", "are apart"),
        (
            "permissionsets/FedCRM_Viewer.permissionset-meta.xml",
            "<apexClass>PredictionController</apexClass>",
            "",
            "required by",
        ),
        ("flows/FedCRM_Score_Record.flow-meta.xml", "<dataType>String<", "<dataType>Txt<", "is no FlowDataType"),
    ],
)
def test_a_planted_defect_is_found(spoiled, types, name, before, after, problem):
    assert any(problem in line for line in problems_of(spoiled(name, before, after), types))
