"""A Bulk 1 batch's body as rows, and its results as a body, in each of the three formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from localorg.errors import OrgError
from localorg.http.answers import XML_HEAD, xml_of
from localorg.http.loading import CsvRows, error_text, nested
from localorg.http.spool import read_csv
from localorg.metadata.xmltree import Node, XmlProblem, parse
from localorg.org import Org
from localorg.records import SaveResult

__all__ = ["batch_rows", "results_document"]

_NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"


def batch_rows(org: Org, object_name: str, content_type: str, content: bytes) -> list[dict[str, object] | SaveResult]:
    """The rows to save, those that cannot be read as their own failures. Raises OrgError for the batch as a whole."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        raise OrgError("InvalidBatch", "The batch is not valid UTF-8") from broken
    if content_type == "CSV":
        rows: list[dict[str, object] | SaveResult] = []
        read: CsvRows | None = None
        for header, values in read_csv(io.StringIO(text, newline="")):
            read = read or CsvRows(org, object_name, header)
            rows.append(read(values))
        return rows
    if content_type == "JSON":
        try:
            documents = json.loads(text)
        except json.JSONDecodeError as broken:
            raise OrgError("InvalidBatch", f"Unable to parse batch: {broken.msg}") from broken
        if not isinstance(documents, list) or not all(isinstance(item, dict) for item in documents):
            raise OrgError("InvalidBatch", "A batch is a list of objects")
        return [nested(document) for document in documents]
    try:
        root = parse(content)
    except XmlProblem as broken:
        raise OrgError("InvalidBatch", f"Unable to parse batch: {broken.message}") from broken
    return [nested(_from_xml(node)) for node in root.all("sObject")]


def _from_xml(node: Node) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for child in node:
        if child.first("@nil") is not None:
            row[child.tag] = None
        elif child.first("sObject") is not None:
            (inner,) = child.all("sObject")
            row[child.tag] = nested(_from_xml(inner))
        else:
            row[child.tag] = child.text
    return row


def results_document(results: Sequence[SaveResult], content_type: str) -> bytes:
    """One result a row, in order."""
    if content_type == "CSV":
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(["Id", "Success", "Created", "Error"])
        for result in results:
            shown_id = result.id if result.success else ""
            writer.writerow([shown_id, str(result.success).lower(), str(result.created).lower(), error_text(result)])
        return out.getvalue().encode()
    documents = [
        {
            "success": result.success,
            "created": result.created,
            "id": result.id if result.success else None,
            "errors": [
                {
                    "message": e.message,
                    "fields": list(e.fields),
                    "statusCode": e.status_code,
                    "extendedErrorDetails": None,
                }
                for e in result.errors
            ],
        }
        for result in results
    ]
    if content_type == "JSON":
        return json.dumps(documents).encode()
    inner = "".join(xml_of(_as_xml(document), "result") for document in documents)
    return f'{XML_HEAD}<results xmlns="{_NAMESPACE}">{inner}</results>'.encode()


def _as_xml(document: dict[str, Any]) -> dict[str, Any]:
    errors = [
        {"fields": e["fields"], "message": e["message"], "statusCode": e["statusCode"]} for e in document["errors"]
    ]
    return {
        "errors": errors,
        "id": document["id"] or "",
        "success": document["success"],
        "created": document["created"],
    }
