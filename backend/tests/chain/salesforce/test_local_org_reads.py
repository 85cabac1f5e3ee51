"""All three extractors against a local org over TLS, then under every fault it knows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fedcrm.errors import (
    AccessDenied,
    JobFailed,
    LimitReached,
    OrgUnavailable,
    ResultsLost,
    SalesforceError,
    SessionEnded,
)
from fedcrm.salesforce import Bookmark, Bulk1Extractor, Bulk2Extractor, Extraction, RestExtractor

pytestmark = pytest.mark.slow

ROWS = 450
WAYS = {
    "bulk2": lambda client: Bulk2Extractor(client, page_rows=150, block_rows=50, patience=60),
    "bulk1": lambda client: Bulk1Extractor(client, chunk_rows=150, block_rows=50, patience=60),
    "rest": lambda client: RestExtractor(client, page_rows=200),
}
BODIES = {"bulk2": r"/results$", "bulk1": r"/result/\w+$", "rest": r"/query/\w"}
TEXTS = ['a "quoted" word', "two\nlines", "a\r\nb", '","', '"\n"', "Ünïcödé 漢字 🎈", "comma, here", "=1+1"]
SOURCES = ("Web", None, "Phone Inquiry")


def contact(i: int) -> dict[str, object]:
    return {
        "LastName": f"{i:04} {TEXTS[i % len(TEXTS)]}",
        "FirstName": f"First {i}" if i % 3 else None,
        "Description": TEXTS[(i * 5) % len(TEXTS)] * 3 if i % 4 else None,
        "Email": f"c{i}@example.com",
        "LeadSource": SOURCES[i % 3],
        "Birthdate": None if i % 5 == 0 else str(date(1930, 1, 1) + timedelta(days=97 * i)),
    }


@pytest.fixture(scope="module")
def table(local_orgs) -> list[dict[str, object]]:
    """Contacts of one account in the first org; one, of another name, in the second."""
    client = local_orgs.client()
    made = client.session.post(
        f"{client.base}/sobjects/Account",
        json={"Name": "Äcme", "AnnualRevenue": 1234567.0, "NumberOfEmployees": 42, "Industry": "Banking"},
    ).json()
    rows = [contact(i) for i in range(ROWS)]
    for start in range(0, ROWS, 200):
        records = [
            {"attributes": {"type": "Contact"}, **row} | ({"AccountId": made["id"]} if (start + i) % 2 else {})
            for i, row in enumerate(rows[start : start + 200])
        ]
        answers = client.session.post(f"{client.base}/composite/sobjects", json={"records": records}).json()
        assert all(a["success"] for a in answers), answers
    other = local_orgs.client(1)
    other.session.post(f"{other.base}/sobjects/Contact", json={"LastName": "Stranger"})
    return rows


@pytest.fixture(params=list(WAYS))
def way(request):
    return request.param


@pytest.fixture
def extractor(way, client, table):
    return WAYS[way](client)


FIELDS = ("LastName", "FirstName", "Description", "Email", "LeadSource", "Birthdate")
PATHS = ("Account.Name", "Account.AnnualRevenue", "Account.NumberOfEmployees")
ALL = Extraction("Contact", (*FIELDS, *PATHS, "IsDeleted", "CreatedDate"))


def rows_of(blocks) -> list[tuple[object, ...]]:
    found = []
    for block in blocks:
        columns = [
            [None if gone else v for v, gone in zip(c.values.tolist(), c.missing, strict=True)]
            for c in block.values.values()
        ]
        found += list(zip(*columns, strict=True))
    return sorted(found, key=lambda row: row[0])


def expected(table) -> list[tuple[object, ...]]:
    found = []
    for i, row in enumerate(table):
        born = row["Birthdate"]
        parent = ("Äcme", 1234567.0, 42) if i % 2 else (None, None, None)
        values = [row[name] for name in FIELDS[:-1]]
        found.append((*values, date.fromisoformat(born) if born else None, *parent, False))
    return sorted(found, key=lambda row: row[0])


def test_every_value_comes_out_as_it_went_in(extractor, table):
    assert [row[:-1] for row in rows_of(extractor.blocks(ALL))] == expected(table)


def test_a_condition_is_the_orgs_business(extractor):
    found = rows_of(extractor.blocks(Extraction("Contact", ("LastName",), where="LeadSource = 'Web'")))
    assert len(found) == ROWS // 3


def test_no_rows_are_no_blocks(extractor):
    assert list(extractor.blocks(Extraction("Contact", ("Id",), where="LastName = 'nobody'"))) == []


def test_deleted_rows_come_only_where_they_are_asked_for(way, client, table):
    made = client.session.post(f"{client.base}/sobjects/Lead", json={"LastName": f"Gone {way}", "Company": "X"}).json()
    client.session.request("DELETE", f"{client.base}/sobjects/Lead/{made['id']}", repeatable=True)
    where = f"LastName = 'Gone {way}'"
    assert rows_of(WAYS[way](client).blocks(Extraction("Lead", ("Id",), where=where))) == []
    assert rows_of(WAYS[way](client).blocks(Extraction("Lead", ("Id",), where=where, deleted=True))) == [(made["id"],)]


# --- faults: the same rows, or one clear line ----------------------------------------------------

PASSING = {
    "cut in the middle of a body": {"kind": "cut", "bytes": 3000, "times": 2},
    "cut before the first byte": {"kind": "cut", "bytes": 0},
    "overload": {"status": 503, "code": "SERVER_UNAVAILABLE", "times": 2},
    "a gateway's 502": {"status": 502, "code": "", "times": 1},
    "an ended session": {"kind": "expire"},
    "too many calls at once": {"status": 403, "code": "REQUEST_LIMIT_EXCEEDED", "times": 2},
    "a delay": {"kind": "delay", "delay": 0.3},
}


@pytest.mark.parametrize("what", PASSING)
def test_a_passing_fault_while_rows_come_changes_nothing(extractor, table, faults, way, what):
    faults.plant(path=BODIES[way], **PASSING[what])
    assert [row[:-1] for row in rows_of(extractor.blocks(ALL))] == expected(table)
    assert not faults.left()


@pytest.mark.parametrize("what", PASSING)
def test_a_passing_fault_at_the_first_call_changes_nothing(extractor, table, faults, what):
    faults.plant(path="/describe", **PASSING[what])
    assert [row[:-1] for row in rows_of(extractor.blocks(ALL))] == expected(table)
    assert not faults.left()


@pytest.mark.parametrize("way", ["bulk2", "bulk1"])
@pytest.mark.parametrize("size", [20, 4000])
def test_a_csv_that_ends_early_as_if_it_were_whole_is_noticed_and_read_again(extractor, table, faults, way, size):
    faults.plant(kind="truncate", path=BODIES[way], bytes=size)
    assert [row[:-1] for row in rows_of(extractor.blocks(ALL))] == expected(table)
    assert not faults.left()


@pytest.mark.parametrize("way", ["bulk2", "bulk1"])
def test_a_failed_job_is_named(extractor, faults, way):
    path = r"/jobs/query$" if way == "bulk2" else r"/batch$"
    faults.plant(kind="fail_job", method="POST", path=path, message="QUERY_TIMEOUT: it took too long")
    with pytest.raises(JobFailed) as refused:
        list(extractor.blocks(ALL))
    assert "QUERY_TIMEOUT" in str(refused.value)


@pytest.mark.parametrize("way", ["bulk2", "rest"])  # Bulk 1 has none
def test_a_lost_locator_is_a_loss_and_never_fewer_rows(extractor, faults, way):
    blocks = extractor.blocks(ALL)
    next(blocks)
    faults.plant(kind="lose_locator", path=BODIES[way], times=9)
    with pytest.raises(ResultsLost):
        list(blocks)


def test_calls_that_are_used_up_end_in_one_line_and_the_bookmark_goes_on_tomorrow(way, client, table, faults):
    extractor = WAYS[way](client)
    blocks = extractor.blocks(ALL)
    first = [next(blocks)]
    bookmark = Bookmark.from_json(first[0].bookmark.to_json())
    faults.plant(kind="limit", path=".*", times=6)
    with pytest.raises(LimitReached) as refused:
        list(blocks)
    assert "24-hour" in refused.value.remedy
    faults.clear()
    first += list(WAYS[way](client).blocks(ALL, after=bookmark))
    assert [row[:-1] for row in rows_of(first)] == expected(table)


def test_an_org_in_maintenance_says_so(extractor, faults):
    faults.plant(kind="maintenance", path=".*", times=20)
    with pytest.raises(OrgUnavailable, match="maintenance"):
        list(extractor.blocks(ALL))


def test_a_session_that_ends_again_and_again_is_not_a_loop(extractor, faults):
    faults.plant(kind="expire", path="/describe", times=20)
    with pytest.raises(SessionEnded):
        list(extractor.blocks(ALL))


def test_a_field_that_is_not_there_is_named(extractor):
    with pytest.raises(AccessDenied) as refused:
        list(extractor.blocks(Extraction("Contact", ("Id", "Nonsense__c"))))
    assert refused.value.fields == ("Nonsense__c",)


# --- two orgs ------------------------------------------------------------------------------------


def test_another_org_never_sees_these_rows(local_orgs, table, way):
    found = rows_of(WAYS[way](local_orgs.client(1)).blocks(Extraction("Contact", ("LastName",))))
    assert found == [("Stranger",)]


def test_a_bookmark_opens_nothing_in_another_org(local_orgs, client, table, way):
    blocks = WAYS[way](client).blocks(ALL)
    bookmark = next(blocks).bookmark
    with pytest.raises(SalesforceError):
        list(WAYS[way](local_orgs.client(1)).blocks(ALL, after=bookmark))
