"""Under which name an org has the package."""

from __future__ import annotations

from typing import Any

__all__ = ["namespace_of"]


def namespace_of(project_config: Any, org_config: Any) -> str:
    """The namespace where the org has the package installed or is its own scratch org; "" where it is unmanaged."""
    namespace: str = project_config.project__package__namespace
    installed = namespace in (org_config.installed_packages or {})
    return namespace if installed or org_config.namespaced else ""
