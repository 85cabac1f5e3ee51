"""Http, HttpRequest, HttpResponse, and RestContext with its request and response.

Apex Reference Guide: Http Class, HttpRequest, HttpResponse, HttpCalloutMock; RestContext, RestRequest, RestResponse. In
a test only a mock answers; elsewhere the services handed in make the call, through named credentials.
"""

from __future__ import annotations

from typing import Any

from localorg.apex.runtime.services import CalloutRefused, OutgoingRequest
from localorg.apex.types.model import STRING
from localorg.apex.types.platform import Member, platform_type
from localorg.apex.values.collections import ApexList, ApexMap
from localorg.apex.values.exceptions import apex_error, null_pointer
from localorg.apex.values.objects import ApexObject

__all__ = ["HttpResponse", "RestRequest", "RestResponse"]

HTTP = platform_type("Http")
REQUEST = platform_type("HttpRequest")
RESPONSE = platform_type("HttpResponse")
MOCK = platform_type("HttpCalloutMock", interface=True)
MOCK.demands("HttpResponse respond(HttpRequest)")
CONTEXT = platform_type("RestContext")
REST_REQUEST = platform_type("RestRequest")
REST_RESPONSE = platform_type("RestResponse")

_MAX_TIMEOUT = 120_000
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"})


class _Headers:
    """Header fields: found in any case, kept as first written."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def set(self, name: str, value: str) -> None:
        """Put one."""
        known = next((each for each in self.values if each.lower() == name.lower()), name)
        self.values[known] = value

    def get(self, name: str) -> str | None:
        """One's value."""
        return next((value for each, value in self.values.items() if each.lower() == name.lower()), None)


class _Message:
    def __init__(self) -> None:
        self.headers = _Headers()
        self.body = b""


class HttpRequest(_Message):
    """System.HttpRequest."""

    apex_name = "HttpRequest"

    def __init__(self) -> None:
        super().__init__()
        self.method: str | None = None
        self.endpoint: str | None = None
        self.timeout = 10_000

    def __str__(self) -> str:
        return f"System.HttpRequest[Endpoint={self.endpoint}, Method={self.method}]"


class HttpResponse(_Message):
    """System.HttpResponse."""

    apex_name = "HttpResponse"

    def __init__(self) -> None:
        super().__init__()
        self.code = 0
        self.status: str | None = None

    def __str__(self) -> str:
        return f"System.HttpResponse[Status={self.status}, StatusCode={self.code}]"


class Http:
    """System.Http."""

    apex_name = "Http"


HTTP.constructor("()")(Http)
REQUEST.constructor("()")(HttpRequest)
RESPONSE.constructor("()")(HttpResponse)


def _set_body(message: _Message, text: str) -> None:
    if text is None:
        null_pointer()
    message.body = text.encode()


for _owner in (REQUEST, RESPONSE):
    _owner.method("void setHeader(String, String)")(lambda m, name, value: m.headers.set(name, value))
    _owner.method("String getHeader(String)")(lambda m, name: m.headers.get(name))
    _owner.method("void setBody(String)")(_set_body)
    _owner.method("String getBody()")(lambda m: m.body.decode(errors="replace"))
    _owner.method("void setBodyAsBlob(Blob)")(lambda m, data: setattr(m, "body", data))
    _owner.method("Blob getBodyAsBlob()")(lambda m: m.body)
REQUEST.method("String getMethod()")(lambda r: r.method)
REQUEST.method("void setEndpoint(String)")(lambda r, url: setattr(r, "endpoint", url))
REQUEST.method("String getEndpoint()")(lambda r: r.endpoint)
REQUEST.method("void setCompressed(Boolean)")(lambda _r, _on: None)
REQUEST.method("Boolean getCompressed()")(lambda _r: False)
RESPONSE.method("void setStatusCode(Integer)")(lambda r, code: setattr(r, "code", code))
RESPONSE.method("Integer getStatusCode()")(lambda r: r.code)
RESPONSE.method("void setStatus(String)")(lambda r, text: setattr(r, "status", text))
RESPONSE.method("String getStatus()")(lambda r: r.status)
RESPONSE.method("List<String> getHeaderKeys()")(lambda r: ApexList(STRING, r.headers.values))


