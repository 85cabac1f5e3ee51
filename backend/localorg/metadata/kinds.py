"""The metadata types a local org knows: name, folder, suffix, and how their files lie in a package.

Metadata Coverage of API 67, cut down to what a package for sales and service is made of; a type that is not
here is refused by name, as the platform refuses one that an org does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CHILD_KINDS", "KINDS", "Kind", "kind_of_path"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One metadata type.

    name:      xmlName, and root element of its files.
    directory: folder in a package; suffix: without the dot, "" where files keep their own.
    meta_file: content and description are two files (`X.cls`, `X.cls-meta.xml`).
    bundle:    a folder of files is one component (`lwc/name/...`).
    in_folder: components lie in folders that are components themselves.
    children:  names of the child types inside its files.
    rank:      earlier ones are deployed first.
    """

    name: str
    directory: str
    suffix: str = ""
    meta_file: bool = False
    bundle: bool = False
    in_folder: bool = False
    children: tuple[str, ...] = ()
    rank: int = 50


_OBJECT_CHILDREN = (
    "CustomField",
    "BusinessProcess",
    "CompactLayout",
    "RecordType",
    "WebLink",
    "ValidationRule",
    "SharingReason",
    "ListView",
    "FieldSet",
    "Index",
)

_ALL = (
    Kind("Settings", "settings", "settings", rank=0),
    Kind("InstalledPackage", "installedPackages", "installedPackage", rank=1),
    Kind("GlobalValueSet", "globalValueSets", "globalValueSet", rank=2),
    Kind("StandardValueSet", "standardValueSets", "standardValueSet", rank=2),
    Kind("CustomLabels", "labels", "labels", children=("CustomLabel",), rank=3),
    Kind("StaticResource", "staticresources", "resource", meta_file=True, rank=3),
    Kind("RemoteSiteSetting", "remoteSiteSettings", "remoteSite", rank=3),
    Kind("CspTrustedSite", "cspTrustedSites", "cspTrustedSite", rank=3),
    Kind("Role", "roles", "role", rank=3),
    Kind("Group", "groups", "group", rank=3),
    Kind("CustomPermission", "customPermissions", "customPermission", rank=4),
    Kind("CustomObject", "objects", "object", children=_OBJECT_CHILDREN, rank=5),
    Kind("CustomMetadata", "customMetadata", "md", rank=8),
    Kind("Queue", "queues", "queue", rank=8),
    Kind("ExternalCredential", "externalCredentials", "externalCredential", rank=9),
    Kind("NamedCredential", "namedCredentials", "namedCredential", rank=10),
    Kind("ConnectedApp", "connectedApps", "connectedApp", rank=10),
    Kind("ExternalClientApplication", "externalClientApps", "eca", rank=10),
    Kind("ExtlClntAppOauthSettings", "extlClntAppOauthSettings", "ecaOauth", rank=11),
    Kind("ExtlClntAppGlobalOauthSettings", "extlClntAppGlobalOauthSets", "ecaGlblOauth", rank=12),
    Kind("ExtlClntAppOauthConfigurablePolicies", "extlClntAppOauthPolicies", "ecaOauthPlcy", rank=60),
    Kind("ExtlClntAppConfigurablePolicies", "extlClntAppPolicies", "ecaPlcy", rank=60),
    Kind("ApexClass", "classes", "cls", meta_file=True, rank=20),
    Kind("ApexTrigger", "triggers", "trigger", meta_file=True, rank=21),
    Kind("ApexPage", "pages", "page", meta_file=True, rank=22),
    Kind("ApexComponent", "components", "component", meta_file=True, rank=22),
    Kind("LightningComponentBundle", "lwc", bundle=True, rank=25),
    Kind("AuraDefinitionBundle", "aura", bundle=True, rank=25),
    Kind("LightningMessageChannel", "messageChannels", "messageChannel", rank=24),
    Kind("Flow", "flows", "flow", rank=30),
    Kind("FlowDefinition", "flowDefinitions", "flowDefinition", rank=31),
    Kind("Workflow", "workflows", "workflow", rank=31),
    Kind("QuickAction", "quickActions", "quickAction", rank=32),
    Kind("CustomTab", "tabs", "tab", rank=33),
    Kind("Layout", "layouts", "layout", rank=34),
    Kind("FlexiPage", "flexipages", "flexipage", rank=34),
    Kind("CustomApplication", "applications", "app", rank=36),
    Kind("ReportType", "reportTypes", "reportType", rank=36),
    Kind("Report", "reports", "report", in_folder=True, rank=37),
    Kind("Dashboard", "dashboards", "dashboard", in_folder=True, rank=38),
    Kind("EmailTemplate", "email", "email", meta_file=True, in_folder=True, rank=37),
    Kind("PermissionSet", "permissionsets", "permissionset", rank=40),
    Kind("PermissionSetGroup", "permissionsetgroups", "permissionsetgroup", rank=41),
    Kind("MutingPermissionSet", "mutingpermissionsets", "mutingpermissionset", rank=40),
    Kind("Profile", "profiles", "profile", rank=42),
    Kind("PathAssistant", "pathAssistants", "pathAssistant", rank=50),
    Kind("Translations", "translations", "translation", rank=55),
    Kind("CustomObjectTranslation", "objectTranslations", "objectTranslation", rank=55),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
CHILD_KINDS: Mapping[str, str] = {child: kind.name for kind in _ALL for child in kind.children}
_BY_DIRECTORY: Mapping[str, Kind] = {kind.directory: kind for kind in _ALL}


def kind_of_path(path: str) -> Kind | None:
    """The type whose folder the package path begins with."""
    return _BY_DIRECTORY.get(path.split("/", 1)[0])
