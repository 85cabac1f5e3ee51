"""A scripted org for unit tests: one table, every API the clients use, over TLS on a free port, with faults.

It answers in the platform's forms and knows no SOQL: a query gives every row of its table. The local org, a
process of its own, is what the contract suite runs against besides.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import secrets
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt

ORG, USER = "00DTINY00000001EAA", "005TINY00000001AAA"
ASYNC = "http://www.force.com/2009/06/asyncapi/dataload"


@dataclass
class Fault:
    """One answer that is not the truth: a status, or a body cut after some bytes, or rows missing at its end."""

    path: str
    status: int = 0
    code: str = ""
    message: str = "planted"
    times: int = 1
    skip: int = 0
    cut_after: int | None = None
    drop_rows: int = 0
    html: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


class TinyOrg:
    """Rows are dicts of Python values; `types` gives each field's platform type."""

    def __init__(self, certificate: str, key: str) -> None:
        self.object_name, self.types = "Account", {"Id": "id"}
        self.rows: list[dict[str, Any]] = []
        self.parents: dict[str, dict[str, str]] = {}
        self.external_ids, self.case_sensitive = {"Key__c"}, set()
        self.public_key, self.consumer_key, self.username = "", "3MVGtiny", "node@tiny.example"
        self.audiences: list[str] = []
        self.login_refusal: tuple[int, str, str] | None = None
        self.scopes, self.clock_skew = "api refresh_token", 0.0
        self.tokens: set[str] = set()
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.used, self.calls_a_day = 0, 15_000
        self.page_rows, self.results_a_batch = 2_000, 1
        self.lost_headers: set[str] = set()
        self.tooling_rows: list[dict[str, Any]] = []
        self.row_errors: dict[str, list[str]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.visible: int | None = None
        self.total: int | None = None
        self.quote_all = True
        self._lock = threading.Lock()
        org = self

        class Handler(_Handler):
            pass

        Handler.org = org
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # a client that hangs up is what is being tested
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"https://localhost:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def sent(self, method: str, path: str) -> list[Request]:
        return [r for r in self.requests if r.method == method and re.search(path, r.path)]

    def new_token(self) -> str:
        token = f"{ORG[:15]}!{secrets.token_urlsafe(24)}"
        self.tokens.add(token)
        return token

    # --- what it answers --------------------------------------------------------------------------

    def answer(self, r: Request) -> tuple[int, dict[str, str], bytes]:
        path = re.sub(r"/+", "/", r.path).rstrip("/")
        if path == "/services/oauth2/token":
            return self._log_in({k: v[0] for k, v in parse_qs(r.body.decode()).items()})
        bearer = r.headers.get("authorization", "").removeprefix("Bearer ")
        asynchronous = path.startswith("/services/async")
        if asynchronous:
            bearer = r.headers.get("x-sfdc-session", "")
        self.used += 1
        if bearer not in self.tokens:
            if asynchronous:
                return _xml(400, "error", {"exceptionCode": "InvalidSessionId", "exceptionMessage": "Invalid id"})
            return _errors(401, "INVALID_SESSION_ID", "Session expired or invalid")
        fault = self._fault(path)
        if fault is not None and fault.status:
            body = b"<html>gateway</html>" if fault.html else None
            status, headers, content = _errors(fault.status, fault.code, fault.message)
            return status, {**headers, **fault.headers}, body or content
        for verb, pattern, name in _ROUTES:
            if verb == r.method and (match := re.fullmatch(pattern, path)):
                with self._lock:
                    if asynchronous and match.groups() and match[1] not in self.jobs:
                        return _xml(400, "error", {"exceptionCode": "InvalidJob", "exceptionMessage": "No such job"})
                    status, headers, body = getattr(self, name)(r, *match.groups())
                break
        else:
            return _errors(404, "NOT_FOUND", "The requested resource does not exist")
        if fault is not None and fault.drop_rows:
            body = b"\n".join(body.rstrip(b"\n").split(b"\n")[: -fault.drop_rows]) + b"\n"
        if fault is not None and fault.cut_after is not None:
            headers = {**headers, "X-Cut": str(fault.cut_after)}
        return status, headers, body

    def _fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if re.search(fault.path, path) and fault.times > 0:
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def _log_in(self, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        def refuse(error: str, description: str, status: int = 400) -> tuple[int, dict[str, str], bytes]:
            return _json(status, {"error": error, "error_description": description})

        fault = self._fault("/services/oauth2/token")
        if fault is not None:
            return refuse(fault.code, fault.message, fault.status)
        if self.login_refusal:
            status, error, description = self.login_refusal
            return refuse(error, description, status)
        if form["grant_type"] == "client_credentials":
            if form.get("client_secret") != "s3cret":
                return refuse("invalid_client", "invalid client credentials")
        else:
            try:
                claims = jwt.decode(
                    form["assertion"], self.public_key, algorithms=["RS256"], options={"verify_aud": False}
                )
            except jwt.ExpiredSignatureError:
                return refuse("invalid_grant", "expired authorization code")
            except jwt.InvalidTokenError:
                return refuse("invalid_grant", "invalid assertion")
            if claims["iss"] != self.consumer_key:
                return refuse("invalid_client_id", "client identifier invalid")
            if claims["aud"] not in (self.audiences or [self.url]):
                return refuse("invalid_grant", "audience is invalid")
            if claims["sub"] != self.username:
                return refuse("invalid_grant", "user hasn't approved this consumer")
        return _json(
            200,
            {
                "access_token": self.new_token(),
                "scope": self.scopes,
                "instance_url": self.url,
                "id": f"{self.url}/id/{ORG}/{USER}",
                "token_type": "Bearer",
            },
        )

    def versions(self, r):
        return _json(200, [{"label": "x", "url": f"/services/data/v{v}.0", "version": f"{v}.0"} for v in range(40, 68)])

    def user_info(self, r):
        return _json(200, {"user_id": USER, "organization_id": ORG, "preferred_username": self.username})

    def sobjects(self, r):
        return _json(200, {"sobjects": [{"name": self.object_name, "queryable": True}]})

    def describe(self, r, name):
        if name.lower() == self.object_name.lower():
            return _json(200, self._describe(self.object_name, self.types))
        if name in self.parents:
            return _json(200, self._describe(name, self.parents[name]))
        return _errors(404, "NOT_FOUND", "The requested resource does not exist")

    def _describe(self, name: str, types: dict[str, str]) -> dict[str, Any]:
        def one(field: str, kind: str) -> dict[str, Any]:
            readable = {"Id", "CreatedDate"}
            described = {
                "name": field,
                "label": field,
                "type": kind,
                "nillable": field != "Id",
                "custom": field.endswith("__c"),
                "externalId": field in self.external_ids,
                "caseSensitive": field in self.case_sensitive,
                "createable": field not in readable,
                "updateable": field not in readable,
                "aggregatable": kind not in ("boolean", "textarea", "multipicklist"),
                "picklistValues": [],
                "referenceTo": [],
                "relationshipName": None,
            }
            if kind == "reference":
                described |= {"referenceTo": [field.removesuffix("Id")], "relationshipName": field.removesuffix("Id")}
            return described

        return {
            "name": name,
            "label": name,
            "labelPlural": name + "s",
            "keyPrefix": "001",
            "custom": False,
            "queryable": True,
            "createable": True,
            "updateable": True,
            "fields": [one(f, k) for f, k in types.items()],
            "childRelationships": [],
            "recordTypeInfos": [],
        }

    def limits(self, r):
        left = {"Max": self.calls_a_day, "Remaining": self.calls_a_day - self.used}
        return _json(200, {"DailyApiRequests": left, "DataStorageMB": {"Max": 1024, "Remaining": 1000}})

    def record_counts(self, r):
        names = r.query["sObjects"].split(",")
        total = len(self.rows) if self.total is None else self.total
        return _json(200, {"sObjects": [{"name": n, "count": total} for n in names if n == self.object_name]})

    def query(self, r):
        soql = r.query["q"]
        if re.match(r"SELECT COUNT\(\) FROM", soql):
            visible = len(self.rows) if self.visible is None else self.visible
            return _json(200, {"totalSize": visible, "done": True, "records": []})
        refused = self._refuse(soql)
        return refused or self._page(soql, 0)

    def tooling(self, r):
        return _json(200, {"size": len(self.tooling_rows), "done": True, "records": self.tooling_rows})

    def more(self, r, cursor):
        key, start = cursor.rsplit("-", 1)
        if key not in self.jobs:
            return _errors(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(self.jobs[key]["soql"], int(start))

    def _page(self, soql, start):
        fields, rows = _fields(soql), self._limited(soql)
        here = rows[start : start + self.page_rows]
        records = [{"attributes": {"type": self.object_name}, **_nested(row, fields)} for row in here]
        page = {"totalSize": len(rows), "done": start + len(here) >= len(rows), "records": records}
        if not page["done"]:
            key = "01g" + secrets.token_hex(4)
            self.jobs[key] = {"soql": soql}
            page["nextRecordsUrl"] = f"/services/data/v67.0/query/{key}-{start + len(here)}"
        return _json(200, page)

    def _limited(self, soql):
        match = re.search(r" LIMIT (\d+)$", soql)
        return self.rows[: int(match[1])] if match else self.rows

    def _refuse(self, soql):
        for name in _fields(soql):
            if name.split(".")[0] not in self.types and not any(k == name.split(".")[0] + "Id" for k in self.types):
                text = f"\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{self.object_name}'."
                return _errors(400, "INVALID_FIELD", text)
        return None

    # bulk 2 query
    def create_query(self, r):
        body = json.loads(r.body)
        refused = self._refuse(body["query"])
        if refused:
            return refused
        job = "750" + secrets.token_hex(6)
        self.jobs[job] = {"soql": body["query"], "rows": list(self.rows)}
        return _json(200, {"id": job, "state": "UploadComplete", **body})

    def query_state(self, r, job):
        if job not in self.jobs:
            return _errors(404, "NOT_FOUND", "The requested resource does not exist")
        state = self.jobs[job].get("state", "JobComplete")
        count, error = len(self.jobs[job]["rows"]), self.jobs[job].get("error")
        return _json(200, {"id": job, "state": state, "errorMessage": error, "numberRecordsProcessed": count})

    def query_results(self, r, job):
        if job not in self.jobs:
            return _errors(404, "NOT_FOUND", "The requested resource does not exist")
        start = int(r.query.get("locator") or 0)
        rows = self.jobs[job]["rows"]
        here = rows[start : start + min(self.page_rows, int(r.query["maxRecords"]))]
        end = start + len(here)
        headers = {
            "Content-Type": "text/csv; charset=UTF-8",
            "Sforce-NumberOfRecords": str(len(here)),
            "Sforce-Locator": "null" if end >= len(rows) else str(end),
        }
        headers = {name: value for name, value in headers.items() if name not in self.lost_headers}
        body = self._csv(_fields(self.jobs[job]["soql"]), here)
        if self.jobs[job].get("gzip") and "gzip" in r.headers.get("accept-encoding", ""):
            return 200, {**headers, "Content-Encoding": "gzip"}, gzip.compress(body)
        return 200, headers, body

    def _csv(self, fields, rows):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if self.quote_all else csv.QUOTE_MINIMAL)
        writer.writerow(fields)
        for row in rows:
            writer.writerow([_bulk_text(row.get(f)) for f in fields])
        return text.getvalue().encode()

    def delete_query(self, r, job):
        self.jobs.pop(job, None)
        return 204, {}, b""

    # bulk 2 ingest
    def create_ingest(self, r):
        job = "750" + secrets.token_hex(6)
        self.jobs[job] = {"id": job, "state": "Open", **json.loads(r.body)}
        return _json(200, self.jobs[job])

    def upload(self, r, job):
        self.jobs[job]["content"] = r.body
        return 201, {}, b""

    def ingest_state(self, r, job):
        found = self.jobs[job]
        if r.method == "PATCH":
            found["state"] = json.loads(r.body)["state"]
            if found["state"] == "UploadComplete":
                self._run(found)
        return _json(200, {k: v for k, v in found.items() if k not in ("content", "ok", "bad", "fields")})

    def _run(self, job):
        reader = csv.DictReader(io.StringIO(job["content"].decode()))
        job["fields"], job["ok"], job["bad"] = list(reader.fieldnames), [], []
        key_field = job["externalIdFieldName"]
        for row in reader:
            plain = {k: None if v == "#N/A" else v for k, v in row.items()}
            error = self._row_error(plain[key_field])
            if error:
                job["bad"].append({"sf__Id": "", "sf__Error": f"{error}:planted:Amount__c --", **row})
            else:
                created = self._upsert(key_field, plain)
                job["ok"].append({"sf__Id": "001", "sf__Created": str(created).lower(), **row})
        job["state"] = "JobComplete"

    def ingest_table(self, r, job, kind):
        found = self.jobs[job]
        rows = {"successfulResults": found["ok"], "failedResults": found["bad"]}.get(kind, [])
        head = {"successfulResults": ["sf__Id", "sf__Created"], "failedResults": ["sf__Id", "sf__Error"]}.get(kind, [])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        fields = head + found["fields"]
        writer.writerow(fields)
        writer.writerows([row[f] for f in fields] for row in rows)
        return 200, {"Content-Type": "text/csv"}, text.getvalue().encode()

    def _row_error(self, key):
        errors = self.row_errors.get(key)
        return errors.pop(0) if errors else None

    def _upsert(self, key_field, row):
        for old in self.rows:
            if old.get(key_field) == row[key_field]:
                old.update(row)
                return False
        self.rows.append(dict(row))
        return True

    def collection(self, r, name, key_field):
        answers = []
        for record in json.loads(r.body)["records"]:
            record.pop("attributes")
            error = self._row_error(record[key_field])
            if error:
                answers.append(
                    {"success": False, "errors": [{"statusCode": error, "message": "planted", "fields": ["Amount__c"]}]}
                )
            else:
                created = self._upsert(key_field, record)
                answers.append({"id": "001", "success": True, "created": created, "errors": []})
        return _json(200, answers)

    # bulk 1
    def async_job(self, r):
        job = "750" + secrets.token_hex(6)
        chunk = re.search(r"chunkSize=(\d+)", r.headers.get("sforce-enable-pkchunking", ""))
        self.jobs[job] = {"chunk": int(chunk[1]) if chunk else None, "batches": {}, "state": "Open"}
        return _xml(201, "jobInfo", {"id": job, "state": "Open"})

    def async_close(self, r, job):
        self.jobs[job]["state"] = "Closed"
        return _xml(200, "jobInfo", {"id": job, "state": "Closed"})

    def async_state(self, r, job):
        return _xml(200, "jobInfo", {"id": job, "state": self.jobs[job]["state"]})

    def async_batch(self, r, job):
        soql, chunk = r.body.decode(), self.jobs[job]["chunk"]
        batches = self.jobs[job]["batches"]
        first = f"751{len(batches):06}"
        if chunk:
            batches[first] = {"state": "NotProcessed", "rows": []}
            for start in range(0, len(self.rows), chunk):
                batches[f"751{len(batches):06}"] = {"state": "Completed", "rows": self.rows[start : start + chunk]}
        else:
            batches[first] = {"state": "Completed", "rows": list(self.rows)}
        for batch in batches.values():
            batch["soql"] = soql
        return _xml(201, "batchInfo", self._batch(job, first))

    def _batch(self, job, batch):
        found = self.jobs[job]["batches"][batch]
        return {
            "id": batch,
            "jobId": job,
            "state": found["state"],
            "stateMessage": found.get("message", ""),
            "numberRecordsProcessed": len(found["rows"]),
        }

    def async_batches(self, r, job):
        inner = "".join(f"<batchInfo>{_leaves(self._batch(job, b))}</batchInfo>" for b in self.jobs[job]["batches"])
        text = f'<?xml version="1.0"?><batchInfoList xmlns="{ASYNC}">{inner}</batchInfoList>'
        return 200, {"Content-Type": "application/xml"}, text.encode()

    def async_batch_state(self, r, job, batch):
        return _xml(200, "batchInfo", self._batch(job, batch))

    def async_results(self, r, job, batch):
        results = "".join(f"<result>752{batch[3:]}{n}</result>" for n in range(self.results_a_batch))
        text = f'<?xml version="1.0"?><result-list xmlns="{ASYNC}">{results}</result-list>'
        return 200, {"Content-Type": "application/xml"}, text.encode()

    def async_result(self, r, job, batch, result):
        found = self.jobs[job]["batches"][batch]
        size = -(-len(found["rows"]) // self.results_a_batch)
        here = found["rows"][int(result[-1]) * size :][:size]
        return 200, {"Content-Type": "text/csv"}, self._csv(_fields(found["soql"]), here)


_V = r"/services/data/v\d\d\.0"
_A = r"/services/async/\d\d\.0/job"
_ROUTES = [
    ("GET", "/services/data", "versions"),
    ("GET", "/services/oauth2/userinfo", "user_info"),
    ("GET", f"{_V}/sobjects", "sobjects"),
    ("GET", f"{_V}/sobjects/(\\w+)/describe", "describe"),
    ("GET", f"{_V}/limits", "limits"),
    ("GET", f"{_V}/limits/recordCount", "record_counts"),
    ("GET", f"{_V}/(?:query|queryAll)", "query"),
    ("GET", f"{_V}/tooling/query", "tooling"),
    ("GET", f"{_V}/query/([\\w-]+)", "more"),
    ("PATCH", f"{_V}/composite/sobjects/(\\w+)/(\\w+)", "collection"),
    ("POST", f"{_V}/jobs/query", "create_query"),
    ("GET", f"{_V}/jobs/query/(\\w+)", "query_state"),
    ("GET", f"{_V}/jobs/query/(\\w+)/results", "query_results"),
    ("DELETE", f"{_V}/jobs/query/(\\w+)", "delete_query"),
    ("POST", f"{_V}/jobs/ingest", "create_ingest"),
    ("PUT", f"{_V}/jobs/ingest/(\\w+)/batches", "upload"),
    ("PATCH", f"{_V}/jobs/ingest/(\\w+)", "ingest_state"),
    ("GET", f"{_V}/jobs/ingest/(\\w+)", "ingest_state"),
    ("GET", f"{_V}/jobs/ingest/(\\w+)/(\\w+)", "ingest_table"),
    ("POST", _A, "async_job"),
    ("POST", f"{_A}/(\\w+)", "async_close"),
    ("GET", f"{_A}/(\\w+)", "async_state"),
    ("POST", f"{_A}/(\\w+)/batch", "async_batch"),
    ("GET", f"{_A}/(\\w+)/batch", "async_batches"),
    ("GET", f"{_A}/(\\w+)/batch/(\\w+)", "async_batch_state"),
    ("GET", f"{_A}/(\\w+)/batch/(\\w+)/result", "async_results"),
    ("GET", f"{_A}/(\\w+)/batch/(\\w+)/result/(\\w+)", "async_result"),
]


def _fields(soql):
    return [f.strip() for f in re.match(r"SELECT (.+?) FROM", soql)[1].split(",")]


def _nested(row, fields):
    record = {}
    for name in fields:
        *parents, last = name.split(".")
        here = record
        for parent in parents:
            here = here.setdefault(parent, {})
        here[last] = _rest_value(row.get(name))
    return record


def _rest_value(value):
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
        return value[:-1] + "+0000"
    return value


def _bulk_text(value):
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(status, content):
    return status, {"Content-Type": "application/json;charset=UTF-8"}, json.dumps(content).encode()


def _errors(status, code, message):
    return _json(status, [{"message": message, "errorCode": code}])


def _leaves(values):
    return "".join(f"<{k}>{v}</{k}>" for k, v in values.items())


def _xml(status, tag, values):
    text = f'<?xml version="1.0" encoding="UTF-8"?><{tag} xmlns="{ASYNC}">{_leaves(values)}</{tag}>'
    return status, {"Content-Type": "application/xml"}, text.encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    org: TinyOrg

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        headers = {k.lower(): v for k, v in self.headers.items()}
        request = Request(self.command, parts.path, query, headers, body)
        self.org.requests.append(request)
        status, more, content = self.org.answer(request)
        cut = more.pop("X-Cut", None)
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + self.org.clock_skew, usegmt=True))
        self.send_header("Sforce-Limit-Info", f"api-usage={self.org.used}/{self.org.calls_a_day}")
        for name, value in more.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        if cut is not None and int(cut) < 0:  # heard, and not a word in reply
            self._hang_up()
            return
        self.end_headers()
        self.wfile.write(content if cut is None else content[: int(cut)])
        if cut is not None:
            self.wfile.flush()
            self._hang_up()

    def _hang_up(self) -> None:
        """As a cable that is pulled: no goodbye in TLS, a reset in TCP."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

    def log_message(self, *arguments: object) -> None:
        pass

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
