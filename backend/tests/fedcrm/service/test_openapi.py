"""The OpenAPI document against the service: whatever the one allows, the other answers as described."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .conftest import ORG, record

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.mark.slow
def test_every_call_that_the_document_allows_is_answered_as_it_says(start):
    running = start(records_per_minute=10**8, calls_per_minute=10**8, failures_per_minute=10**8)
    document = schemathesis.openapi.from_asgi("/openapi.json", running.client.app)
    operations = [found.ok() for found in document.get_all_operations()]
    assert len(operations) == 19
    for operation in operations:

        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def answered(case):
            # With a credential for everything, and with whatever the document's own schemes generate.
            case.call_and_validate(headers=running.admin, checks=CHECKS)

        answered()


def test_every_example_of_the_document_is_a_request_of_the_right_form(running):
    document = running.client.get("/openapi.json").json()
    [example] = document["components"]["schemas"]["PredictionRequest"]["examples"]
    reply = running.client.post("/v1/predictions", json=example, headers=running.headers())
    assert reply.json()["error"]["code"] == "model_missing"  # well-formed, but no model of that task is here


def test_the_document_names_every_refusal_and_no_status_we_never_send(running):
    document = running.client.get("/openapi.json").json()
    statuses = {s for item in document["paths"].values() for op in item.values() for s in op["responses"]}
    assert statuses == {"200", "201", "400", "401", "403", "404", "409", "413", "429", "503"}
    assert document["components"]["securitySchemes"].keys() == {"APIKeyHeader", "HTTPBearer"}


def test_the_document_has_an_example_for_every_body(running):
    schemas = running.client.get("/openapi.json").json()["components"]["schemas"]
    bodies = [n for n in schemas if n.endswith("Request")]
    assert len(bodies) == 6
    assert all(schemas[n].get("examples") for n in bodies)
    assert running.predict([record()], org_id=ORG).status_code == 200
