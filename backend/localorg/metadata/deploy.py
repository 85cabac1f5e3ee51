"""Deployment: a package's components into an org, all of them or none.

Order: removals before, settings and value sets, objects, fields, records, code, pages, rights; then everything
that was put off (references to what came later), the compilers, removals after. One transaction holds it all;
a failure or checkOnly rolls it back, schema included.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from localorg.access import Context
from localorg.metadata.change import TOKEN, Change, Refused
from localorg.metadata.compilers import CodeProblem, Compilers
from localorg.metadata.data import deploy_labels
from localorg.metadata.destroy import destroy
from localorg.metadata.handlers import handler_of
from localorg.metadata.kinds import CHILD_KINDS
from localorg.metadata.objects import CHILD_TAGS, deploy_objects
from localorg.metadata.package import BadPackage, Manifest, Package, SourceFile, read_zip
from localorg.metadata.results import ComponentResult, DeployOptions, DeployResult
from localorg.metadata.xmltree import Node, XmlProblem, parse
from localorg.org import Org, Transaction

__all__ = ["deploy", "deploy_into", "deploy_package", "publish"]

# What runs tests inside the deployment's transaction: the platform's runTestResult document.
TestRunner = Callable[[Transaction, Sequence[str], str], dict[str, Any]]


class _Undo(Exception):
    """Leaves the transaction so that it rolls back; carries nothing: the result is outside."""


def deploy(
    org: Org,
    content: bytes,
    options: DeployOptions | None = None,
    *,
    context: Context | None = None,
    compilers: Compilers | None = None,
    run_tests: TestRunner | None = None,
) -> DeployResult:
    """Deploy a zip. Never raises for what is wrong with the package: the result says it.

    context: who deploys; the org's admin where not given.
    """
    options = options or DeployOptions()
    try:
        package = read_zip(content)
    except BadPackage as bad:
        return DeployResult(options, (), error=str(bad))
    except XmlProblem as bad:
        failure = ComponentResult(
            "", "package.xml", "package.xml", problem=bad.message, line=bad.line, column=bad.column
        )
        return DeployResult(options, (failure,))
    return deploy_package(org, package, options, context=context, compilers=compilers, run_tests=run_tests)


def deploy_package(
    org: Org,
    package: Package,
    options: DeployOptions,
    *,
    context: Context | None = None,
    compilers: Compilers | None = None,
    run_tests: TestRunner | None = None,
) -> DeployResult:
    """Deploy what `read_zip` or `read_folder` read."""
    context = (context or org.admin_context()).in_system_mode()
    result = DeployResult(options, ())
    try:
        with org.transaction(context) as transaction:
            result = _attempt(transaction, package, options, compilers or Compilers(), run_tests)
            failed = not result.success and (options.rollback_on_error or result.error)
            _undo_if(bool(options.check_only or failed))
    except _Undo:
        pass
    return result


def deploy_into(transaction: Transaction, content: bytes) -> DeployResult:
    """Deploy a zip as part of a transaction that does more; the caller undoes it where the result is a failure.

    Raises BadPackage, XmlProblem.
    """
    return _attempt(transaction, read_zip(content), DeployOptions(), Compilers(), None)


def _undo_if(wanted: bool) -> None:
    if wanted:
        raise _Undo


def publish(org: Org, namespace: str, content: bytes) -> None:
    """Keep a package's zip, to be installed by deploying InstalledPackage `namespace`. Raises BadPackage."""
    read_zip(content)
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        transaction.put_setting(f"published:{namespace}", base64.b64encode(content).decode())


def _attempt(
    transaction: Transaction,
    package: Package,
    options: DeployOptions,
    compilers: Compilers,
    run_tests: TestRunner | None,
) -> DeployResult:
    namespace = transaction.org.namespace or ""
    results: list[ComponentResult] = []
    for source in package.sources:
        if source.kind.name == "InstalledPackage":
            results += _install(transaction, source.full_name, compilers)
    change = Change(transaction, namespace=namespace, version=package.manifest.version or "67.0")
    change.results.extend(results)
    _apply(change, package, compilers, allow_missing=options.allow_missing_files)
    shown = [_placed(item, package.root) for item in change.results]
    tests = None
    if run_tests is not None and options.test_level != "NoTestRun" and all(item.success for item in shown):
        tests = run_tests(transaction, options.run_tests, options.test_level)
    return DeployResult(options, shown, tests)


def _install(transaction: Transaction, name: str, compilers: Compilers) -> list[ComponentResult]:
    """Deploy a published package under its namespace; returns its failures alone."""
    published = transaction.setting(f"published:{name}")
    if published is None:
        return []
    inner = Change(transaction, namespace=name, installing=True)
    _apply(inner, read_zip(base64.b64decode(published)), compilers)
    transaction.put_setting(f"installed:{name}", True)
    return [result for result in inner.results if not result.success]


def _apply(change: Change, package: Package, compilers: Compilers, *, allow_missing: bool = False) -> None:
    if package.destructive_before is not None:
        destroy(change, package.destructive_before)
    for path in package.strangers:
        change.fail("", path, path, f"Unknown file or folder in the package: {path}")
    parsed = list(_parsed(change, package.sources))
    if not allow_missing:
        _listed(change, package)
    _unlisted(change, package.manifest, package.sources)
    objects = [(source, root) for source, root in parsed if source.kind.name == "CustomObject" and root is not None]
    for source, root in parsed:
        if source.kind.rank < 5:
            _one(change, source, root)
    deploy_objects(change, objects)
    for source, root in parsed:
        if source.kind.rank >= 5 and source.kind.name != "CustomObject":
            _one(change, source, root)
    change.run_checks()
    _compile(change, parsed, compilers)
    if package.destructive_after is not None:
        destroy(change, package.destructive_after)


