"""Code: Apex classes and triggers, flows, Lightning bundles, static resources.

A local org stores code as it is; whoever fills `Compilers` judges what is in it. What can be checked without a
compiler is checked here: names, description files, and what Lightning modules import.
"""

from __future__ import annotations

import re
import zlib

from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_root
from localorg.metadata.package import SourceFile
from localorg.metadata.xmltree import Node, XmlProblem, parse

__all__ = ["deploy_apex", "deploy_aura", "deploy_flow", "deploy_lwc", "deploy_static_resource", "deploy_with_meta"]

_DECLARATION = re.compile(r"\b(class|interface|enum|trigger)\s+(\w+)", re.IGNORECASE)
_COMMENTS = re.compile(r"'(?:\\.|[^'\\\n])*'|/\*.*?\*/|//[^\n]*", re.DOTALL)  # literals first: they may hold a slash
_LIMIT = 1_000_000  # characters of a class
_IMPORT = re.compile(r"""^\s*import\b[^;'"]*?['"](@salesforce/[\w./$-]+|c/\w+)['"]""", re.MULTILINE)
_NAMES = re.compile(r"[A-Za-z](?:[A-Za-z0-9]|_(?!_))*")


def _meta(source: SourceFile, expected: str) -> Node:
    if source.meta is None:
        raise Refused(f"Required file is missing: {source.path}-meta.xml")
    try:
        root = parse(source.meta)
    except XmlProblem as broken:
        raise Refused(f"{source.path}-meta.xml: {broken.message}", line=broken.line, column=broken.column) from broken
    check_root(root, expected)
    return root


def deploy_apex(change: Change, source: SourceFile, _: Node | None) -> tuple[str, bool]:
    """A class or trigger as its row; the name in the file must be the file's."""
    trigger = source.kind.name == "ApexTrigger"
    root = _meta(source, source.kind.name)
    version = float(root.required("apiVersion"))
    if not 20 <= version <= 67:
        raise Refused(f"Invalid api version: {version}", root.first("apiVersion"))
    status = root.value("status") or "Active"
    try:
        body = source.content.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        raise Refused("The file is not valid UTF-8", line=1, column=1) from broken
    if len(body) > _LIMIT:
        raise Refused("Maximum length of class body exceeded", line=1, column=1)
    plain = _COMMENTS.sub(_blank, body)
    declared = _DECLARATION.search(plain)
    if declared is None:
        raise Refused("Unexpected token '<EOF>'.", line=max(1, body.count("\n")), column=1)
    if declared[2].lower() != source.full_name.lower():
        line = plain.count("\n", 0, declared.start()) + 1
        raise Refused(
            f"Invalid {'trigger' if trigger else 'class'} name: {declared[2]}, the file is {source.full_name}",
            line=line,
            column=declared.start() - (plain.rfind("\n", 0, declared.start()) + 1) + 1,
        )
    values: dict[str, object] = {
        "Body": body,
        "ApiVersion": version,
        "Status": status,
        "IsValid": True,
        "BodyCrc": zlib.crc32(source.content),
        "LengthWithoutComments": len(_COMMENTS.sub(lambda found: found[0] if found[0][0] == "'" else "", body)),
    }
    return change.put_row(
        source.kind.name, {"Name": source.full_name, "NamespacePrefix": change.namespace or None}, values
    )


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


