"""Whatever is sent, the answer is a refusal in the family's form, never a stack trace, and the server lives on."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localorg.http.families import ROUTES

pytestmark = pytest.mark.slow

VALUES = {
    "version": ["60.0", "67.0"], "object": ["Account", "User", "Nope__c"], "field": ["Id", "Name", "Nope"],
    "id": ["001000000000000AAA", "x", "750000000000000AAA"], "key": ["a/b", "1"], "locator": ["01g-2000", "-", "x-y"],
    "which": ["failedResults", "nothing"], "batch": ["751000000000000AAA"], "result": ["752000000000000AAA"],
    "name": ["Nope"], "class": ["Nope"], "method": ["nope"], "path": ["x/y"], "org": ["00D000000000000"],
    "user": ["005000000000000"], "namespace": ["nope"],
}  # fmt: skip
# These end the session, move the clock or read files: not for random input.
SPARED = ("/_local/", "/services/oauth2/revoke")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "records", "attributes", "type", "allOrNone", "compositeRequest", "batchRequests", "method", "url", "body",
            "referenceId", "operation", "query", "object", "state", "inputs", "ids", "fields", "Name", "Id", "Account",
            "externalIdFieldName", "credentials", "externalCredential", "principalName", "DurationDays", "tests",
        ]),
        inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize(
    "route", [r for r in ROUTES if not r.pattern.startswith(SPARED)], ids=lambda r: f"{r.methods} {r.pattern}"
)
def test_random_bodies_are_refused_in_good_order(served, route):
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(body=JSON, data=st.data(), raw=st.binary(max_size=20), query=st.dictionaries(
        st.sampled_from(["q", "columns", "ids", "fields", "locator", "maxRecords", "start", "end", "sObjects"]),
        st.text(max_size=8), max_size=2,
    ))  # fmt: skip
    def tried(body, data, raw, query):
        path = route.pattern.replace(":path}", "}")
        for name, values in VALUES.items():
            path = path.replace("{" + name + "}", data.draw(st.sampled_from(values)))
        method = data.draw(st.sampled_from(route.methods.split("|")))
        content = json.dumps(body).encode() if data.draw(st.booleans()) else raw
        answer = served.call(method, path, data=content, params=query, headers={"Content-Type": "application/json"})
        assert "An unexpected error occurred" not in answer.text, (method, path, content, query)
        assert answer.headers["X-Local-Org"] == "1"

    tried()
    assert served.call("GET", "/services/data/v60.0/limits").status_code == 200
