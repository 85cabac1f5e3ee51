"""An external client app from deployment to login, a scratch org from birth to end, secrets that go in only."""

from __future__ import annotations

import base64
import datetime as dt
import time

import jwt
import pytest

from localorg.tls import key_pair

V = "/services/data/v67.0"
NS = 'xmlns="http://soap.sforce.com/2006/04/metadata"'


def soap(served, operation, inner, alias="org1"):
    token = served.org(alias)["access_token"]
    body = (
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:m="http://soap.sforce.com/2006/04/metadata"><env:Header><m:SessionHeader>'
        f"<m:sessionId>{token}</m:sessionId></m:SessionHeader></env:Header>"
        f"<env:Body><m:{operation}>{inner}</m:{operation}></env:Body></env:Envelope>"
    )
    return served.session.post(f"{served.url}/services/Soap/m/67.0", body, headers={"Content-Type": "text/xml"}).text


def deploy(served, content, alias="org1"):
    begun = soap(served, "deploy", f"<m:ZipFile>{base64.b64encode(content).decode()}</m:ZipFile>", alias)
    job = begun.split("<id>")[1].split("</id>")[0]
    for _ in range(300):
        status = soap(
            served, "checkDeployStatus",
            f"<m:asyncProcessId>{job}</m:asyncProcessId><m:includeDetails>true</m:includeDetails>", alias,
        )  # fmt: skip
        if "<done>true</done>" in status:
            return status
        time.sleep(0.01)
    raise AssertionError(status)


def app_package(certificate, package_of):
    app = "<externalClientApplication>Node</externalClientApplication>"
    armour = certificate.replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
    return package_of({
        "externalClientApps/Node.eca": f"<ExternalClientApplication {NS}><contactEmail>a@b.example</contactEmail>"
        "<distributionState>Local</distributionState><label>Node</label></ExternalClientApplication>",
        "extlClntAppOauthSettings/Node_o.ecaOauth": f"<ExtlClntAppOauthSettings {NS}>"
        f"<commaSeparatedOauthScopes>Api</commaSeparatedOauthScopes>{app}<label>o</label></ExtlClntAppOauthSettings>",
        "extlClntAppGlobalOauthSets/Node_g.ecaGlblOauth": f"<ExtlClntAppGlobalOauthSettings {NS}>"
        f"<callbackUrl>https://localhost/cb</callbackUrl><certificate>{armour.strip()}</certificate>{app}"
        "<label>g</label></ExtlClntAppGlobalOauthSettings>",
        "extlClntAppOauthPolicies/Node_p.ecaOauthPlcy": f"<ExtlClntAppOauthConfigurablePolicies {NS}>"
        f"<commaSeparatedPermissionSet>Node_Users</commaSeparatedPermissionSet>{app}<label>p</label>"
        "<permittedUsersPolicyType>AdminApprovedPreAuthorized</permittedUsersPolicyType>"
        "</ExtlClntAppOauthConfigurablePolicies>",
        "permissionsets/Node_Users.permissionset": f"<PermissionSet {NS}><label>Node</label><objectPermissions>"
        "<allowCreate>false</allowCreate><allowDelete>false</allowDelete><allowEdit>false</allowEdit>"
        "<allowRead>true</allowRead><modifyAllRecords>false</modifyAllRecords><object>Account</object>"
        "<viewAllRecords>true</viewAllRecords></objectPermissions></PermissionSet>",
    })  # fmt: skip


def test_an_app_lets_the_holders_of_its_permission_set_in(served, tmp_path, package_of):
    pair = key_pair(tmp_path / "node.key", "node")
    status = deploy(served, app_package(pair.certificate, package_of))
    assert "<status>Succeeded</status>" in status, status
    (org,) = [org for org in served.call("GET", "/_local/orgs").json()["orgs"] if org["alias"] == "org1"]
    key = org["apps"]["Node_g"]

    def login(username):
        claims = {
            "iss": key,
            "sub": username,
            "aud": served.url,
            "exp": dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2),
        }
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims, pair.key_file.read_text(), algorithm="RS256"),
        }
        return served.session.post(f"{served.url}/services/oauth2/token", data=form, timeout=30)

    query = {"q": "SELECT Id FROM Profile WHERE Name = 'Minimum Access - API Only Integrations'"}
    profile = served.call("GET", f"{V}/query", params=query).json()["records"][0]["Id"]
    made = served.call("POST", f"{V}/sobjects/User", json={
        "Username": "node@org1.example", "LastName": "Node", "Email": "n@org1.example", "Alias": "node",
        "ProfileId": profile, "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8",
        "LanguageLocaleKey": "en_US", "IsActive": True,
    })  # fmt: skip
    assert made.status_code == 201, made.text
    assert login("node@org1.example").json()["error_description"] == "user hasn't approved this consumer"
    query = {"q": "SELECT Id FROM PermissionSet WHERE Name = 'Node_Users'"}
    granted = served.call("GET", f"{V}/query", params=query).json()["records"][0]["Id"]
    assignment = {"AssigneeId": made.json()["id"], "PermissionSetId": granted}
    assert served.call("POST", f"{V}/sobjects/PermissionSetAssignment", json=assignment).status_code == 201
    token = login("node@org1.example").json()["access_token"]
    served.call("POST", f"{V}/sobjects/Account", json={"Name": "Seen"})
    seen = served.call("GET", f"{V}/query", token=token, params={"q": "SELECT Name FROM Account"}).json()
    assert seen["records"][0]["Name"] == "Seen"
    assert served.call("POST", f"{V}/sobjects/Account", token=token, json={"Name": "Mine"}).status_code == 403
    refused = served.call("GET", f"{V}/query", token=token, params={"q": "SELECT Phone FROM Account"})
    assert refused.json()[0]["errorCode"] == "INVALID_FIELD"
    served.call("PATCH", f"{V}/sobjects/User/{made.json()['id']}", json={"IsActive": False})
    assert login("node@org1.example").json()["error_description"] == "inactive user"
    assert served.call("GET", f"{V}/limits", token=token).status_code == 401


