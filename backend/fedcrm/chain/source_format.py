"""The package's source, as it lies in the repository, in the form that the Metadata API takes.

In source an object lies in pieces, a file a field; in a deployment it is one file. Everything else keeps its folder and
loses `-meta.xml`, unless a file of the same name without it is what the metadata is about.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path

from fedcrm.errors import SettingsError

__all__ = ["package_zip", "repository"]

_NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_VERSION = "67.0"
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the same source gives the same bytes
_TYPES = {
    "applications": "CustomApplication",
    "classes": "ApexClass",
    "customMetadata": "CustomMetadata",
    "customPermissions": "CustomPermission",
    "externalClientApps": "ExternalClientApplication",
    "externalCredentials": "ExternalCredential",
    "extlClntAppGlobalOauthSets": "ExtlClntAppGlobalOauthSettings",
    "extlClntAppOauthPolicies": "ExtlClntAppOauthConfigurablePolicies",
    "extlClntAppOauthSettings": "ExtlClntAppOauthSettings",
    "extlClntAppPolicies": "ExtlClntAppConfigurablePolicies",
    "flexipages": "FlexiPage",
    "flows": "Flow",
    "labels": "CustomLabels",
    "layouts": "Layout",
    "lwc": "LightningComponentBundle",
    "namedCredentials": "NamedCredential",
    "objects": "CustomObject",
    "permissionsets": "PermissionSet",
    "reportTypes": "ReportType",
    "tabs": "CustomTab",
}
_PIECES = {"fields": "fields", "listViews": "listViews", "recordTypes": "recordTypes", "webLinks": "webLinks"}
_ROOT = re.compile(r"<(\w+)\b[^>]*>(.*)</\1>\s*$", re.DOTALL)


def repository() -> Path:
    """The repository that this program runs from. Raises SettingsError where the package's source is not with it."""
    top = Path(__file__).resolve().parents[3]
    if not (top / "force-app" / "main" / "default").is_dir():
        raise SettingsError(
            "the Salesforce package's source is not here: `fedcrm chain` runs from a clone of the repository"
        )
    return top


def package_zip(
    folder: Path,
    *,
    skip: Collection[str] = (),
    only: Collection[str] | None = None,
    replace: Mapping[str, str] | None = None,
) -> bytes:
    """A source folder as a deployment.

    skip:    folders inside it that stay out.
    only:    the files that go in, as "folder/name"; None: all.
    replace: texts in files and what stands for them.

    Raises SettingsError for a folder whose kind is not known.
    """
    files: dict[str, str | bytes] = {}
    objects: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        kind, *rest = path.relative_to(folder).parts
        if not path.is_file() or kind in skip or "__tests__" in rest or path.name.startswith("."):
            continue
        if only is not None and "/".join((kind, *rest)) not in only:
            continue
        if kind not in _TYPES:
            raise SettingsError(f"{folder / kind}: no kind of metadata is known by this folder")
        if kind == "objects":
            objects.setdefault(rest[0], []).append(_piece(path, rest))
        else:
            files["/".join((kind, *rest[:-1], _name(path, kind)))] = _filled(path, replace or {})
    for name, pieces in objects.items():
        files[f"objects/{name}.object"] = (
            f'{_HEAD}<CustomObject xmlns="{_NAMESPACE}">\n{"".join(pieces)}</CustomObject>\n'
        )
    files["package.xml"] = _manifest(files)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _TIMESTAMP), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _piece(path: Path, rest: list[str]) -> str:
    """One file's share of its object: the object's own elements, or one field among them."""
    found = _ROOT.search(path.read_text("utf-8"))
    if found is None:
        raise SettingsError(f"{path} is not XML metadata")
    if len(rest) == 2:
        return found[2]
    tag = _PIECES.get(rest[1])
    return f"<{tag}>{found[2]}</{tag}>\n" if tag else ""


def _name(path: Path, kind: str) -> str:
    name = path.name
    if kind == "lwc" or not name.endswith("-meta.xml"):
        return name
    about_a_file = path.with_name(name.removesuffix("-meta.xml")).exists()
    return name if about_a_file else name.removesuffix("-meta.xml")


def _filled(path: Path, replace: Mapping[str, str]) -> str | bytes:
    content = path.read_bytes()
    if not replace:
        return content
    text = content.decode("utf-8")
    for placeholder, value in replace.items():
        text = text.replace(placeholder, value)
    return text


def _manifest(files: Collection[str]) -> str:
    members: dict[str, set[str]] = {}
    for path in files:
        kind, name = path.split("/", 1)
        if kind == "lwc":
            name = name.split("/")[0]
        elif name.endswith("-meta.xml"):
            continue
        elif kind == "labels":
            name = "CustomLabels"
        else:
            name = name.rpartition(".")[0]
        members.setdefault(_TYPES[kind], set()).add(name)
    types = "".join(
        f"<types>{''.join(f'<members>{name}</members>' for name in sorted(names))}<name>{kind}</name></types>\n"
        for kind, names in sorted(members.items())
    )
    return f'{_HEAD}<Package xmlns="{_NAMESPACE}">\n{types}<version>{_VERSION}</version>\n</Package>\n'
