"""Handlers of a package's life: install, uninstall, sandbox copy.

Apex Reference Guide: InstallHandler, UninstallHandler, SandboxPostCopy; Test.testInstall, Test.testUninstall,
Test.testSandboxPostCopyScript.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localorg.apex.library.testing import TEST
from localorg.apex.types.platform import platform_type
from localorg.apex.values.exceptions import null_pointer

INSTALL = platform_type("InstallContext")
UNINSTALL = platform_type("UninstallContext")
SANDBOX = platform_type("SandboxContext")
VERSION = platform_type("Version")
platform_type("InstallHandler", interface=True).demands("void onInstall(InstallContext)")
platform_type("UninstallHandler", interface=True).demands("void onUninstall(UninstallContext)")
platform_type("SandboxPostCopy", interface=True).demands("void runApexClass(SandboxContext)")


@dataclass(frozen=True)
class LifecycleContext:
    """All three contexts: the org, who acts, and what is particular to each."""

    organization_id: str
    user_id: str
    previous: Any = None
    sandbox_id: str | None = None
    sandbox_name: str | None = None


@dataclass(frozen=True, order=True)
class PackageVersion:
    """System.Version."""

    major: int
    minor: int
    patch: int = 0


for _context in (INSTALL, UNINSTALL):
    _context.method("Id organizationId()")(lambda c: c.organization_id)
INSTALL.method("Id installerId()")(lambda c: c.user_id)
INSTALL.method("Version previousVersion()")(lambda c: c.previous)
INSTALL.method("Boolean isUpgrade()")(lambda c: c.previous is not None)
INSTALL.method("Boolean isPush()")(lambda _c: False)
UNINSTALL.method("Id uninstallerId()")(lambda c: c.user_id)
SANDBOX.method("Id organizationId()")(lambda c: c.organization_id)
SANDBOX.method("Id sandboxId()")(lambda c: c.sandbox_id)
SANDBOX.method("String sandboxName()")(lambda c: c.sandbox_name)
VERSION.constructor("(Integer, Integer)")(PackageVersion)
VERSION.constructor("(Integer, Integer, Integer)")(PackageVersion)
VERSION.method("Integer major()")(lambda v: v.major)
VERSION.method("Integer minor()")(lambda v: v.minor)
VERSION.method("Integer patch()")(lambda v: v.patch)
VERSION.method("Integer compareTo(Version)")(lambda v, other: (v > other) - (v < other))


def _context_of(rt: Any, **more: Any) -> LifecycleContext:
    return LifecycleContext(rt.transaction.org.org_id, rt.user_id, **more)


@TEST.static("void testInstall(InstallHandler, Version)", runtime=True)
def _test_install(rt: Any, handler: Any, version: Any) -> None:
    if handler is None:
        null_pointer()
    handler.call("oninstall", _context_of(rt, previous=version))


@TEST.static("void testUninstall(UninstallHandler)", runtime=True)
def _test_uninstall(rt: Any, handler: Any) -> None:
    if handler is None:
        null_pointer()
    handler.call("onuninstall", _context_of(rt))


@TEST.static("void testSandboxPostCopyScript(SandboxPostCopy, Id, Id, String)", runtime=True)
def _test_sandbox(rt: Any, handler: Any, org_id: str, sandbox_id: str, name: str) -> None:
    if handler is None:
        null_pointer()
    handler.call("runapexclass", LifecycleContext(org_id, rt.user_id, sandbox_id=sandbox_id, sandbox_name=name))


TEST.static("void testSandboxPostCopyScript(SandboxPostCopy, Id, Id, String, Boolean)", runtime=True)(
    lambda rt, handler, org_id, sandbox_id, name, _admin: _test_sandbox(rt, handler, org_id, sandbox_id, name)
)
