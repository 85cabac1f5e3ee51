"""The partner API's login, and the Apex API's executeAnonymous: all that today's tools still send by SOAP.

Every other operation of these two is refused by name.
"""

from __future__ import annotations

from starlette.responses import Response

from localorg.errors import OrgError
from localorg.http.answers import soap_answer, soap_refusal, xml_of
from localorg.http.apex import run_anonymous
from localorg.http.calls import Call, Route
from localorg.http.sessions import Grant
from localorg.http.soap import envelope, session_of
from localorg.http.users import UserFacts, user_by_id
from localorg.metadata.xmltree import Node
from localorg.org import Org

__all__ = ["ROUTES"]

_PARTNER = "urn:partner.soap.sforce.com"
_APEX = "http://soap.sforce.com/2006/08/apex"
_PARTNER_FAULT = "urn:fault.partner.soap.sforce.com"


def _refuse_partner(error: OrgError) -> Response:
    detail = xml_of(error.code, "sf:exceptionCode") + xml_of(error.message, "sf:exceptionMessage")
    name = "LoginFault" if error.code == "INVALID_LOGIN" else "UnexpectedErrorFault"
    return soap_refusal(error, _PARTNER_FAULT, [f"<sf:{name}>{detail}</sf:{name}>"])


def _refuse_apex(error: OrgError) -> Response:
    return soap_refusal(error, _APEX)


def _partner(call: Call) -> Response:
    operation, token = envelope(call)
    if operation.tag == "login":
        return _login(call, operation)
    session = session_of(call, token)
    if operation.tag == "logout":
        call.server.sessions.end(token)
        return soap_answer("<logoutResponse/>", _PARTNER)
    if operation.tag == "getUserInfo":
        user = user_by_id(session.org, session.context.user_id)
        if user is None:
            raise OrgError("INVALID_SESSION_ID", "the user is gone", status=500)
        inner = xml_of(_user_info(session.org, user), "result")
        return soap_answer(f"<getUserInfoResponse>{inner}</getUserInfoResponse>", _PARTNER)
    raise OrgError("UNKNOWN_EXCEPTION", f"{operation.tag} is not served by a local org over SOAP; use REST", status=500)


def _login(call: Call, operation: Node) -> Response:
    username, password = operation.value("username").strip(), operation.value("password").strip()
    for org in call.server.registry.orgs():
        user = call.server.with_password(org, username, password) if call.server.host_fits(call, org) else None
        if user is None:
            continue
        token = call.server.sessions.issue(Grant(org.org_id, user.user_id, "", "full"))
        service = f"{call.base_url}/services/Soap/u/{call.version}/{org.org_id[:15]}"
        result = {
            "metadataServerUrl": f"{call.base_url}/services/Soap/m/{call.version}/{org.org_id[:15]}",
            "passwordExpired": False,
            "sandbox": False,
            "serverUrl": service,
            "sessionId": token,
            "userId": user.user_id,
            "userInfo": _user_info(org, user),
        }
        return soap_answer(f"<loginResponse>{xml_of(result, 'result')}</loginResponse>", _PARTNER)
    raise OrgError("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.", status=500)


def _user_info(org: Org, user: UserFacts) -> dict[str, object]:
    return {
        "organizationId": org.org_id,
        "organizationName": f"Local org {org.alias}",
        "profileId": user.profile_id,
        "sessionSecondsValid": 7200,
        "userEmail": user.email,
        "userFullName": user.name,
        "userId": user.user_id,
        "userLanguage": user.language,
        "userLocale": user.locale,
        "userName": user.username,
        "userTimeZone": user.time_zone,
        "userType": "Standard",
    }


def _apex(call: Call) -> Response:
    operation, token = envelope(call)
    session = session_of(call, token)
    if operation.tag != "executeAnonymous":
        raise OrgError("UNKNOWN_EXCEPTION", f"{operation.tag} is not served by a local org", status=500)
    outcome = run_anonymous(call.server, session.org, session.context, operation.value("String"))
    inner = xml_of({name: "" if value is None else value for name, value in outcome.items()}, "result")
    return soap_answer(f"<executeAnonymousResponse>{inner}</executeAnonymousResponse>", _APEX)


ROUTES = (
    Route("POST", "/services/Soap/u/{version}", _partner, open=True, refuse=_refuse_partner),
    Route("POST", "/services/Soap/u/{version}/{org}", _partner, open=True, refuse=_refuse_partner),
    Route("POST", "/services/Soap/c/{version}", _partner, open=True, refuse=_refuse_partner),
    Route("POST", "/services/Soap/s/{version}", _apex, open=True, refuse=_refuse_apex),
    Route("POST", "/services/Soap/s/{version}/{org}", _apex, open=True, refuse=_refuse_apex),
)
