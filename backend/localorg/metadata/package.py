"""A package as it arrives: a zip with `package.xml`, component files and perhaps destructive manifests.

Nothing is written to disk. The zip's names are taken for what they are, never as paths of this machine; sizes
are bounded before anything is unpacked (the platform's limits: 400 MB unzipped, 10,000 files).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localorg.metadata.kinds import CHILD_KINDS, KINDS, Kind, kind_of_path
from localorg.metadata.xmltree import Node, XmlProblem, parse

__all__ = ["BadPackage", "Manifest", "Package", "SourceFile", "package_of", "read_folder", "read_zip"]

_MOST_FILES = 10_000
_MOST_BYTES = 400 << 20


class BadPackage(Exception):
    """The archive cannot be read as a package at all."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One package.xml or destructiveChanges*.xml. members: full names by type, as written, `*` included."""

    members: Mapping[str, tuple[str, ...]]
    version: str = ""
    full_name: str = ""

    def names(self, kind: str, full_name: str) -> bool:
        """Whether a component is listed, by name or by `*`."""
        listed = self.members.get(kind, ())
        return "*" in listed or full_name in listed


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One component's files. path: in the package, of its main file; meta: its description where that is apart.

    files: of a bundle, by path inside the package.
    """

    kind: Kind
    full_name: str
    path: str
    content: bytes
    meta: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Package:
    """What a deployment brings. root: the folder inside the zip, "" or with its slash."""

    manifest: Manifest
    sources: tuple[SourceFile, ...]
    destructive_before: Manifest | None = None
    destructive_after: Manifest | None = None
    strangers: tuple[str, ...] = ()
    root: str = ""


def read_zip(content: bytes) -> Package:
    """Read a deployment's zip. Raises BadPackage, XmlProblem for a manifest that is no XML."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
                raise BadPackage("The zip is larger than a deployment may be (10,000 files, 400 MB unzipped)")
            files = {}
            for entry in entries:
                # file_size is what the header claims: reading one byte more than that would be a lie to refuse.
                with archive.open(entry) as member:
                    files[entry.filename.replace("\\", "/").lstrip("/")] = member.read(entry.file_size + 1)[
                        : entry.file_size
                    ]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as broken:
        raise BadPackage(f"The file is not a zip file: {broken}") from broken
    return package_of(files)


def read_folder(folder: Path) -> Package:
    """Read a package that lies unpacked in the metadata API's own layout."""
    return package_of(
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    )


def package_of(files: Mapping[str, bytes]) -> Package:
    """A package from its files' content by path. Raises BadPackage, XmlProblem for a manifest that is no XML."""
    manifests = [path for path in files if path.rsplit("/", 1)[-1] == "package.xml" and path.count("/") <= 1]
    if not manifests:
        raise BadPackage("No package.xml found")
    root = manifests[0][: -len("package.xml")]
    inside = {path[len(root) :]: content for path, content in files.items() if path.startswith(root)}

    def destructive(name: str) -> Manifest | None:
        return _manifest(inside[name]) if name in inside else None

    sources, strangers = _sources(
        {p: c for p, c in inside.items() if p != "package.xml" and not p.startswith("destructiveChanges")}
    )
    return Package(
        _manifest(inside["package.xml"]),
        sources,
        destructive("destructiveChangesPre.xml") or destructive("destructiveChanges.xml"),
        destructive("destructiveChangesPost.xml"),
        strangers,
        root,
    )


def _manifest(content: bytes) -> Manifest:
    root = parse(content)
    if root.tag != "Package":
        raise XmlProblem(f"Element {root.tag} invalid at this location", root.line, root.column)
    members: dict[str, tuple[str, ...]] = {}
    for types in root.all("types"):
        name = _type_name(types)
        members[name] = (*members.get(name, ()), *(m.text.strip() for m in types.all("members")))
    return Manifest(members, root.value("version").strip(), root.value("fullName").strip())


def _type_name(types: Node) -> str:
    name = types.required("name")
    if name not in KINDS and name not in CHILD_KINDS:
        raise XmlProblem(f"Unknown type name '{name}' specified in package.xml", types.line, types.column)
    return name


def _sources(files: Mapping[str, bytes]) -> tuple[tuple[SourceFile, ...], tuple[str, ...]]:
    found: list[SourceFile] = []
    strangers: list[str] = []
    bundles: dict[tuple[str, str], dict[str, bytes]] = {}
    for path, content in files.items():
        kind = kind_of_path(path)
        if kind is None or "/" not in path:
            strangers.append(path)
        elif kind.bundle:
            parts = path.split("/")
            if len(parts) < 3:
                strangers.append(path)
            else:
                bundles.setdefault((kind.name, parts[1]), {})[path] = content
        elif kind.meta_file and path.endswith("-meta.xml"):
            if path[: -len("-meta.xml")] not in files and not kind.in_folder:
                strangers.append(path)
        elif kind.in_folder and path.count("/") < 2:
            continue  # a folder's own description
        else:
            _one(kind, path, content, files, found, strangers)
    for (name, bundle), members in bundles.items():
        main = next((p for p in members if p.endswith("-meta.xml")), next(iter(members)))
        found.append(
            SourceFile(KINDS[name], bundle, f"{KINDS[name].directory}/{bundle}", members[main], members[main], members)
        )
    found.sort(key=lambda source: (source.kind.rank, source.kind.name, source.full_name))
    return tuple(found), tuple(strangers)


def _one(
    kind: Kind,
    path: str,
    content: bytes,
    files: Mapping[str, bytes],
    found: list[SourceFile],
    strangers: list[str],
) -> None:
    name = path[len(kind.directory) + 1 :]
    # Source-format descriptions of one file (`X.object-meta.xml`) are the same file under a longer name.
    stem = name[: -len("-meta.xml")] if name.endswith("-meta.xml") else name
    if kind.suffix and not stem.endswith("." + kind.suffix):
        strangers.append(path)
        return
    full_name = stem[: -len(kind.suffix) - 1] if kind.suffix else stem
    found.append(SourceFile(kind, full_name, path, content, files.get(path + "-meta.xml") if kind.meta_file else None))
