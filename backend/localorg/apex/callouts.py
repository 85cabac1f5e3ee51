"""Real callouts: named credentials resolved, principals checked, secrets put into headers, remote sites honoured.

Help: "Named Credentials", "External Credentials". A deployment keeps each as a setting: `namedcredential:`,
`externalcredential:`, `principal:` and `secret:` with their names, `remotesite:` for plain addresses.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from localorg.apex.runtime.services import CalloutRefused, OutgoingRequest, OutgoingResponse
from localorg.org import Org, Transaction

__all__ = ["CalloutService"]

_SECRET = re.compile(r"\{!\$Credential\.(\w+)\.(\w+)\}")
_PORTS = {"http": 80, "https": 443}


class CalloutService:
    """Makes the callouts of one org's Apex.

    trust: certificates an https endpoint may show; the machine's own where not given.
    """

    def __init__(self, org: Org, trust: ssl.SSLContext | None = None) -> None:
        self.org = org
        self.trust = trust or ssl.create_default_context()

    def __call__(self, request: OutgoingRequest) -> OutgoingResponse:
        """Send it. Raises CalloutRefused in the platform's words."""
        with self.org.snapshot(self.org.admin_context().as_platform()) as transaction:
            url, headers = self._resolved(transaction, request)
        return self._send(request, url, headers)

    # ---- where to, and as whom ----------------------------------------------------------------------------------

    def _resolved(self, transaction: Transaction, request: OutgoingRequest) -> tuple[str, dict[str, str]]:
        if not request.url.startswith("callout:"):
            self._check_site(transaction, request.url)
            return request.url, {}
        name, rest = re.fullmatch(r"callout:(\w+)(.*)", request.url, re.DOTALL).groups()  # type: ignore[union-attr]  # fits any text that begins so, but for an empty name
        credential = self._setting(transaction, "namedcredential", name)
        if credential is None or credential["status"] != "Enabled":
            raise CalloutRefused(
                "The callout couldn't access the endpoint. You might not have the required permissions, "
                f'or the named credential "{name}" might not exist.'
            )
        headers = self._authentication(transaction, credential, request.user_id)
        return str(credential["url"]).rstrip("/") + rest, headers

    def _setting(self, transaction: Transaction, kind: str, name: str) -> dict[str, Any] | None:
        """A credential by its name, or by that with the prefix of a package of this org."""
        found: dict[str, Any] | None = transaction.setting(f"{kind}:{name}")
        if found is None:
            for key, value in transaction.settings_under(f"{kind}:").items():
                if key.partition(":")[2].partition("__")[2] == name:
                    return value  # type: ignore[no-any-return]  # settings are documents
        return found

    def _check_site(self, transaction: Transaction, url: str) -> None:
        sites = transaction.settings_under("remotesite:").values()
        allowed = [str(site["url"]) for site in sites if site.get("active", True)]
        wanted = urlsplit(url)
        for each in map(urlsplit, allowed):
            if (each.scheme, each.netloc.lower()) == (wanted.scheme, wanted.netloc.lower()):
                return
        raise CalloutRefused(
            f"Unauthorized endpoint, please check Setup->Security->Remote site settings. endpoint = {url}"
        )

    def _authentication(self, transaction: Transaction, credential: Mapping[str, Any], user_id: str) -> dict[str, str]:
        """Headers of the external credential, as the first principal the user was granted."""
        headers = {p["name"]: p["value"] or "" for p in credential["parameters"] if p["type"] == "HttpHeader"}
        for parameter in credential["parameters"]:
            if parameter["type"] == "Authentication" and parameter["external_credential"]:
                headers |= self._external(transaction, parameter["external_credential"], user_id)
        return headers

    def _external(self, transaction: Transaction, name: str, user_id: str) -> dict[str, str]:
        external = transaction.setting(f"externalcredential:{name}") or {"protocol": "", "parameters": []}
        if external["protocol"] == "NoAuthentication":
            return {}
        if external["protocol"] != "Custom":
            raise CalloutRefused(f"Not supported by the local org: authentication protocol {external['protocol']}")
        principal = self._principal(transaction, name, external["parameters"], user_id)
        secrets = transaction.setting(f"secret:{name}:{principal['name']}") or {}
        groups = (None, "DefaultGroup", principal["group"])
        return {
            each["name"]: _filled(each["value"] or "", secrets, name)
            for each in external["parameters"]
            if each["type"] == "AuthHeader" and each["group"] in groups
        }

    def _principal(
        self, transaction: Transaction, name: str, parameters: list[dict[str, Any]], user_id: str
    ) -> dict[str, Any]:
        rights = self.org.rights(user_id)
        keeper = transaction.schema.get("UserExternalCredential")
        if keeper is None or rights.on(keeper).read:
            for each in sorted(parameters, key=lambda parameter: parameter["sequence"] or 0):
                if each["type"] == "NamedPrincipal":
                    held = transaction.setting(f"principal:{name}:{each['name']}")
                    if held is not None and held["id"] in rights.entities:
                        return each
        raise _no_credential(name)

    # ---- over the wire ------------------------------------------------------------------------------------------

    def _send(self, request: OutgoingRequest, url: str, headers: Mapping[str, str]) -> OutgoingResponse:
        target = urlsplit(url)
        if target.scheme not in _PORTS or not target.hostname:
            raise CalloutRefused(f"no protocol: {url}")
        port, seconds = target.port or _PORTS[target.scheme], request.timeout / 1000
        connection: http.client.HTTPConnection
        if target.scheme == "https":
            connection = http.client.HTTPSConnection(target.hostname, port, timeout=seconds, context=self.trust)
        else:
            connection = http.client.HTTPConnection(target.hostname, port, timeout=seconds)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        try:
            connection.request(request.method, path, body=request.body or None, headers={**headers, **request.headers})
            answer = connection.getresponse()
            body = answer.read()
        except TimeoutError:
            raise CalloutRefused("Read timed out") from None
        except socket.gaierror:
            raise CalloutRefused(f"Unknown host: {target.hostname}") from None
        except (OSError, http.client.HTTPException) as error:
            raise CalloutRefused(f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()
        return OutgoingResponse(answer.status, answer.reason, dict(answer.getheaders()), body)


def _no_credential(name: str) -> CalloutRefused:
    return CalloutRefused(
        "We couldn't access the credential(s). You might not have the required permissions, "
        f'or the external credential "{name}" might not exist.'
    )


def _filled(text: str, secrets: Mapping[str, str], name: str) -> str:
    """`{!$Credential.Name.Key}` replaced; a secret that nobody has set is no empty header."""

    def secret(found: re.Match[str]) -> str:
        value = secrets.get(found[2])
        if value is None:
            raise _no_credential(name)
        return value

    return _SECRET.sub(secret, text)
