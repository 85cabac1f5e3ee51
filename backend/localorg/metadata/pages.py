"""What people look at: layouts, pages, tabs, apps, report types. Stored; what they refer to must be there."""

from __future__ import annotations

from collections.abc import Iterator

from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_root
from localorg.metadata.package import SourceFile
from localorg.metadata.xmltree import Node
from localorg.schema import SObjectType

__all__ = ["deploy_app", "deploy_flexipage", "deploy_layout", "deploy_plain", "deploy_report_type", "deploy_tab"]


def deploy_plain(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A component that is only kept."""
    check_root(root, root.tag if source.kind.name == "Settings" else source.kind.name)
    if source.kind.name == "Settings" and not root.tag.endswith("Settings"):
        raise Refused(f"Invalid root element: {root.tag}. Expected: a Settings type", root)
    return "", change.stored(source.kind.name, change.developer_name(source.full_name)) is None


def deploy_layout(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A page layout, named `Object-Layout Name`."""
    check_root(root, "Layout")
    object_name, _, name = source.full_name.partition("-")
    sobject = change.sobject(object_name)
    if sobject is None or not name:
        raise Refused(f"Parent entity failed to deploy: no CustomObject named {object_name} found", root)
    for node in _below(root, "field"):
        _field(change, sobject, node.text.strip(), node)
    for related in root.all("relatedLists"):
        for node in related.all("fields"):
            if not node.text.strip():
                raise Refused("An empty field in a related list", node)
    for tag in ("customButtons", "excludeButtons"):
        for node in root.all(tag):
            if not node.text.strip():
                raise Refused(f"Required field is missing: {tag}", node)
    return "", change.stored("Layout", source.full_name) is None


def deploy_flexipage(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A Lightning page; the components of the package on it must be there."""
    check_root(root, "FlexiPage")
    root.required("masterLabel")
    kind = root.required("type")
    name = root.value("sobjectType")
    sobject = change.sobject(name) if name else None
    if kind == "RecordPage" and sobject is None:
        raise Refused(f"In field: sobjectType - no CustomObject named {name or '(none)'} found", root)
    own = {"c", change.namespace}
    for node in _below(root, "componentName"):
        prefix, _, local = node.text.strip().rpartition(":")
        if prefix in own and prefix:
            change.later(
                "FlexiPage",
                change.developer_name(source.full_name),
                source.path,
                lambda local=local, node=node: _component(change, local, node),  # type: ignore[misc]  # defaults bind the loop's values
            )
    if sobject is not None:
        for node in _below(root, "fieldItem"):
            _field(change, sobject, node.text.strip().removeprefix("Record."), node)
    return "", change.stored("FlexiPage", change.developer_name(source.full_name)) is None


def _component(change: Change, name: str, node: Node) -> None:
    full_name = change.developer_name(name)
    kinds = ("LightningComponentBundle", "AuraDefinitionBundle")
    if all(change.stored(kind, full_name) is None for kind in kinds):
        raise Refused(f"We couldn't retrieve the design time component information for component c:{name}.", node)


def deploy_tab(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A tab of an object, a page or a component."""
    check_root(root, "CustomTab")
    full_name = change.developer_name(change.full(source.full_name))
    if root.flag("customObject"):
        if change.sobject(source.full_name) is None:
            raise Refused(f"In field: customObject - no CustomObject named {source.full_name} found", root)
    elif not any(root.first(tag) for tag in ("flexiPage", "lwcComponent", "auraComponent", "page", "url")):
        raise Refused("A tab needs one of customObject, flexiPage, lwcComponent, auraComponent, page, url", root)
    else:
        root.required("label")
    for tag, kind in (
        ("flexiPage", "FlexiPage"),
        ("lwcComponent", "LightningComponentBundle"),
        ("auraComponent", "AuraDefinitionBundle"),
        ("page", "ApexPage"),
    ):
        node = root.first(tag)
        if node is not None:
            change.later(
                "CustomTab",
                full_name,
                source.path,
                lambda k=kind, n=node, t=tag: _refers(change, k, n, t),  # type: ignore[misc]  # defaults bind the loop's values
            )
    root.required("motif")
    return "", change.stored("CustomTab", full_name) is None


def _refers(change: Change, kind: str, node: Node, tag: str) -> None:
    if change.stored(kind, change.developer_name(node.text.strip())) is None:
        raise Refused(f"In field: {tag} - no {kind} named {node.text.strip()} found", node)


def deploy_app(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """An app; its custom tabs must be there."""
    check_root(root, "CustomApplication")
    root.required("label")
    for node in root.all("tabs"):
        name = node.text.strip()
        if name.startswith("standard-"):
            continue
        change.later(
            "CustomApplication",
            change.developer_name(source.full_name),
            source.path,
            lambda name=name, node=node: _tab(change, name, node),  # type: ignore[misc]  # defaults bind the loop's values
        )
    return "", change.stored("CustomApplication", change.developer_name(source.full_name)) is None


def _tab(change: Change, name: str, node: Node) -> None:
    if change.stored("CustomTab", change.developer_name(change.full(name))) is None:
        raise Refused(f"In field: tab - no CustomTab named {name} found", node)


def deploy_report_type(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A custom report type; its objects and custom columns must be there."""
    check_root(root, "ReportType")
    for needed in ("baseObject", "category", "deployed", "label"):
        root.required(needed)
    base = change.sobject(root.value("baseObject").strip())
    if base is None:
        raise Refused(
            f"In field: baseObject - no CustomObject named {root.value('baseObject')} found", root.first("baseObject")
        )
    if not root.all("sections"):
        raise Refused("Required field is missing: sections", root)
    for section in root.all("sections"):
        section.required("masterLabel")
        for column in section.all("columns"):
            table, field = column.required("table"), column.required("field")
            if table in (base.api_name, root.value("baseObject").strip()):
                _field(change, base, field, column)
    return "", change.stored("ReportType", change.developer_name(source.full_name)) is None


def _field(change: Change, sobject: SObjectType, name: str, node: Node) -> None:
    """A field path's first step must be the object's; raises Refused."""
    first = name.split(".", 1)[0]
    if first.endswith("__r"):
        known = change.schema.parent(sobject, first, within=change.namespace or None) is not None
    else:
        known = change.schema.field_of(sobject, first, within=change.namespace or None) is not None
        known = known or change.schema.parent(sobject, first) is not None
    # Standard compound names (Name, Address) and relationships differ from API names on layouts.
    if not known and first.endswith(("__c", "__r")):
        raise Refused(f"In field: field - no CustomField named {sobject.api_name}.{first} found", node)


def _below(node: Node, tag: str) -> Iterator[Node]:
    for child in node:
        if child.tag == tag:
            yield child
        yield from _below(child, tag)
