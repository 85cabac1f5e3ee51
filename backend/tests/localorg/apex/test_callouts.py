"""Callouts that leave the process: through named credentials, as a granted principal, or to a remote site."""

import http.server
import threading

import pytest

from localorg.apex.callouts import CalloutService
from localorg.apex.runtime.services import CalloutRefused, OutgoingRequest


class Node(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = f"{self.path} {self.headers.get('X-Key')} {body.decode()}".encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def node():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def credential(org, node):
    """A named credential over an external one with a principal, as a deployment keeps them; the admin is granted it."""
    parameters = [
        {"type": "NamedPrincipal", "name": "Scoring", "value": None, "group": "Scoring", "sequence": 1},
        {"type": "AuthHeader", "name": "X-Key", "value": "{!$Credential.Node.Key}", "group": None, "sequence": 1},
    ]
    named = [{"type": "Authentication", "name": "x", "value": None, "external_credential": "Node"}]
    with org.transaction(org.admin_context().as_platform()) as transaction:
        transaction.put_setting("externalcredential:Node", {"protocol": "Custom", "parameters": parameters})
        transaction.put_setting("namedcredential:Node", {"url": node, "parameters": named, "status": "Enabled"})
        transaction.put_setting("principal:Node:Scoring", {"id": "0pp000000000001AAA"})
        [row] = transaction.query(
            "SELECT Id FROM PermissionSet WHERE IsOwnedByProfile = true AND Profile.Name = 'System Administrator'"
        )
        entity = {"ParentId": row["Id"], "SetupEntityId": "0pp000000000001AAA"}
        assert transaction.insert("SetupEntityAccess", [entity])[0].success


def secret(org, value):
    with org.transaction(org.admin_context().as_platform()) as transaction:
        transaction.put_setting("secret:Node:Scoring", None if value is None else {"Key": value})


def ask(org, url):
    request = OutgoingRequest("POST", url, {}, b"{}", 2000, org.admin_id)
    return CalloutService(org)(request)


def test_a_named_credential_gives_address_and_header(org, credential):
    secret(org, "s3cret")
    answer = ask(org, "callout:Node/v1/predictions?a=b")
    assert (answer.status, answer.body) == (201, b"/v1/predictions?a=b s3cret {}")


def test_without_a_secret_nothing_is_sent(org, credential):
    with pytest.raises(CalloutRefused, match="couldn't access the credential"):
        ask(org, "callout:Node/v1/predictions")


def test_a_principal_that_was_not_granted_is_refused(org, credential):
    secret(org, "s3cret")
    with org.transaction(org.admin_context().as_platform()) as transaction:
        rows = transaction.query("SELECT Id FROM SetupEntityAccess WHERE SetupEntityId = '0pp000000000001AAA'")
        transaction.delete([row["Id"] for row in rows], all_or_none=True)
    with pytest.raises(CalloutRefused, match="couldn't access the credential"):
        ask(org, "callout:Node/v1/predictions")


def test_an_unknown_credential_is_named(org):
    with pytest.raises(CalloutRefused, match='named credential "Nothing" might not exist'):
        ask(org, "callout:Nothing/x")


def test_a_plain_address_needs_a_remote_site(org, node):
    with pytest.raises(CalloutRefused, match="Unauthorized endpoint"):
        ask(org, f"{node}/plain")
    with org.transaction(org.admin_context().as_platform()) as transaction:
        transaction.put_setting("remotesite:Node", {"url": node})
    assert ask(org, f"{node}/plain").status == 201


def test_an_endpoint_that_is_away_is_a_refusal(org, credential):
    secret(org, "s3cret")
    with org.transaction(org.admin_context().as_platform()) as transaction:
        held = transaction.setting("namedcredential:Node")
        transaction.put_setting("namedcredential:Node", {**held, "url": "http://127.0.0.1:1"})
    with pytest.raises(CalloutRefused, match="ConnectionRefusedError"):
        ask(org, "callout:Node/x")
