"""Credentials and apps: where callouts go and how they authenticate, and who may log in how.

Secrets never come in a package; they are set by the Connect API afterwards (`http.credentials`).
"""

from __future__ import annotations

import textwrap
from urllib.parse import urlsplit

from cryptography import x509

from localorg.metadata.change import Change, Refused
from localorg.metadata.elements import check_root
from localorg.metadata.package import SourceFile
from localorg.metadata.xmltree import Node

__all__ = [
    "deploy_connected_app",
    "deploy_eca",
    "deploy_eca_global",
    "deploy_eca_part",
    "deploy_external_credential",
    "deploy_named_credential",
    "deploy_remote_site",
]

_PROTOCOLS = frozenset({"Custom", "Oauth", "AwsSv4", "Basic", "NoAuthentication", "Jwt", "JwtExchange"})
_PARAMETERS = frozenset(
    [
        "AuthHeader",
        "AuthParameter",
        "AuthProtocolVariant",
        "AuthProvider",
        "AuthProviderUrl",
        "AuthProviderUrlQueryParameter",
        "AwsStsPrincipal",
        "JwtBodyClaim",
        "JwtHeaderClaim",
        "NamedPrincipal",
        "PerUserPrincipal",
        "SigningCertificate",
        "ExternalAuthIdentityProvider",
    ]
)
_CREDENTIAL_PARAMETERS = frozenset(
    [
        "AllowedManagedPackageNamespaces",
        "Authentication",
        "ClientCertificate",
        "HttpHeader",
        "OutboundNetworkConnection",
        "Url",
    ]
)


