"""Which function deploys which type; a type that is in `kinds` and not here is kept as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from localorg.metadata import code, credentials, data, pages, permissions
from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_root
from localorg.metadata.package import SourceFile
from localorg.metadata.tracking import note_package
from localorg.metadata.xmltree import Node

__all__ = ["HANDLERS", "Handler", "handler_of"]

# Deploys one file; returns the id of the row that stands for it ("" where none does), and whether it is new.
Handler = Callable[[Change, SourceFile, Node], tuple[str, bool]]


def _installed_package(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """Noted here; `deploy` has deployed the package's own components before."""
    check_root(root, "InstalledPackage")
    root.required("versionNumber")
    if change.setting(f"installed:{source.full_name}") is None:
        raise Refused(
            f"The package {source.full_name} is not known here: publish its zip to this local org first", root
        )
    note_package(change, source.full_name, root.value("versionNumber"))
    return "", change.stored("InstalledPackage", source.full_name) is None


HANDLERS: Mapping[str, Handler] = {
    "ApexClass": code.deploy_apex,
    "ApexTrigger": code.deploy_apex,
    "ApexPage": code.deploy_with_meta,
    "ApexComponent": code.deploy_with_meta,
    "EmailTemplate": code.deploy_with_meta,
    "StaticResource": code.deploy_static_resource,
    "Flow": code.deploy_flow,
    "LightningComponentBundle": code.deploy_lwc,
    "AuraDefinitionBundle": code.deploy_aura,
    "CustomMetadata": data.deploy_custom_metadata,
    "GlobalValueSet": data.deploy_global_value_set,
    "StandardValueSet": data.deploy_standard_value_set,
    "CustomPermission": permissions.deploy_custom_permission,
    "PermissionSet": permissions.deploy_permission_set,
    "PermissionSetGroup": permissions.deploy_permission_set_group,
    "Profile": permissions.deploy_profile,
    "ExternalCredential": credentials.deploy_external_credential,
    "NamedCredential": credentials.deploy_named_credential,
    "RemoteSiteSetting": credentials.deploy_remote_site,
    "ConnectedApp": credentials.deploy_connected_app,
    "ExternalClientApplication": credentials.deploy_eca,
    "ExtlClntAppOauthSettings": credentials.deploy_eca_part,
    "ExtlClntAppGlobalOauthSettings": credentials.deploy_eca_global,
    "ExtlClntAppOauthConfigurablePolicies": credentials.deploy_eca_part,
    "ExtlClntAppConfigurablePolicies": credentials.deploy_eca_part,
    "Layout": pages.deploy_layout,
    "FlexiPage": pages.deploy_flexipage,
    "CustomTab": pages.deploy_tab,
    "CustomApplication": pages.deploy_app,
    "ReportType": pages.deploy_report_type,
    "InstalledPackage": _installed_package,
}


def handler_of(kind: str) -> Handler:
    """The function that deploys a type."""
    return HANDLERS.get(kind, pages.deploy_plain)