def test_a_certificate_that_is_none_fails_its_deployment(served, package_of):
    status = deploy(served, app_package("NOT_A_CERTIFICATE", package_of))
    assert "<status>Failed</status>" in status
    assert "The certificate is not a valid X.509 certificate" in status
    assert "<componentType>ExtlClntAppGlobalOauthSettings</componentType>" in status


def scratch(served, **facts):
    made = served.call("POST", f"{V}/sobjects/ScratchOrgInfo", json={"Edition": "Developer", **facts})
    assert made.status_code == 201, made.text
    for _ in range(500):
        info = served.call("GET", f"{V}/sobjects/ScratchOrgInfo/{made.json()['id']}").json()
        if info["Status"] != "Creating":
            return info
        time.sleep(0.01)
    raise AssertionError(info)


def test_a_scratch_org_is_an_org_of_its_own_until_it_is_deleted(served):
    info = scratch(served, Namespace="fedcrm", DurationDays=1, SomethingNew__c=None)
    assert info["Status"] == "Active"
    hub = served.org()
    claims = {"sub": info["SignupUsername"]}
    token = served.login(**claims).json()["access_token"]
    assert token.startswith(info["ScratchOrg"])
    organization = served.call(
        "GET", f"{V}/query", token=token, params={"q": "SELECT NamespacePrefix FROM Organization"}
    )
    assert organization.json()["records"][0]["NamespacePrefix"] == "fedcrm"
    code = {"grant_type": "authorization_code", "code": info["AuthCode"], "client_id": "PlatformCLI"}
    once = served.session.post(f"{served.url}/services/oauth2/token", data=code).json()
    renewed = {"grant_type": "refresh_token", "refresh_token": once["refresh_token"], "client_id": "PlatformCLI"}
    assert served.session.post(f"{served.url}/services/oauth2/token", data=renewed).status_code == 200
    again = served.session.post(f"{served.url}/services/oauth2/token", data=code)
    assert again.json()["error_description"] == "expired authorization code"
    query = {"q": "SELECT Id FROM ActiveScratchOrg"}
    active = served.call("GET", f"{V}/query", params=query).json()["records"][0]["Id"]
    assert served.call("DELETE", f"{V}/sobjects/ActiveScratchOrg/{active}", alias="org2").status_code == 404
    assert served.call("DELETE", f"{V}/sobjects/ActiveScratchOrg/{active}").status_code == 204
    assert served.call("GET", f"{V}/limits", token=token).status_code == 401
    assert served.call("GET", f"{V}/limits", token=hub["access_token"]).status_code == 200


def test_a_scratch_orgs_days_are_counted(served):
    info = scratch(served, DurationDays=1)
    token = served.login(sub=info["SignupUsername"]).json()["access_token"]
    try:
        served.call("POST", "/_local/clock", json={"advance_s": 3600})
        assert served.call("GET", f"{V}/limits", token=token).status_code == 200
        served.call("POST", "/_local/clock", json={"advance_s": 86400})
        late = served.login(sub=info["SignupUsername"], exp=time.time() + 2 * 86400).json()
        assert served.call("GET", f"{V}/limits", token=late.get("access_token", "x")).status_code == 401
    finally:
        served.call("DELETE", "/_local/clock")
    refused = served.call("POST", f"{V}/sobjects/ScratchOrgInfo", json={"DurationDays": 31})
    assert refused.json()[0]["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"


def test_secrets_go_in_and_never_come_out(served, package_of):
    external = (
        f"<ExternalCredential {NS}><authenticationProtocol>Custom</authenticationProtocol>"
        "<externalCredentialParameters><parameterName>Scoring</parameterName>"
        "<parameterType>NamedPrincipal</parameterType></externalCredentialParameters><label>N</label></ExternalCredential>"
    )
    assert "Succeeded" in deploy(served, package_of({"externalCredentials/Node.externalCredential": external}))
    path = f"{V}/named-credentials/credential"
    named = {"externalCredential": "Node", "principalName": "Scoring", "principalType": "NamedPrincipal"}
    body = {
        **named,
        "authenticationProtocol": "Custom",
        "credentials": {"ApiKey": {"encrypted": True, "value": "s3cret"}},
    }
    assert served.call("GET", path, params=named).json()["authenticationStatus"] == "Unconfigured"
    made = served.call("POST", path, json=body)
    assert made.status_code == 201
    assert served.call("POST", path, json=body).status_code == 400
    assert served.call("PUT", path, json=body).status_code == 200
    read = served.call("GET", path, params=named)
    assert read.json()["credentials"] == {"ApiKey": {"encrypted": True, "revision": 1, "value": None}}
    assert "s3cret" not in made.text + read.text
    assert served.call("GET", path, params={**named, "principalName": "Other"}).status_code == 400
    assert served.call("DELETE", path, params=named).status_code == 204
    assert served.call("GET", path, params=named).json()["authenticationStatus"] == "Unconfigured"


@pytest.mark.parametrize("operation", ["describeMetadata", "listMetadata"])
def test_what_there_is_can_be_listed(served, operation):
    inner = "" if operation == "describeMetadata" else "<m:queries><m:type>Profile</m:type></m:queries>"
    answer = soap(served, operation, inner)
    assert ("<xmlName>ApexClass</xmlName>" if not inner else "<fullName>Admin</fullName>") in answer
    assert "INVALID_TYPE" in soap(served, "listMetadata", "<m:queries><m:type>WarpDrive</m:type></m:queries>")
