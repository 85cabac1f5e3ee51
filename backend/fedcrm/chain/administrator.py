"""What an org's administrator does to bring FedCRM in: deploy, assign, make users, enter credentials.

Every method may be called again and leaves the same behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape  # writes; nothing is parsed here  # nosec B406

from fedcrm.chain.source_format import package_zip
from fedcrm.errors import UnexpectedReply
from fedcrm.salesforce import Client, deploy
from fedcrm.salesforce.soql import select, text_literal

__all__ = ["Administrator"]

_NODE_PROFILE = "Minimum Access - API Only Integrations"
_PERSON_PROFILE = "Standard User"
_PRINCIPAL = "Scoring"
_PLACEHOLDER = "https://fedcrm-node.example.com"
_OWN = Path(__file__).parent / "metadata"  # what these nine administrators made themselves


class Administrator:
    """One org, as its administrator reaches it. repository: where the package's source lies."""

    def __init__(self, client: Client, repository: Path) -> None:
        self._client, self._repository = client, repository
        self._package = repository / "force-app/main/default"

    @property
    def user_id(self) -> str:
        """The administrator's own."""
        return self._client.session.token.user_id

    def install(self) -> int:
        """Deploy the package and field history; returns how many components there are."""
        package = package_zip(self._package, skip=("connectedApps",))
        history = package_zip(self._repository / "unpackaged/history")
        return deploy(self._client, package).components + deploy(self._client, history).components

    def admit_node(self, certificate: str, consumer_key: str) -> None:
        """Deploy the external client app through which this org's own node logs in."""
        body = "".join(certificate.strip().splitlines()[1:-1])
        key, behind = f"<consumerKey>{escape(consumer_key)}</consumerKey>", "<isConsumerSecretOptional>"
        app = {"FEDCRM_NODE_CERTIFICATE": body, behind: key + behind}
        deploy(self._client, package_zip(self._repository / "unpackaged/post", replace=app))

    def point_at(self, url: str) -> None:
        """Enter the address of this organisation's service into the named credential."""
        credential = ("namedCredentials/FedCRM_Node.namedCredential-meta.xml",)
        deploy(self._client, package_zip(self._package, only=credential, replace={_PLACEHOLDER: escape(url)}))

    def set_outcome(self, field: str, date_field: str) -> None:
        """Churn is what this org's own checkbox and date say; the node may read both."""
        task = {
            "Inactivity": "Field_Date",
            "Inferred": "Definitive",
            ">0.7<": ">1.0<",
            "</CustomMetadata>": _value("Outcome_Field__c", field)
            + _value("Outcome_Date_Field__c", date_field)
            + "</CustomMetadata>",
        }
        record = ("customMetadata/Model_Task__mdt.churn.md-meta.xml",)
        rights = {"<hasActivationRequired>": _readable(field) + _readable(date_field) + "<hasActivationRequired>"}
        deploy(self._client, package_zip(_OWN, replace=rights))
        deploy(self._client, package_zip(self._package, only=record, replace=task))

    def enter_key(self, key: str) -> None:
        """Give the external credential's principal the key that pairing with the service gave."""
        body = {
            "externalCredential": "FedCRM_Node",
            "principalName": _PRINCIPAL,
            "principalType": "NamedPrincipal",
            "credentials": {"Key": {"value": key, "encrypted": True}},
        }
        self._client.session.request(
            "PUT", f"{self._client.base}/named-credentials/credential", json=body, repeatable=True
        )

    def user(self, name: str, *, person: bool) -> tuple[str, str]:
        """A user of this name: id and username. person: somebody who works in the org, not the node."""
        username = f"{name.lower()}@{self._client.org}.fedcrm.example"
        for found in self._client.query(select(["Id"], "User", f"Username = {text_literal(username)}")):
            return str(found["Id"]), username
        profile = self._id_of("Profile", _PERSON_PROFILE if person else _NODE_PROFILE)
        made = {
            "Username": username,
            "LastName": name,
            "Alias": name.lower()[:8],
            "Email": username,
            "IsActive": True,
            "ProfileId": profile,
            "TimeZoneSidKey": "GMT",
            "LocaleSidKey": "en_US",
            "EmailEncodingKey": "UTF-8",
            "LanguageLocaleKey": "en_US",
        }
        return self.create("User", made), username

    def give_password(self, user_id: str, random_bytes: Callable[[int], bytes] = os.urandom) -> str:
        """Set a new password for a user, and return it."""
        password = f"Aa1-{random_bytes(12).hex()}"
        path = f"{self._client.base}/sobjects/User/{user_id}/password"
        self._client.session.request("POST", path, json={"NewPassword": password}, repeatable=True)
        return password

    def assign(self, user_id: str, *permission_sets: str) -> None:
        """Give a user permission sets that it does not hold yet."""
        theirs = f"AssigneeId = {text_literal(user_id)}"
        held = select(["PermissionSet.Name"], "PermissionSetAssignment", theirs)
        names = {str(row["PermissionSet"]["Name"]) for row in self._client.query(held)}
        for name in permission_sets:
            if name not in names:
                row = {"AssigneeId": user_id, "PermissionSetId": self._id_of("PermissionSet", name)}
                self.create("PermissionSetAssignment", row)

    def create(self, sobject: str, fields: dict[str, Any]) -> str:
        """A new record's id."""
        answer = self._client.session.request("POST", f"{self._client.base}/sobjects/{sobject}", json=fields).json()
        return str(answer["id"])

    def _id_of(self, sobject: str, name: str) -> str:
        for found in self._client.query(select(["Id"], sobject, f"Name = {text_literal(name)}")):
            return str(found["Id"])
        raise UnexpectedReply(self._client.org, f"there is no {sobject} {name}")


def _value(field: str, text: str) -> str:
    return f'<values><field>{field}</field><value xsi:type="xsd:string">{escape(text)}</value></values>'


def _readable(field: str) -> str:
    return (
        f"<fieldPermissions><editable>false</editable><field>Account.{field}</field><readable>true</readable>"
        "</fieldPermissions>"
    )
