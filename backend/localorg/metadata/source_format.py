"""An SFDX source folder (`force-app/main/default`) in the Metadata API's own layout.

What `sf project convert source` does, for packages that never saw that tool.

Objects lie there in pieces (`objects/X__c/fields/Y__c.field-meta.xml`); here they become one file again. All
other components keep their folders and lose `-meta.xml` where it is only a longer name.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

from localorg.metadata.kinds import KINDS, kind_of_path
from localorg.metadata.package import Package, package_of
from localorg.metadata.xmltree import METADATA_NAMESPACE, Node, parse, to_xml

__all__ = ["convert_source", "read_source", "zip_source"]

_CHILDREN = {
    "fields": "fields",
    "recordTypes": "recordTypes",
    "validationRules": "validationRules",
    "listViews": "listViews",
    "compactLayouts": "compactLayouts",
    "webLinks": "webLinks",
    "fieldSets": "fieldSets",
    "businessProcesses": "businessProcesses",
    "sharingReasons": "sharingReasons",
    "indexes": "indexes",
}
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_SKIPPED = frozenset({"__tests__", "__mocks__", "node_modules"})


def read_source(folder: Path, *, version: str = "67.0", skip: Collection[str] = ()) -> Package:
    """The folder as a package, without the top folders in `skip`. Raises XmlProblem for a broken object file."""
    return package_of(convert_source(folder, version=version, skip=skip))


def zip_source(folder: Path, *, version: str = "67.0", skip: Collection[str] = ()) -> bytes:
    """The folder as a deployment's zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in convert_source(folder, version=version, skip=skip).items():
            archive.writestr(path, content)
    return out.getvalue()


def convert_source(folder: Path, *, version: str = "67.0", skip: Collection[str] = ()) -> dict[str, bytes]:
    """Content by path in the package, `package.xml` among them."""
    files: dict[str, bytes] = {}
    objects: dict[str, Node] = {}
    pieces: list[tuple[str, str, Node]] = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not path.is_file() or parts[0] in skip or _SKIPPED & set(parts) or path.name.startswith("."):
            continue
        if parts[0] == "objects" and len(parts) >= 3:
            root = parse(path.read_bytes())
            if len(parts) == 3:
                objects[parts[1]] = root
            else:
                pieces.append((parts[1], parts[2], root))
            continue
        files[_packed(parts)] = path.read_bytes()
    for name, child, root in pieces:
        whole = objects.setdefault(name, Node("CustomObject"))
        if child in _CHILDREN:
            root.tag, root.namespace = _CHILDREN[child], ""
            whole.children.append(root)
    for name, whole in objects.items():
        whole.namespace = METADATA_NAMESPACE
        files[f"objects/{name}.object"] = (_HEAD + to_xml(whole)).encode()
    files["package.xml"] = _manifest(files, version).encode()
    return files


def _packed(parts: tuple[str, ...]) -> str:
    path = "/".join(parts)
    kind = kind_of_path(path)
    if kind is None or kind.bundle:
        return path
    if kind.name == "StaticResource" and not path.endswith("-meta.xml"):
        # A resource's file has its own suffix in source and `.resource` in a package.
        return f"{parts[0]}/{Path(path).stem}.resource"
    if path.endswith("-meta.xml") and not kind.meta_file:
        return path[: -len("-meta.xml")]
    return path


def _manifest(files: Mapping[str, bytes], version: str) -> str:
    named: dict[str, set[str]] = {}
    for path in files:
        kind = kind_of_path(path)
        if kind is None or (path.endswith("-meta.xml") and not kind.bundle):
            continue
        name = path.split("/")[1] if kind.bundle else path[len(kind.directory) + 1 :]
        if kind.suffix:
            name = name.removesuffix("." + kind.suffix)
        named.setdefault(kind.name, set()).add("*" if kind.name == "CustomLabels" else name)
    types = "".join(
        "    <types>\n"
        + "".join(f"        <members>{name}</members>\n" for name in sorted(names))
        + f"        <name>{kind}</name>\n    </types>\n"
        for kind, names in sorted(named.items())
        if kind in KINDS
    )
    return f'{_HEAD}<Package xmlns="{METADATA_NAMESPACE}">\n{types}    <version>{version}</version>\n</Package>\n'
