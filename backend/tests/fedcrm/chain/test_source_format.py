"""The package's source as a deployment, held against a second converter: the local org's own."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
import zipfile

import pytest

from fedcrm.chain.source_format import package_zip, repository
from fedcrm.errors import SettingsError
from localorg.metadata import zip_source

FOLDERS = {"force-app/main/default": ("connectedApps",), "unpackaged/history": (), "unpackaged/post": ()}


def files_of(packed):
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def canonical(xml):
    return ET.canonicalize(xml.decode(), strip_text=True)


@pytest.mark.parametrize("folder", FOLDERS)
def test_both_converters_say_the_same(folder):
    skip = FOLDERS[folder]
    ours = files_of(package_zip(repository() / folder, skip=skip))
    theirs = files_of(zip_source(repository() / folder, skip=set(skip)))
    assert set(ours) == set(theirs)
    for name, content in ours.items():
        if name.startswith("objects/"):
            assert canonical(content) == canonical(theirs[name]), name
        elif name != "package.xml":
            assert content == theirs[name], name
    members = [set(re.findall(r"<members>(.*?)</members>", one["package.xml"].decode())) for one in (ours, theirs)]
    assert members[0] - {"CustomLabels"} == members[1] - {"*"}


def test_the_same_source_gives_the_same_bytes():
    folder = repository() / "unpackaged/history"
    assert package_zip(folder) == package_zip(folder)


def test_a_folder_whose_kind_is_not_known_is_refused(tmp_path):
    (tmp_path / "wonders").mkdir()
    (tmp_path / "wonders" / "A.wonder-meta.xml").write_text("<A/>")
    with pytest.raises(SettingsError, match="wonders"):
        package_zip(tmp_path)
