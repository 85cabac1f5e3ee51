"""What is there, given back: a zip of the components a manifest asks for, lists of them, the types there are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from localorg.metadata.change import Change, StoredComponent
from localorg.metadata.kinds import CHILD_KINDS, KINDS
from localorg.metadata.objects import CHILD_TAGS
from localorg.metadata.permissions import profile_xml
from localorg.metadata.results import Listed
from localorg.metadata.xmltree import METADATA_NAMESPACE
from localorg.org import Org

__all__ = ["Retrieved", "listed", "retrieve"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_PROFILES = {"Admin": "System Administrator", "Standard": "Standard User", "ReadOnly": "Read Only"}


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What came of it. content: the zip; files: (type, full name, path in the zip); problems: what is not there."""

    content: bytes
    files: tuple[tuple[str, str, str], ...]
    problems: tuple[str, ...]


def retrieve(org: Org, members: Mapping[str, Sequence[str]], *, version: str, folder: str = "unpackaged") -> Retrieved:
    """A zip with everything asked for that is there, under `folder`.

    members: full names by type; `*` for all.
    """
    problems: list[str] = []
    files: list[tuple[str, str, str]] = []
    found: dict[str, list[str]] = {}
    out = io.BytesIO()
    with (
        org.transaction(org.admin_context().in_system_mode()) as transaction,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        change = Change(transaction, namespace=org.namespace or "", version=version)
        written: dict[str, bytes] = {}
        for kind, names in members.items():
            for path, content, name in _files(change, kind, names, members, problems):
                written[path] = content
                files.append((kind, name, f"{folder}/{path}" if folder else path))
                if name not in found.setdefault(kind, []):
                    found[kind].append(name)
        for path, content in written.items():
            archive.writestr(f"{folder}/{path}" if folder else path, content)
        manifest = _manifest(found, version)
        archive.writestr(f"{folder}/package.xml" if folder else "package.xml", manifest)
    return Retrieved(out.getvalue(), tuple(files), tuple(problems))


def _files(
    change: Change,
    kind: str,
    names: Sequence[str],
    members: Mapping[str, Sequence[str]],
    problems: list[str],
) -> Iterator[tuple[str, bytes, str]]:
    if kind not in KINDS and kind not in CHILD_KINDS:
        problems.append(f"Entity type: '{kind}' is unknown")
        return
    everything = change.all_stored(kind)
    by_name = {component.full_name: component for component in everything}
    wanted = list(by_name) if "*" in names else []
    wanted += [name for name in names if name != "*"]
    for name in dict.fromkeys(wanted):
        if kind == "CustomObject":
            content = _object(change, name)
            path = f"objects/{name}.object"
        elif kind == "CustomLabels" or kind == "CustomLabel":
            content, path = _labels(change), "labels/CustomLabels.labels"
        elif CHILD_KINDS.get(kind) == "CustomObject":
            parent = name.split(".", 1)[0]
            content, path = _object(change, parent, {kind: set(names)}), f"objects/{parent}.object"
        elif kind == "Profile":
            content, path = _profile(change, name, members), f"profiles/{name}.profile"
        else:
            yield from _plain(change, kind, name, by_name, problems)
            continue
        if content is None:
            problems.append(f"Entity of type '{kind}' named '{name}' cannot be found")
        else:
            yield path, content.encode(), name


def _plain(
    change: Change, kind: str, name: str, by_name: Mapping[str, StoredComponent], problems: list[str]
) -> Iterator[tuple[str, bytes, str]]:
    held = by_name.get(name) or by_name.get(change.developer_name(name)) or by_name.get(change.full(name))
    if held is None:
        problems.append(f"Entity of type '{kind}' named '{name}' cannot be found")
        return
    if held.files:
        for path, content in held.files.items():
            yield path, content, name
        return
    yield held.file_name, held.content, name
    if held.meta is not None:
        yield held.file_name + "-meta.xml", held.meta, name


def _object(change: Change, name: str, only: Mapping[str, set[str]] | None = None) -> str | None:
    """The object's file: its own elements and those of its children; `only`: of the children named."""
    sobject = change.sobject(name)
    if sobject is None:
        return None
    own = change.stored("CustomObject", sobject.api_name)
    parts = [] if only is None else [""]
    if only is None and own is not None:
        text = own.content.decode()
        inner = text[text.index("<CustomObject") :]
        parts = (
            [inner[inner.index(">") + 1 : inner.rindex("</CustomObject>")].strip("\n") + "\n"] if "</" in inner else []
        )
    for kind in CHILD_TAGS.values():
        for component in change.all_stored(kind):
            if component.full_name.split(".", 1)[0] != sobject.api_name:
                continue
            wanted = None if only is None else only.get(kind, set())
            if wanted is None or component.full_name in wanted or "*" in wanted:
                parts.append(component.content.decode())
    return f'{_HEAD}<CustomObject xmlns="{METADATA_NAMESPACE}">\n{"".join(parts)}</CustomObject>\n'


def _labels(change: Change) -> str:
    inner = "".join(component.content.decode() for component in change.all_stored("CustomLabel"))
    return f'{_HEAD}<CustomLabels xmlns="{METADATA_NAMESPACE}">\n{inner}</CustomLabels>\n'


def _profile(change: Change, name: str, members: Mapping[str, Sequence[str]]) -> str | None:
    profile = change.find_row("Profile", {"Name": _PROFILES.get(name, name)})
    if profile is None:
        return None
    # As on the platform, a profile comes with what is retrieved beside it.
    asked = members.get("CustomObject", ())
    objects = [s for s in change.schema if s.api_name in asked or ("*" in asked and s.custom)]
    return profile_xml(change, profile, objects)


def _manifest(found: Mapping[str, Sequence[str]], version: str) -> str:
    types = "".join(
        "    <types>\n"
        + "".join(f"        <members>{escape(name)}</members>\n" for name in sorted(names))
        + f"        <name>{kind}</name>\n    </types>\n"
        for kind, names in sorted(found.items())
    )
    return f'{_HEAD}<Package xmlns="{METADATA_NAMESPACE}">\n{types}    <version>{version}</version>\n</Package>\n'


def listed(org: Org, kind: str) -> list[Listed]:
    """The org's components of one type, by name; standard objects and profiles among theirs."""
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        change = Change(transaction, namespace=org.namespace or "")
        directory = KINDS[kind].directory if kind in KINDS else KINDS[CHILD_KINDS[kind]].directory
        found = [
            Listed(kind, c.full_name, c.file_name, c.id, c.created, c.modified, c.namespace)
            for c in change.all_stored(kind)
        ]
        names = {item.full_name for item in found}
        now = change.now
        if kind == "CustomObject":
            found += [
                Listed(kind, s.api_name, f"objects/{s.api_name}.object", "", now, now)
                for s in change.schema
                if not s.custom and not s.setup and s.api_name not in names
            ]
        if kind == "Profile":
            backwards = {label: name for name, label in _PROFILES.items()}
            for row_id, label in change.read_rows("Profile", {}, ("Id", "Name")):
                name = backwards.get(label, label)
                found.append(Listed(kind, name, f"{directory}/{name}.profile", row_id, now, now))
        return sorted(found, key=lambda item: item.full_name)