def deploy_external_credential(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """An external credential with its principals; each principal gets an id that permission sets can grant."""
    check_root(root, "ExternalCredential")
    label = root.required("label")
    protocol = root.required("authenticationProtocol")
    if protocol not in _PROTOCOLS:
        raise Refused(
            f"'{protocol}' is not a valid value for the enum 'AuthenticationProtocol'",
            root.first("authenticationProtocol"),
        )
    name = change.developer_name(source.full_name)
    row_id, is_new = change.put_row(
        "ExternalCredential",
        {"DeveloperName": source.full_name, "NamespacePrefix": change.namespace or None},
        {"MasterLabel": label, "Language": "en_US", "AuthenticationProtocol": protocol},
    )
    parameters = []
    for node in root.all("externalCredentialParameters"):
        kind, given = node.required("parameterType"), node.required("parameterName")
        if kind not in _PARAMETERS:
            raise Refused(f"'{kind}' is not a valid value for the enum 'ExternalCredentialParamType'", node)
        parameters.append(
            {
                "type": kind,
                "name": given,
                "value": node.value("parameterValue") or None,
                "group": node.value("parameterGroup") or None,
                "sequence": node.number("sequenceNumber"),
            }
        )
        if kind in ("NamedPrincipal", "PerUserPrincipal"):
            key = f"principal:{name}:{given}"
            held = change.setting(key)
            principal_id = held["id"] if held else change.new_id("0pp")
            change.put_setting(key, {"id": principal_id, "type": kind, "credential": name})
    change.put_setting(f"externalcredential:{name}", {"protocol": protocol, "parameters": parameters, "id": row_id})
    return row_id, is_new


def deploy_named_credential(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """A named credential: an https address and, for SecuredEndpoint, the external credential behind it."""
    check_root(root, "NamedCredential")
    label = root.required("label")
    kind = root.value("namedCredentialType") or "Legacy"
    parameters = [
        {
            "type": node.required("parameterType"),
            "name": node.value("parameterName"),
            "value": node.value("parameterValue") or None,
            "external_credential": node.value("externalCredential") or None,
        }
        for node in root.all("namedCredentialParameters")
    ]
    for node in root.all("namedCredentialParameters"):
        if node.value("parameterType") not in _CREDENTIAL_PARAMETERS:
            given = node.value("parameterType")
            raise Refused(f"'{given}' is not a valid value for the enum 'NamedCredentialParamType'", node)
    url = root.value("endpoint") or next((str(p["value"]) for p in parameters if p["type"] == "Url"), "")
    if kind != "PrivateEndpoint" and urlsplit(url).scheme not in ("https", "http"):
        raise Refused("A named credential needs a Url parameter with an http or https address", root)
    for parameter in parameters:
        wanted = parameter["external_credential"]
        if parameter["type"] == "Authentication" and wanted:
            name = change.developer_name(str(wanted))
            if change.setting(f"externalcredential:{name}") is None:
                raise Refused(f"In field: externalCredential - no ExternalCredential named {wanted} found", root)
            parameter["external_credential"] = name
    row_id, is_new = change.put_row(
        "NamedCredential",
        {"DeveloperName": source.full_name, "NamespacePrefix": change.namespace or None},
        {
            "MasterLabel": label,
            "Language": "en_US",
            "Endpoint": url,
            "CalloutOptionsGenerateAuthorizationHeader": root.flag("generateAuthorizationHeader", default=True),
        },
    )
    change.put_setting(
        f"namedcredential:{change.developer_name(source.full_name)}",
        {
            "type": kind,
            "url": url,
            "parameters": parameters,
            "generate_header": root.flag("generateAuthorizationHeader", default=True),
            "merge_fields_in_header": root.flag("allowMergeFieldsInHeader"),
            "merge_fields_in_body": root.flag("allowMergeFieldsInBody"),
            "status": root.value("calloutStatus") or "Enabled",
            "id": row_id,
        },
    )
    return row_id, is_new


def deploy_remote_site(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """An address Apex may call without a credential."""
    check_root(root, "RemoteSiteSetting")
    url = root.required("url")
    if urlsplit(url).scheme not in ("https", "http"):
        raise Refused(f"Invalid URL: {url}", root.first("url"))
    name = change.developer_name(source.full_name)
    change.put_setting(f"remotesite:{name}", {"url": url, "active": root.flag("isActive", default=True)})
    return "", change.stored("RemoteSiteSetting", name) is None


def deploy_connected_app(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """Refused since Spring '26, package installation excepted (Salesforce Help 005228017)."""
    check_root(root, "ConnectedApp")
    if not change.installing and change.stored("ConnectedApp", source.full_name) is None:
        raise Refused(
            "You can't create a connected app. To enable connected app creation, contact Salesforce Customer Support.",
            root,
        )
    root.required("label")
    root.required("contactEmail")
    return "", change.stored("ConnectedApp", source.full_name) is None


def deploy_eca(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """An external client app."""
    check_root(root, "ExternalClientApplication")
    for needed in ("label", "contactEmail", "distributionState"):
        root.required(needed)
    if root.value("distributionState") not in ("Local", "Packaged"):
        raise Refused(
            f"'{root.value('distributionState')}' is not a valid value for the enum 'DistributionState'",
            root.first("distributionState"),
        )
    return "", change.stored("ExternalClientApplication", change.developer_name(source.full_name)) is None


def deploy_eca_part(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """OAuth settings and policies of an app that must be there."""
    check_root(root, source.kind.name)
    _belongs(change, root)
    return "", change.stored(source.kind.name, change.developer_name(source.full_name)) is None


def deploy_eca_global(change: Change, source: SourceFile, root: Node) -> tuple[str, bool]:
    """An app's consumer: callback, certificate, key. Never part of a package."""
    check_root(root, "ExtlClntAppGlobalOauthSettings")
    if change.installing:
        raise Refused("ExtlClntAppGlobalOauthSettings cannot be packaged", root)
    app = _belongs(change, root)
    root.required("callbackUrl")
    name = change.developer_name(source.full_name)
    change.put_setting(
        f"ecaglobal:{name}",
        {
            "app": app,
            "label": root.value("label"),
            "certificate": _certificate(root),
            "consumer_key": root.value("consumerKey"),
            "client_credentials": root.flag("isClientCredentialsFlowEnabled"),
        },
    )
    return "", change.stored(source.kind.name, name) is None


def _certificate(root: Node) -> str:
    """The certificate as PEM; metadata may leave its armour out."""
    node = root.first("certificate")
    text = "" if node is None else node.text.strip()
    if not text:
        return ""
    if not text.startswith("-----"):
        body = "\n".join(textwrap.wrap("".join(text.split()), 64))
        text = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
    try:
        x509.load_pem_x509_certificate(text.encode())
    except ValueError as wrong:
        raise Refused("The certificate is not a valid X.509 certificate", node) from wrong
    return text


def _belongs(change: Change, root: Node) -> str:
    app = root.required("externalClientApplication")
    if change.stored("ExternalClientApplication", change.developer_name(app)) is None:
        raise Refused(
            f"In field: externalClientApplication - no ExternalClientApplication named {app} found",
            root.first("externalClientApplication"),
        )
    return app
