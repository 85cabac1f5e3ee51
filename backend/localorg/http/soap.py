"""SOAP 1.1 on its way in: the operation, its arguments, and the session in the header."""

from __future__ import annotations

from localorg.errors import OrgError
from localorg.http.calls import Call
from localorg.http.sessions import Session
from localorg.metadata.xmltree import Node, XmlProblem, parse

__all__ = ["envelope", "session_of"]


def envelope(call: Call) -> tuple[Node, str]:
    """The operation's element and the session id in the header ("" where there is none). Raises OrgError."""
    try:
        root = parse(call.body.bytes())
    except XmlProblem as broken:
        raise OrgError("SOAP_PARSE_ERROR", broken.message, status=500) from broken
    body, header = root.first("Body"), root.first("Header")
    if root.tag != "Envelope" or body is None or not body.children:
        raise OrgError("SOAP_PARSE_ERROR", "No SOAP body", status=500)
    session = None if header is None else header.first("SessionHeader")
    return body.children[0], "" if session is None else session.value("sessionId").strip()


def session_of(call: Call, token: str) -> Session:
    """The session of the header; also makes it the call's. Raises OrgError INVALID_SESSION_ID."""
    session = call.server.session(token)
    if session is None or not call.server.host_fits(call, session.org):
        raise OrgError("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: Illegal Session", status=500)
    wanted = call.params.get("org", "")
    # simple-salesforce puts the operation's name where the org's id would be.
    if wanted.startswith("00D") and wanted[:15] != session.org.org_id[:15]:
        raise OrgError("INVALID_SESSION_ID", "Invalid Session ID found in SessionHeader: wrong org", status=500)
    call.session = session
    call.server.admit_to(call)
    return session