def _parsed(change: Change, sources: Iterable[SourceFile]) -> Iterable[tuple[SourceFile, Node | None]]:
    """Each file with its XML, where it is XML; files that are not what they should be have failed."""
    for source in sources:
        with change.component(source.kind.name, source.full_name, source.path):
            _no_tokens(source)
            as_xml = not (source.kind.meta_file or source.kind.bundle)
            yield source, parse(source.content) if as_xml else None


def _no_tokens(source: SourceFile) -> None:
    """A namespace token is CumulusCI's to replace before a deployment; the platform knows no such name."""
    for path, content in {source.path: source.content, **source.files}.items():
        in_path = TOKEN.search(path)
        if in_path is not None:
            raise Refused(f"Invalid name: {in_path[0]} in {path}")
        if not content[:4096].isascii() and b"\0" in content[:4096]:
            continue
        text = content.decode("utf-8", "replace")
        found = TOKEN.search(text)
        if found is not None:
            line = text.count("\n", 0, found.start()) + 1
            column = found.start() - (text.rfind("\n", 0, found.start()) + 1) + 1
            raise Refused(f"Invalid name: {found[0]} (a namespace token was not replaced)", line=line, column=column)


def _one(change: Change, source: SourceFile, root: Node | None) -> None:
    kind = source.kind.name
    if kind == "CustomLabels" and root is not None:
        deploy_labels(change, source, root)
        return
    full_name = _full_name(change, source)
    with change.component(kind, full_name, source.path):
        row_id, is_new = handler_of(kind)(change, source, root if root is not None else Node(kind))
        component_id, _ = change.keep(source, full_name, component_id=row_id)
        change.succeed(kind, full_name, source.path, component_id, created=is_new)


def _full_name(change: Change, source: SourceFile) -> str:
    if source.kind.name in ("Layout", "CustomMetadata", "Profile", "Settings", "InstalledPackage", "StandardValueSet"):
        return source.full_name
    return change.developer_name(change.full(source.full_name))


def _listed(change: Change, package: Package) -> None:
    """What package.xml names must be in the zip."""
    present: dict[str, set[str]] = {}
    for source in package.sources:
        present.setdefault(source.kind.name, set()).add(source.full_name)
        if source.kind.name in ("CustomObject", "CustomLabels"):
            _add_children(source, present)
    for kind, names in package.manifest.members.items():
        for name in names:
            parent = CHILD_KINDS.get(kind)
            there = present.get(kind, set())
            if name == "*" or name in there or kind == "CustomObject":
                continue
            if parent == "CustomObject" and not there:
                continue  # a child listed by a tool whose object file carries it under another name
            change.fail(
                kind,
                name,
                "package.xml",
                f"An object '{name}' of type {kind} was named in package.xml, but was not found in zipped directory",
            )


def _unlisted(change: Change, manifest: Manifest, sources: Iterable[SourceFile]) -> None:
    """What is in the zip ought to be named; where it is not, a warning says so."""
    for source in sources:
        kind = source.kind.name
        children = {"CustomLabels": "CustomLabel"}.get(kind)
        named = manifest.names(kind, source.full_name) or bool(children and manifest.members.get(children))
        if kind == "CustomObject":
            named = named or any(
                name.split(".", 1)[0] == source.full_name
                for child in CHILD_TAGS.values()
                for name in manifest.members.get(child, ())
            )
        if not named:
            change.results.append(
                ComponentResult(
                    kind,
                    source.full_name,
                    source.path,
                    problem=f"The file {source.path} is in the zip, but package.xml does not name it",
                    warning=True,
                )
            )


def _add_children(source: SourceFile, present: dict[str, set[str]]) -> None:
    try:
        root = parse(source.content)
    except XmlProblem:
        return
    if source.kind.name == "CustomLabels":
        present.setdefault("CustomLabel", set()).update(node.value("fullName").strip() for node in root.all("labels"))
        return
    for tag, kind in CHILD_TAGS.items():
        names = {f"{source.full_name}.{node.value('fullName').strip()}" for node in root.all(tag)}
        present.setdefault(kind, set()).update(names)


def _compile(change: Change, parsed: Sequence[tuple[SourceFile, Node | None]], compilers: Compilers) -> None:
    classes = [source for source, _ in parsed if source.kind.name in ("ApexClass", "ApexTrigger")]
    by_name = {change.developer_name(source.full_name): source for source in classes}
    problems: list[tuple[str, CodeProblem]] = []
    if compilers.apex is not None and classes:
        names = [source.full_name for source in classes]
        problems += [("ApexClass", p) for p in compilers.apex(change.transaction, change.namespace, names)]
    for source, root in parsed:
        if source.kind.name == "Flow" and compilers.flow is not None and root is not None:
            name = change.developer_name(source.full_name)
            by_name.setdefault(f"Flow {name}", source)
            problems += [("Flow", p) for p in compilers.flow(change.transaction, change.namespace, name, root)]
    failed: set[tuple[str, str]] = set()
    for kind, problem in problems:
        held = by_name.get(f"Flow {problem.name}" if kind == "Flow" else problem.name)
        path = f"classes/{problem.name}.cls" if held is None else held.path
        kind = "Flow" if kind == "Flow" else ("ApexClass" if held is None else held.kind.name)
        change.fail(kind, problem.name, path, problem.message, problem.line, problem.column)
        failed.add((kind, problem.name))
    change.results[:] = [r for r in change.results if not (r.success and (r.kind, r.full_name) in failed)]


def _placed(result: ComponentResult, root: str) -> ComponentResult:
    """The result with its file named as it lies in the zip."""
    return replace(result, file_name=root + result.file_name) if root else result
