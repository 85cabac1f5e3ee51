"""Small packages, written out where they are used."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

NS = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
_FOLDERS = {
    "objects": ("CustomObject", ".object"),
    "permissionsets": ("PermissionSet", ".permissionset"),
    "customMetadata": ("CustomMetadata", ".md"),
    "labels": ("CustomLabels", ".labels"),
    "classes": ("ApexClass", ".cls"),
    "flows": ("Flow", ".flow"),
    "layouts": ("Layout", ".layout"),
    "tabs": ("CustomTab", ".tab"),
    "connectedApps": ("ConnectedApp", ".connectedApp"),
    "installedPackages": ("InstalledPackage", ".installedPackage"),
    "customPermissions": ("CustomPermission", ".customPermission"),
    "globalValueSets": ("GlobalValueSet", ".globalValueSet"),
    "externalCredentials": ("ExternalCredential", ".externalCredential"),
    "namedCredentials": ("NamedCredential", ".namedCredential"),
    "profiles": ("Profile", ".profile"),
    "lwc": ("LightningComponentBundle", ""),
}


def zipped(files: dict[str, str], *, manifest: str | None = None) -> bytes:
    """A deployment's zip; package.xml is written from the paths unless given."""
    if manifest is None:
        members: dict[str, set[str]] = {}
        for path in files:
            if path.startswith("destructiveChanges") or (path.endswith("-meta.xml") and not path.startswith("lwc/")):
                continue
            folder, _, rest = path.partition("/")
            kind, suffix = _FOLDERS[folder]
            name = rest.split("/")[0] if folder == "lwc" else rest.removesuffix(suffix)
            members.setdefault(kind, set()).add("*" if kind == "CustomLabels" else name)
        types = "".join(
            f"<types>{''.join(f'<members>{n}</members>' for n in sorted(names))}<name>{kind}</name></types>"
            for kind, names in members.items()
        )
        manifest = f"<Package {NS}>{types}<version>67.0</version></Package>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("package.xml", manifest)
        for path, content in files.items():
            archive.writestr(path, content)
    return out.getvalue()


def custom_object(inner: str = "", *, label: str = "Block") -> str:
    """An object file with a text name."""
    return (
        f"<CustomObject {NS}><deploymentStatus>Deployed</deploymentStatus><label>{label}</label>"
        f"<nameField><label>Name</label><type>Text</type></nameField><pluralLabel>{label}s</pluralLabel>"
        f"<sharingModel>ReadWrite</sharingModel>{inner}</CustomObject>"
    )


def text_field(name: str, *, length: int = 20, more: str = "") -> str:
    """A text field's element."""
    return (
        f"<fields><fullName>{name}</fullName><label>{name}</label><length>{length}</length>{more}"
        "<type>Text</type></fields>"
    )


@pytest.fixture
def package() -> Callable[..., bytes]:
    return zipped


@pytest.fixture
def xml():
    """The writers of this file, in one place."""

    class Writers:
        namespace = NS
        object = staticmethod(custom_object)
        text = staticmethod(text_field)

    return Writers
