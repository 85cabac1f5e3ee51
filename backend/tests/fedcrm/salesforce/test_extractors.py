"""One contract over all three extractors: the same rows in the same types, whatever the way, whatever breaks."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import numpy as np
import pytest

from fedcrm.errors import (
    AccessDenied,
    JobFailed,
    OrgUnavailable,
    OrgUnreachable,
    ResultsLost,
    SchemaChanged,
    SettingsError,
    UnexpectedReply,
)
from fedcrm.salesforce.bulk1 import Bulk1Extractor
from fedcrm.salesforce.bulk2 import Bulk2Extractor
from fedcrm.salesforce.extractor import Bookmark, Extraction
from fedcrm.salesforce.rest import RestExtractor, extractor_for

TYPES = {
    "Id": "id",
    "Name": "string",
    "Industry": "picklist",
    "Tags__c": "multipicklist",
    "Notes__c": "textarea",
    "Active__c": "boolean",
    "NumberOfEmployees": "int",
    "AnnualRevenue": "currency",
    "Share__c": "percent",
    "SLAExpires__c": "date",
    "CreatedDate": "datetime",
    "OwnerId": "reference",
}
TRICKY = [
    'a "quoted" word',
    'ends with "',
    '","',
    '"\n"',
    "two\nlines",
    "a\r\nb",
    "comma, here",
    "Ünïcödé 漢字 🎈",
    "=1+1",
    " blank ",
]


def make_rows(count: int) -> list[dict[str, object]]:
    """Rows with everything that is easily got wrong; every third value missing."""
    rows = []
    for i in range(count):
        row = {
            "Id": f"001TINY{i:08}AAA",
            "Name": TRICKY[i % len(TRICKY)] if i % 3 else f"Plain {i}",
            "Industry": ("Banking", "Öl & Gas", None)[i % 3],
            "Tags__c": ("a;b", None)[i % 2],
            "Notes__c": TRICKY[(i * 7) % len(TRICKY)] if i % 5 == 0 else None,
            "Active__c": i % 2 == 0,
            "NumberOfEmployees": (i * 1_000_003 % 2_147_483_647) if i % 4 else None,
            "AnnualRevenue": (-1.5e9, 0.1 + i, None, 1e-7)[i % 4],
            "Share__c": None if i % 3 == 0 else i / 8,
            "SLAExpires__c": None if i % 6 == 0 else str(date(1999, 12, 31) + timedelta(days=i)),
            "CreatedDate": f"2026-0{1 + i % 9}-05T23:59:{i % 60:02}.{i % 1000:03}Z",
            "OwnerId": "005TINY00000001AAA",
            "Owner.Name": None if i % 7 == 0 else f"Owner {i % 3}",
        }
        rows.append(row)
    return rows


MAKERS = {
    "bulk2": lambda client: Bulk2Extractor(client, page_rows=40, block_rows=16),
    "bulk1": lambda client: Bulk1Extractor(client, chunk_rows=40, block_rows=16),
    "rest": lambda client: RestExtractor(client),
}
RESULTS = {"bulk2": "/results$", "bulk1": "/result/752", "rest": "/query/01g"}


@pytest.fixture(params=list(MAKERS))
def way(request):
    return request.param


@pytest.fixture
def table(org):
    org.types, org.parents = dict(TYPES), {"Owner": {"Id": "id", "Name": "string"}}
    org.rows = make_rows(103)
    org.page_rows = 40
    return org


@pytest.fixture
def extractor(way, client, table):
    return MAKERS[way](client)


ALL = Extraction("Account", (*TYPES, "Owner.Name"))


def together(blocks) -> dict[str, list[object]]:
    """Columns as Python lists with None for what is missing."""
    found: dict[str, list[object]] = {}
    for block in blocks:
        for name, column in block.values.items():
            assert len(column) == len(block)
            values = [None if gone else v for v, gone in zip(column.values.tolist(), column.missing, strict=True)]
            found.setdefault(name, []).extend(values)
    return found


def expected(rows) -> dict[str, list[object]]:
    def value(name, raw):
        if raw is None:
            return None
        if name == "CreatedDate":
            return datetime.fromisoformat(raw).astimezone(UTC).replace(tzinfo=None)
        return date.fromisoformat(raw) if name == "SLAExpires__c" else raw

    return {name: [value(name, row[name]) for row in rows] for name in ALL.fields}


def test_every_value_comes_out_as_it_is_in_the_org(extractor, table):
    assert together(extractor.blocks(ALL)) == expected(table.rows)


def test_columns_have_the_dtypes_of_the_table_and_missing_says_where_there_is_nothing(extractor):
    block = next(extractor.blocks(ALL))
    assert block.values["Active__c"].values.dtype == bool
    assert block.values["NumberOfEmployees"].values.dtype == np.int64
    assert block.values["AnnualRevenue"].values.dtype == np.float64
    assert block.values["SLAExpires__c"].values.dtype == np.dtype("datetime64[D]")
    assert block.values["CreatedDate"].values.dtype == np.dtype("datetime64[ms]")
    assert block.values["Name"].values.dtype == object
    revenue = block.values["AnnualRevenue"]
    assert [math.isnan(v) for v in revenue.values] == revenue.missing.tolist()


def test_an_empty_table_ends_without_a_block(extractor, table):
    table.rows = []
    assert list(extractor.blocks(ALL)) == []


def test_csv_that_quotes_only_where_it_must_is_read_as_well(extractor, table):
    table.quote_all = False
    assert together(extractor.blocks(ALL)) == expected(table.rows)


def test_fields_that_the_user_does_not_see_are_all_named_before_anything_is_read(extractor, table):
    with pytest.raises(AccessDenied) as refused:
        next(extractor.blocks(Extraction("Account", ("Id", "Secret__c", "Owner.Phone", "Name"))))
    assert (refused.value.object_name, refused.value.fields) == ("Account", ("Secret__c", "Owner.Phone"))
    assert not table.sent("POST", "/jobs|/async")


def test_an_object_that_the_user_does_not_see_is_named(extractor):
    with pytest.raises(AccessDenied) as refused:
        next(extractor.blocks(Extraction("Hidden__c", ("Id",))))
    assert (refused.value.object_name, refused.value.fields) == ("Hidden__c", ())


def test_compound_fields_are_refused_with_what_to_ask_for(extractor, table):
    table.types["BillingAddress"] = "address"
    with pytest.raises(SettingsError, match="ask for its parts"):
        next(extractor.blocks(Extraction("Account", ("BillingAddress",))))


@pytest.mark.parametrize("field", ["Name FROM User--", "1x", "", "A..B", "Näme"])
def test_a_field_that_is_no_name_never_gets_into_a_query(field):
    with pytest.raises(SettingsError):
        Extraction("Account", (field,))


# --- what breaks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [-1, 0, 1, 700, 2_500])
def test_a_body_that_is_cut_anywhere_changes_nothing(extractor, table, plant, way, after):
    plant(RESULTS[way], cut_after=after, times=2)
    assert together(extractor.blocks(ALL)) == expected(table.rows)


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("way", ["bulk2", "bulk1"])  # JSON has no rows to lose: a body that ends early is no JSON
def test_rows_that_are_missing_at_the_end_of_a_page_are_noticed_and_read_again(client, table, plant, way, skip):
    table.types, table.rows = {"Id": "id"}, [{"Id": f"001{i}"} for i in range(103)]
    plant(RESULTS[way], drop_rows=3, skip=skip)
    blocks = MAKERS[way](client).blocks(Extraction("Account", ("Id",)))
    assert together(blocks) == {"Id": [f"001{i}" for i in range(103)]}


def test_a_body_that_breaks_for_ever_ends_in_one_clear_line(extractor, plant, way):
    plant(RESULTS[way], cut_after=100, times=99)
    with pytest.raises((OrgUnreachable, UnexpectedReply)) as refused:
        list(extractor.blocks(ALL))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "code"),
    [(503, "SERVER_UNAVAILABLE"), (403, "REQUEST_LIMIT_EXCEEDED"), (401, "INVALID_SESSION_ID"), (503, "")],
)
def test_passing_refusals_at_any_step_change_nothing(extractor, table, plant, status, code):
    for step in (
        "describe",
        "/jobs/query$",
        "/async.*job$",
        "/results|/result/",
        "/query/",
        "/batch$",
        r"v67.0/query$",
    ):
        plant(step, status=status, code=code)
    assert together(extractor.blocks(ALL)) == expected(table.rows)


def test_an_org_in_maintenance_says_so(extractor, plant):
    plant(".", status=503, code="SERVER_UNAVAILABLE", times=99)
    with pytest.raises(OrgUnavailable):
        list(extractor.blocks(ALL))


def test_what_the_org_forgot_is_a_loss_and_not_fewer_rows(extractor, table, way):
    blocks = extractor.blocks(ALL)
    next(blocks)
    table.jobs.clear()
    with pytest.raises(ResultsLost) as refused:
        list(blocks)
    assert "start the extraction again" in refused.value.remedy


@pytest.mark.parametrize("way", ["bulk2", "bulk1"])  # a REST query is no job
def test_a_job_that_fails_is_named_with_the_orgs_reason(client, table, way):
    create, batch = table.create_query, table.async_batch

    def failing(request):
        answer = create(request)
        for job in table.jobs.values():
            job.update(state="Failed", error="QUERY_TIMEOUT: too long")
        return answer

    def failing_batch(request, job):
        answer = batch(request, job)
        for found in table.jobs[job]["batches"].values():
            found.update(state="Failed", message="QUERY_TIMEOUT: too long")
        return answer

    table.create_query, table.async_batch = failing, failing_batch
    with pytest.raises(JobFailed) as refused:
        list(MAKERS[way](client).blocks(ALL))
    assert "QUERY_TIMEOUT" in refused.value.detail
    assert refused.value.job.startswith("750")


@pytest.mark.parametrize("way", ["bulk2", "bulk1"])
def test_a_job_that_is_never_done_is_given_up_with_its_id(client, table, way, waits):
    create, batch = table.create_query, table.async_batch

    def slow(request, *job):
        answer = batch(request, *job) if job else create(request)
        for found in table.jobs.values():
            found["state"] = "Open" if job else "InProgress"
            for one in found.get("batches", {}).values():
                one["state"] = "InProgress"
        return answer

    table.create_query = table.async_batch = slow
    maker = {"bulk2": Bulk2Extractor, "bulk1": Bulk1Extractor}[way]
    with pytest.raises(JobFailed, match="not done after 60 seconds"):
        list(maker(client, patience=60).blocks(ALL))
    assert sum(waits) > 50
    assert len(waits) < 25  # each look is one of the day's calls


def test_a_field_that_changes_its_type_under_the_extraction_is_noticed_at_its_end(extractor, table):
    blocks = extractor.blocks(ALL)
    next(blocks)
    table.types["AnnualRevenue"] = "string"
    with pytest.raises(SchemaChanged) as refused:
        list(blocks)
    assert refused.value.changes == ("AnnualRevenue was currency and is string",)


def test_a_field_that_goes_under_the_extraction_is_noticed_at_its_end(extractor, table):
    blocks = extractor.blocks(ALL)
    next(blocks)
    del table.types["Share__c"]
    with pytest.raises(SchemaChanged) as refused:
        list(blocks)
    assert refused.value.changes == ("Share__c is gone",)


def test_a_value_that_is_not_of_its_type_is_a_changed_schema_not_a_nan(extractor, table):
    table.rows[50]["AnnualRevenue"] = "much"
    with pytest.raises(SchemaChanged, match="AnnualRevenue"):
        list(extractor.blocks(ALL))


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [1, 2, 3, 99])
def test_another_process_goes_on_where_a_bookmark_lies(client, table, way, read):
    blocks = MAKERS[way](client).blocks(ALL)
    first = list(islice(blocks, read))
    if way == "bulk2" and read == 99:
        return  # taken to its end, the org's copy is deleted
    bookmark = Bookmark.from_json(first[-1].bookmark.to_json())
    rest = list(MAKERS[way](client).blocks(ALL, after=bookmark))
    assert together([*first, *rest]) == expected(table.rows)


def test_a_bookmark_of_another_way_is_refused(extractor, way):
    other = "rest" if way != "rest" else "bulk2"
    with pytest.raises(SettingsError):
        list(extractor.blocks(ALL, after=Bookmark(other, "750x", "", 0)))


@pytest.mark.parametrize("text", ["", "[]", '{"source": "bulk2"}', "nonsense"])
def test_nonsense_is_no_bookmark(text):
    with pytest.raises(SettingsError):
        Bookmark.from_json(text)


def test_a_job_read_to_its_end_is_deleted_and_one_left_in_the_middle_is_kept(client, table):
    extractor = MAKERS["bulk2"](client)
    blocks = extractor.blocks(ALL)
    next(blocks)
    blocks.close()
    assert len(table.jobs) == 1
    list(extractor.blocks(ALL))
    assert len(table.jobs) == 1


@pytest.mark.parametrize("name", ["Sforce-Locator", "Sforce-NumberOfRecords"])
def test_a_page_whose_headers_a_proxy_took_away_is_no_last_page(client, table, name):
    table.lost_headers = {name}
    with pytest.raises(UnexpectedReply):
        list(MAKERS["bulk2"](client).blocks(ALL))


def test_a_page_compressed_on_its_way_is_read(client, table):
    create = table.create_query

    def compressed(request):
        answer = create(request)
        for job in table.jobs.values():
            job["gzip"] = True
        return answer

    table.create_query = compressed
    assert together(MAKERS["bulk2"](client).blocks(ALL)) == expected(table.rows)


def test_a_bulk_1_batch_whose_reply_is_lost_begins_another_job_so_that_no_row_comes_twice(client, table, plant):
    plant("/batch$", cut_after=-1)
    assert together(MAKERS["bulk1"](client).blocks(ALL)) == expected(table.rows)
    assert len(table.sent("POST", "/job$")) == 2


def test_bulk_1_batches_of_several_results_are_read_whole_and_a_result_that_ends_early_is_noticed(client, table, plant):
    table.results_a_batch = 3
    assert together(MAKERS["bulk1"](client).blocks(ALL)) == expected(table.rows)
    table.types, table.rows = {"Id": "id"}, [{"Id": f"001{i}"} for i in range(103)]
    client.describe("Account", fresh=True)
    plant("/result/752", drop_rows=2, skip=1)
    with pytest.raises(UnexpectedReply, match="has 40 rows and gave 38"):
        list(MAKERS["bulk1"](client).blocks(Extraction("Account", ("Id",))))


def test_a_bulk_1_job_that_somebody_aborted_is_no_small_table(client, table):
    blocks = MAKERS["bulk1"](client).blocks(ALL)
    next(blocks)
    (job,) = table.jobs.values()
    job["state"] = "Aborted"
    for batch in list(job["batches"].values())[2:]:
        batch.update(state="NotProcessed", rows=[])
    with pytest.raises(JobFailed, match="Aborted"):
        list(blocks)


@pytest.mark.parametrize("rows", [199, 2_001])
def test_a_page_of_a_size_the_platform_does_not_know_is_refused(client, rows):
    with pytest.raises(SettingsError, match="200 to 2000"):
        RestExtractor(client, page_rows=rows)


def test_few_rows_are_read_by_rest_and_many_by_bulk(client, table):
    few = Extraction("Account", ("Id",))
    assert isinstance(extractor_for(client, few), RestExtractor)
    table.visible = 2_000
    assert isinstance(extractor_for(client, few), Bulk2Extractor)