def deploy_flow(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A flow's definition; the compiler hook reads what it does."""
    check_root(root, "Flow")
    for needed in ("label", "processType"):
        root.required(needed)
    if not _NAMES.fullmatch(source.full_name.split("-", 1)[0]):
        raise Refused(f"The flow name {source.full_name} is not valid", root)
    if not root.value("status"):
        raise Refused("Required field is missing: status", root)
    start = root.first("start")
    if start is not None and start.value("object"):
        name = start.value("object")
        if change.sobject(name) is None:
            raise Refused(f"In field: object - no CustomObject named {name} found", start)
    return "", change.stored("Flow", change.developer_name(source.full_name)) is None


def deploy_lwc(change: Change, source: SourceFile, _: Node | None) -> tuple[str, bool]:
    """A Lightning web component: its description, its main file, and what its modules import."""
    name = source.full_name
    prefix = f"lwc/{name}/{name}"
    if f"{prefix}.js-meta.xml" not in source.files:
        raise Refused(f"Required file is missing: {prefix}.js-meta.xml")
    try:
        root = parse(source.files[f"{prefix}.js-meta.xml"])
    except XmlProblem as broken:
        raise Refused(broken.message, line=broken.line, column=broken.column) from broken
    check_root(root, "LightningComponentBundle")
    root.flag("isExposed")
    if (
        f"{prefix}.js" not in source.files
        and f"{prefix}.html" not in source.files
        and f"{prefix}.css" not in source.files
    ):
        raise Refused(f"No valid files were found in the bundle {name}")
    for path, content in source.files.items():
        if path.endswith(".js") and "/__tests__/" not in path:
            text = content.decode("utf-8", "replace")
            for found in _IMPORT.finditer(text):
                line = text.count("\n", 0, found.start(1)) + 1
                wanted = found[1]
                change.later(
                    "LightningComponentBundle",
                    change.developer_name(name),
                    source.path,
                    lambda wanted=wanted, line=line: _imported(change, wanted, line),  # type: ignore[misc]  # defaults bind the loop's values
                )
    return "", change.stored("LightningComponentBundle", change.developer_name(name)) is None


def _imported(change: Change, module: str, line: int) -> None:
    """What a module imports must be there; raises Refused."""
    kind, _, rest = module.removeprefix("@salesforce/").partition("/")
    if module.startswith("c/"):
        name = change.developer_name(module[2:])
        if (
            change.stored("LightningComponentBundle", name) is None
            and change.stored("AuraDefinitionBundle", name) is None
        ):
            raise Refused(f"LWC1702: Invalid reference {module} of type module", line=line, column=1)
    elif kind == "apex":
        class_name = rest.rsplit(".", 1)[0]
        namespace, _, local = class_name.rpartition("__" if "__" in class_name else ".")
        key = {"Name": local, "NamespacePrefix": namespace or change.namespace or None}
        if "." in rest and change.find_row("ApexClass", key) is None:
            raise Refused(f"Unable to find Apex action class referenced as '{class_name}'.", line=line, column=1)
    elif kind == "label":
        name = rest.removeprefix("c.")
        if rest.startswith("c.") and change.setting(f"label:{change.developer_name(name)}") is None:
            raise Refused(f"Invalid label reference: {rest}", line=line, column=1)
    elif kind == "schema":
        object_name, *path = rest.split(".")
        sobject = change.sobject(object_name)
        if sobject is None:
            raise Refused(f"Invalid object reference: {object_name}", line=line, column=1)
        own = len(path) == 1 and not path[0].endswith("__r")
        if own and change.schema.field_of(sobject, path[0], within=change.namespace or None) is None:
            raise Refused(f"Invalid field reference: {rest}", line=line, column=1)
    elif kind == "customPermission":
        key = {"DeveloperName": rest.rpartition("__")[2], "NamespacePrefix": change.namespace or None}
        if change.find_row("CustomPermission", key) is None:
            raise Refused(f"Invalid custom permission reference: {rest}", line=line, column=1)
    elif kind == "resourceUrl" and change.stored("StaticResource", change.developer_name(rest)) is None:
        raise Refused(f"Invalid static resource reference: {rest}", line=line, column=1)


def deploy_aura(change: Change, source: SourceFile, _: Node | None) -> tuple[str, bool]:
    """An Aura bundle, stored as it is."""
    if not any(path.endswith((".cmp", ".app", ".evt", ".intf", ".tokens", ".design")) for path in source.files):
        raise Refused(f"No definition was found in the bundle {source.full_name}")
    return "", change.stored("AuraDefinitionBundle", change.developer_name(source.full_name)) is None


def deploy_static_resource(change: Change, source: SourceFile, _: Node | None) -> tuple[str, bool]:
    """A file for pages, up to 5 MB."""
    root = _meta(source, "StaticResource")
    root.required("contentType")
    root.required("cacheControl")
    if len(source.content) > 5 << 20:
        raise Refused("Static resource cannot exceed 5 MB in size")
    return "", change.stored("StaticResource", change.developer_name(source.full_name)) is None


def deploy_with_meta(change: Change, source: SourceFile, _: Node | None) -> tuple[str, bool]:
    """Any other component of two files, stored with its description checked for being one."""
    if not source.kind.in_folder:
        _meta(source, source.kind.name)
    return "", change.stored(source.kind.name, change.developer_name(source.full_name)) is None
