"""A program that runs away in one org ends in the platform's exception there; the other orgs answer meanwhile."""

import threading

import pytest
import requests

from localorg.apex.runtime.limits import LIMITS, Limit
from localorg.http.serving import connection_document, served_in_thread
from localorg.runtimes import Runtimes

pytestmark = pytest.mark.slow
PATH = "/services/data/v67.0"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Two orgs that run Apex, with two seconds of CPU a transaction; a call to one of them."""
    monkeypatch.setitem(LIMITS, "cpu_time", Limit(2_000, 2_000, LIMITS["cpu_time"].message))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with served_in_thread(tmp_path, orgs=2, prepare=Runtimes.install) as (server, url):
        document = connection_document(server, url)
        tokens = {org["alias"]: org["access_token"] for org in document["orgs"]}

        def get(alias, path, **params):
            headers = {"Authorization": f"Bearer {tokens[alias]}"}
            ca = document["ca_file"]
            return requests.get(url + PATH + path, headers=headers, params=params, verify=ca, timeout=60).json()

        yield get


@pytest.mark.parametrize(
    ("block", "exception"),
    [
        ("while (true) { }", "Apex CPU time limit exceeded"),
        ("Integer f(Integer x) { return f(x + 1); } f(1);", "Maximum stack depth reached: 1001"),
        ("String s = 'a'; while (true) { s += s; }", "Apex heap size too large: 8388608"),
        (
            "List<Object> rows = new List<Object>(); while (true) { rows.add(new List<Integer>(1000)); }",
            "Apex heap size too large",
        ),
    ],
)
def test_a_runaway_block_ends_and_both_orgs_go_on(call, block, exception):
    ended = {}
    thread = threading.Thread(
        target=lambda: ended.update(call("org1", "/tooling/executeAnonymous", anonymousBody=block))
    )
    thread.start()
    answered = 0
    while thread.is_alive():
        assert call("org2", "/query", q="SELECT COUNT() FROM Account")["done"]
        assert call("org1", "/query", q="SELECT COUNT() FROM Account")["done"]  # a reader waits for no writer
        answered += 1
    assert (ended["compiled"], ended["success"]) == (True, False)
    assert ended["exceptionMessage"].startswith(f"System.LimitException: {exception}")
    assert answered >= 1
    block = "insert new Account(Name = 'goes on');"
    assert call("org1", "/tooling/executeAnonymous", anonymousBody=block)["success"]