@REQUEST.method("void setMethod(String)")
def _set_method(request: HttpRequest, method: str) -> None:
    if method is None:
        null_pointer()
    if method.upper() not in _METHODS:
        raise apex_error("CalloutException", f"Invalid HTTP method: {method}")
    request.method = method.upper()


@REQUEST.method("void setTimeout(Integer)")
def _set_timeout(request: HttpRequest, milliseconds: int) -> None:
    if milliseconds is None or not 1 <= milliseconds <= _MAX_TIMEOUT:
        raise apex_error("CalloutException", "The timeout value must be between 1 and 120000")
    request.timeout = milliseconds


@HTTP.method("HttpResponse send(HttpRequest)", runtime=True)
def _send(rt: Any, _http: Http, request: HttpRequest) -> HttpResponse:
    if request is None:
        null_pointer()
    if not request.endpoint:
        raise apex_error("CalloutException", "no protocol: null" if request.endpoint is None else "no protocol: ")
    if rt.transaction_has_writes():
        raise apex_error(
            "CalloutException", "You have uncommitted work pending. Please commit or rollback before calling out"
        )
    rt.limits.count("callouts")
    if rt.test is not None:
        mock: ApexObject | None = rt.test.mocks.get("HttpCalloutMock")
        if mock is None:
            raise apex_error("TypeException", "Methods defined as TestMethod do not support Web service callouts")
        answer = mock.call("respond", request)
        if answer is None:
            raise apex_error("CalloutException", "Script-thrown exception")
        return answer  # type: ignore[no-any-return]  # the interface says HttpResponse
    outgoing = OutgoingRequest(
        request.method or "GET",
        request.endpoint,
        dict(request.headers.values),
        request.body,
        request.timeout,
        rt.user_id,
    )
    try:
        incoming = rt.services.callout(outgoing)
    except CalloutRefused as refused:
        raise apex_error("CalloutException", str(refused)) from None
    response = HttpResponse()
    response.code, response.status, response.body = incoming.status, incoming.reason, incoming.body
    for name, value in incoming.headers.items():
        response.headers.set(name, value)
    return response


# ---- RestContext ----------------------------------------------------------------------------------------------------


class RestRequest:
    """System.RestRequest. Attributes carry the names the Reference gives the properties, lowered."""

    apex_name = "RestRequest"

    def __init__(self) -> None:
        self.requesturi: str | None = None
        self.resourcepath: str | None = None
        self.httpmethod: str | None = None
        self.remoteaddress: str | None = None
        self.requestbody: bytes | None = None
        self.headers = ApexMap(STRING, STRING)
        self.params = ApexMap(STRING, STRING)


class RestResponse:
    """System.RestResponse."""

    apex_name = "RestResponse"

    def __init__(self) -> None:
        self.statuscode: int | None = None
        self.responsebody: bytes | None = None
        self.headers = ApexMap(STRING, STRING)


REST_REQUEST.constructor("()")(RestRequest)
REST_RESPONSE.constructor("()")(RestResponse)
for _name in ("requestURI", "resourcePath", "httpMethod", "remoteAddress"):
    REST_REQUEST.fields[_name.lower()] = Member(REST_REQUEST, _name, "String", _name.lower(), settable=True)
REST_REQUEST.fields["requestbody"] = Member(REST_REQUEST, "requestBody", "Blob", "requestbody", settable=True)
REST_RESPONSE.fields["statuscode"] = Member(REST_RESPONSE, "statusCode", "Integer", "statuscode", settable=True)
REST_RESPONSE.fields["responsebody"] = Member(REST_RESPONSE, "responseBody", "Blob", "responsebody", settable=True)
REST_REQUEST.read_only(headers="Map<String,String>", params="Map<String,String>")
REST_RESPONSE.read_only(headers="Map<String,String>")
REST_REQUEST.method("void addHeader(String, String)")(lambda r, name, value: r.headers.__setitem__(name, value))
REST_REQUEST.method("void addParameter(String, String)")(lambda r, name, value: r.params.__setitem__(name, value))
REST_RESPONSE.method("void addHeader(String, String)")(lambda r, name, value: r.headers.__setitem__(name, value))
CONTEXT.static_property("request", "RestRequest", "rest.request")
CONTEXT.static_property("response", "RestResponse", "rest.response")
