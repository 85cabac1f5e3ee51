"""What answers look like: JSON and XML bodies, and the platform's refusals in each family's form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from html import escape as html_escape
from typing import Any

from starlette.responses import Response

from localorg.errors import OrgError

__all__ = ["exactly", "json_answer", "nothing", "rest_refusal", "soap_answer", "soap_refusal", "xml_answer", "xml_of"]

escape = partial(html_escape, quote=False)

XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


class JSONAnswer(Response):
    """Compact JSON with the charset the platform states."""

    media_type = "application/json;charset=UTF-8"

    def render(self, content: Any) -> bytes:
        """The document's bytes; NaN has no place in JSON and raises ValueError."""
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def json_answer(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON document."""
    return JSONAnswer(document, status, dict(headers or {}))


def nothing(status: int = 204) -> Response:
    """No body at all."""
    return Response(status_code=status)


def exactly(content: bytes | str, content_type: str, status: int = 200) -> Response:
    """A body whose Content-Type is `content_type` to the letter: salesforce-bulk compares it with ==."""
    body = content.encode() if isinstance(content, str) else content
    return Response(body, status, {"Content-Type": content_type})


def rest_refusal(error: OrgError) -> Response:
    """REST's form: an array, also for one error."""
    document: dict[str, Any] = {"message": error.message, "errorCode": error.code}
    if error.fields:
        document["fields"] = list(error.fields)
    return json_answer([document], error.status)


def xml_of(value: Any, tag: str) -> str:
    """`value` as an element: mappings nest, lists repeat the tag, None leaves it out, booleans are words."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return f"<{tag}>{''.join(xml_of(v, k) for k, v in value.items())}</{tag}>"
    if isinstance(value, list | tuple):
        return "".join(xml_of(item, tag) for item in value)
    if isinstance(value, bool):
        return f"<{tag}>{'true' if value else 'false'}</{tag}>"
    return f"<{tag}>{escape(str(value))}</{tag}>"


def xml_answer(inner: str, tag: str, namespace: str, status: int = 200) -> Response:
    """An XML document with one default namespace; `inner` is already XML."""
    return exactly(f'{XML_HEAD}<{tag} xmlns="{namespace}">{inner}</{tag}>', "application/xml", status)


def soap_answer(inner: str, namespace: str) -> Response:
    """A SOAP 1.1 envelope around `inner`, whose elements live in `namespace`."""
    return exactly(
        f'{XML_HEAD}<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{namespace}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>",
        "text/xml;charset=UTF-8",
    )


def soap_refusal(error: OrgError, namespace: str, details: Iterable[str] = ()) -> Response:
    """A SOAP fault, HTTP 500, code and text as the platform writes them."""
    inner = (
        f"<soapenv:Fault><faultcode>sf:{escape(error.code)}</faultcode>"
        f"<faultstring>{escape(error.code)}: {escape(error.message)}</faultstring>"
    )
    detail = "".join(details)
    if detail:
        inner += f"<detail>{detail}</detail>"
    return exactly(
        f'{XML_HEAD}<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:sf="{namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<soapenv:Body>{inner}</soapenv:Fault></soapenv:Body></soapenv:Envelope>",
        "text/xml;charset=UTF-8",
        500,
    )
