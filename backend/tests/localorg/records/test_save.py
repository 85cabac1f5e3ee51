from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from localorg.errors import OrgError
from localorg.org import Org
from localorg.records import Operation, RowError, RowsRefused
from localorg.schema import FieldType, OnDelete, PicklistValue, custom_field, custom_object, history_object


@pytest.fixture
def work(org):
    """A transaction in system mode, with a custom object that has one field of each kind of rule."""
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        made = custom_object("Thing__c", transaction.new_key_prefix(), label="Thing")
        for item in (
            custom_field("Key__c", FieldType.STRING, length=20, external_id=True, unique=True),
            custom_field("Exact__c", FieldType.STRING, unique=True, case_sensitive=True, external_id=True),
            custom_field("Loose__c", FieldType.STRING, external_id=True),
            custom_field("Must__c", FieldType.STRING, nillable=False, default="given"),
            custom_field(
                "Pick__c",
                FieldType.PICKLIST,
                restricted=True,
                picklist=(PicklistValue("Red"), PicklistValue("Old", active=False)),
            ),
            custom_field(
                "Many__c",
                FieldType.MULTIPICKLIST,
                restricted=True,
                picklist=tuple(PicklistValue(value) for value in ("b", "a", "c")),
            ),
            custom_field("Flag__c", FieldType.BOOLEAN, default=True),
            custom_field("Number__c", FieldType.DOUBLE, precision=6, scale=2),
            custom_field("Whole__c", FieldType.INT),
            custom_field("Day__c", FieldType.DATE),
            custom_field("Moment__c", FieldType.DATETIME),
            custom_field("Hour__c", FieldType.TIME),
            custom_field("Mail__c", FieldType.EMAIL),
            custom_field("Notes__c", FieldType.TEXTAREA, length=40),
            custom_field(
                "Account__c", FieldType.REFERENCE, reference_to=("Account",), child_relationship_name="Things"
            ),
        ):
            made = made.with_field(item)
        transaction.save_object(made)
        yield transaction


def one(transaction, soql):
    [record] = transaction.query(soql)
    return dict(record)


def saved(transaction, name="Thing__c", **values):
    [result] = transaction.insert(name, [values])
    assert result.success, result.errors
    return result.id


def refusal(transaction, name="Thing__c", **values):
    [result] = transaction.insert(name, [values])
    assert not result.success
    assert result.id is None
    return result.errors[0]


@pytest.mark.parametrize(
    ("field", "given", "stored"),
    [
        ("Name", "  Acme ", "Acme"),
        ("Notes__c", " kept \n as it is ", " kept \n as it is "),
        ("Flag__c", "TRUE", True),
        ("Flag__c", "0", False),
        ("Flag__c", None, False),
        ("Number__c", "12.345", 12.345),
        ("Number__c", 9999, 9999.0),
        ("Number__c", Decimal("-0.5"), -0.5),
        ("Number__c", "", None),
        ("Whole__c", "7", 7),
        ("Whole__c", 7.0, 7),
        ("Day__c", "2026-02-28", "2026-02-28"),
        ("Day__c", datetime(2026, 2, 28, 23, tzinfo=UTC), "2026-02-28"),
        ("Moment__c", "2026-02-28T10:00:00Z", "2026-02-28T10:00:00.000+0000"),
        ("Moment__c", "2026-02-28T10:00:00.120+0200", "2026-02-28T08:00:00.120+0000"),
        ("Moment__c", "2026-02-28", "2026-02-28T00:00:00.000+0000"),
        ("Hour__c", "10:30:00Z", "10:30:00.000Z"),
        ("Pick__c", "red", "Red"),
        ("Many__c", "c;a", "a;c"),
        ("Many__c", "c; b;c", "b;c"),
        ("Mail__c", "a@b.example", "a@b.example"),
    ],
)
def test_a_value_is_stored_as_the_platform_stores_it(work, field, given, stored):
    row = saved(work, **{"Key__c": "k", field: given})
    assert one(work, f"SELECT {field} FROM Thing__c WHERE Id = '{row}'")[field] == stored


@pytest.mark.parametrize(
    ("field", "given", "code", "message"),
    [
        ("Key__c", "x" * 21, "STRING_TOO_LONG", "Key__c: data value too large: " + "x" * 21 + " (max length=20)"),
        ("Pick__c", "Blue", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field: Blue"),
        ("Pick__c", "Old", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field: Old"),
        ("Many__c", "a;z", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field: z"),
        ("Flag__c", "maybe", "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: maybe"),
        ("Number__c", "12x", "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: 12x"),
        ("Number__c", "nan", "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: nan"),
        ("Number__c", 10000, "NUMBER_OUTSIDE_VALID_RANGE", "value outside of valid range on numeric field: 10000"),
        ("Whole__c", 1.5, "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: 1.5"),
        ("Whole__c", 2**31, "NUMBER_OUTSIDE_VALID_RANGE", "value outside of valid range"),
        ("Day__c", "2026-02-30", "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: 2026-02-30"),
        ("Moment__c", "noon", "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: noon"),
        ("Mail__c", "not mail", "INVALID_EMAIL_ADDRESS", "invalid email address: not mail"),
        ("Account__c", "short", "MALFORMED_ID", "id value of incorrect type: short"),
        ("Account__c", "003000000000001AAA", "FIELD_INTEGRITY_EXCEPTION", "id value of incorrect type"),
        ("Account__c", "001000000000001AAA", "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        ("Must__c", None, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Must__c]"),
        ("Nope__c", 1, "INVALID_FIELD", "No such column 'Nope__c' on sobject of type Thing__c"),
        ("Id", "a00000000000001AAA", "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call"),
        ("SystemModstamp", "2026-01-01T00:00:00Z", "INVALID_FIELD_FOR_INSERT_UPDATE", "SystemModstamp"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_in_the_platforms_words(work, field, given, code, message):
    error = refusal(work, **{field: given})
    assert error.status_code == code
    assert message in error.message


def test_one_refused_row_does_not_hold_up_the_others_and_every_answer_is_in_its_place(work):
    results = work.insert("Thing__c", [{"Key__c": "1"}, {"Nope": 1}, {"Key__c": "2"}, {"Key__c": "2"}])
    assert [result.success for result in results] == [True, False, True, False]
    assert results[3].errors[0].status_code == "DUPLICATE_VALUE"
    assert work.query("SELECT COUNT() FROM Thing__c").total_size == 2


def test_all_or_none_stores_nothing_when_one_row_is_refused(work):
    results = work.insert("Thing__c", [{"Key__c": "1"}, {"Nope": 1}], all_or_none=True)
    assert [result.errors[0].status_code for result in results] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "INVALID_FIELD",
    ]
    assert work.query("SELECT COUNT() FROM Thing__c").total_size == 0


def test_a_new_row_gets_its_defaults_owner_and_stamps(work, org):
    saved(work, Key__c="k")
    record = one(work, "SELECT Flag__c, Must__c, OwnerId, CreatedById, CreatedDate, LastModifiedDate FROM Thing__c")
    assert record == {
        "Flag__c": True,
        "Must__c": "given",
        "OwnerId": org.admin_id,
        "CreatedById": org.admin_id,
        "CreatedDate": "2026-11-24T12:00:00.000+0000",
        "LastModifiedDate": "2026-11-24T12:00:00.000+0000",
    }


def test_creation_may_be_dated_back_by_who_may_and_counts_as_the_last_change(work):
    row = saved(work, CreatedDate="2024-05-01T08:00:00Z")
    record = one(work, f"SELECT CreatedDate, LastModifiedDate, SystemModstamp FROM Thing__c WHERE Id = '{row}'")
    assert record["CreatedDate"] == record["LastModifiedDate"] == "2024-05-01T08:00:00.000+0000"
    assert record["SystemModstamp"] == "2026-11-24T12:00:00.000+0000"


def test_an_update_changes_what_it_names_and_the_stamp(work, org):
    row = saved(work, Key__c="k", Number__c=1)
    org.clock.move(timedelta(hours=1))
    assert work.update("Thing__c", [{"Id": row[:15], "Number__c": 2}])[0].success
    assert one(work, "SELECT Key__c, Number__c, CreatedDate, LastModifiedDate FROM Thing__c") == {
        "Key__c": "k",
        "Number__c": 2.0,
        "CreatedDate": "2026-11-24T12:00:00.000+0000",
        "LastModifiedDate": "2026-11-24T13:00:00.000+0000",
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Number__c": 1}, "MISSING_ARGUMENT"),
        ({"Id": "nonsense"}, "MALFORMED_ID"),
        ({"Id": "a00000000000009AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"Id": "001000000000001AAA"}, "MALFORMED_ID"),
    ],
)
def test_an_update_of_what_is_not_there_is_refused(work, change, code):
    [result] = work.update("Thing__c", [change])
    assert result.errors[0].status_code == code


def test_a_required_field_cannot_be_emptied_later(work):
    row = saved(work, Key__c="k")
    [result] = work.update("Thing__c", [{"Id": row, "Must__c": ""}])
    assert result.errors[0].status_code == "REQUIRED_FIELD_MISSING"


def test_a_unique_value_is_taken_in_any_case_unless_case_counts(work):
    first = saved(work, Key__c="abc", Exact__c="abc")
    error = refusal(work, Key__c="ABC")
    assert error.status_code == "DUPLICATE_VALUE"
    assert error.message == f"duplicate value found: Key__c duplicates value on record with id: {first}"
    saved(work, Exact__c="ABC")
    assert refusal(work, Exact__c="ABC").status_code == "DUPLICATE_VALUE"


def test_a_row_may_keep_its_own_unique_value_and_a_deleted_one_frees_it(work):
    row = saved(work, Key__c="k")
    assert work.update("Thing__c", [{"Id": row, "Key__c": "K"}])[0].success
    work.delete([row])
    saved(work, Key__c="k")


def test_an_upsert_updates_by_key_and_creates_the_rest(work):
    row = saved(work, Key__c="one", Number__c=1)
    results = work.upsert("Thing__c", "Key__c", [{"Key__c": "ONE", "Number__c": 5}, {"Key__c": "two", "Number__c": 6}])
    assert [(result.success, result.created) for result in results] == [(True, False), (True, True)]
    assert results[0].id == row
    assert {r["Key__c"]: r["Number__c"] for r in work.query("SELECT Key__c, Number__c FROM Thing__c")} == {
        "ONE": 5.0,
        "two": 6.0,
    }


def test_an_upsert_twice_changes_nothing_the_second_time(work):
    rows = [{"Key__c": str(i), "Number__c": i} for i in range(300)]
    first = work.upsert("Thing__c", "Key__c", rows)
    second = work.upsert("Thing__c", "Key__c", rows)
    assert [result.id for result in first] == [result.id for result in second]
    assert not any(result.created for result in second)


@pytest.mark.parametrize(
    ("rows", "codes"),
    [
        ([{"Number__c": 1}], ["MISSING_ARGUMENT"]),
        ([{"Loose__c": "x"}], ["DUPLICATE_EXTERNAL_ID"]),
        ([{"Loose__c": "n"}, {"Loose__c": "N"}], [None, "DUPLICATE_VALUE"]),
    ],
)
def test_an_upsert_by_a_key_that_tells_nothing_apart_is_refused(work, rows, codes):
    saved(work, Loose__c="x")
    saved(work, Loose__c="x")
    results = work.upsert("Thing__c", "Loose__c", rows)
    assert [result.errors[0].status_code if result.errors else None for result in results] == codes


def test_an_upsert_needs_a_field_that_identifies(work):
    with pytest.raises(OrgError) as refused:
        work.upsert("Thing__c", "Number__c", [{"Number__c": 1}])
    assert refused.value.code == "INVALID_FIELD"


def test_an_upsert_by_id_updates_and_without_one_creates(work):
    row = saved(work, Key__c="k")
    results = work.upsert("Thing__c", "Id", [{"Id": row, "Number__c": 3}, {"Key__c": "new"}])
    assert [(result.success, result.created) for result in results] == [(True, False), (True, True)]


def test_a_parent_may_be_named_by_its_external_id(work):
    work.save_field("Account", custom_field("Code__c", FieldType.STRING, external_id=True))
    account = saved(work, "Account", Name="Acme", Code__c="A1")
    results = work.insert(
        "Thing__c",
        [
            {"Key__c": "1", "Account__r": {"Code__c": "a1"}},
            {"Key__c": "2", "Account__r.Code__c": "A1"},
            {"Key__c": "3", "Account__r": {"attributes": {"type": "Account"}, "Code__c": "none"}},
            {"Key__c": "4", "Account__r.Name": "Acme"},
        ],
    )
    assert [result.success for result in results] == [True, True, False, False]
    assert results[2].errors[0].message == "Foreign key external ID: none not found for field Code__c in entity Account"
    assert {r["Account__c"] for r in work.query("SELECT Account__c FROM Thing__c")} == {account}


def test_deleting_a_parent_empties_lookups_takes_details_along_and_undelete_brings_all_back(work):
    detail = custom_object("Detail__c", work.new_key_prefix(), label="Detail")
    parent = custom_field(
        "Thing__c", FieldType.REFERENCE, reference_to=("Thing__c",), master_detail=True, child_relationship_name="Ds"
    )
    work.save_object(detail.with_field(parent))
    account = saved(work, "Account", Name="Acme")
    thing = saved(work, Key__c="k", Account__c=account)
    below = saved(work, "Detail__c", Thing__c=thing)
    work.delete([account])
    assert one(work, "SELECT Account__c FROM Thing__c")["Account__c"] is None
    work.undelete([account])
    assert one(work, "SELECT Account__c FROM Thing__c")["Account__c"] == account
    work.delete([thing])
    assert work.query("SELECT COUNT() FROM Detail__c").total_size == 0
    assert work.undelete([thing])[0].success
    assert one(work, "SELECT Id FROM Detail__c")["Id"] == below


def test_a_restricted_parent_stays_while_someone_points_at_it(work):
    holder = custom_object("Holder__c", work.new_key_prefix(), label="Holder")
    field = custom_field("T__c", FieldType.REFERENCE, reference_to=("Thing__c",), on_delete=OnDelete.RESTRICT)
    work.save_object(holder.with_field(field))
    thing = saved(work, Key__c="k")
    saved(work, "Holder__c", T__c=thing)
    assert work.delete([thing])[0].errors[0].status_code == "DELETE_FAILED"


@pytest.mark.parametrize(
    ("ids", "code"),
    [(["nonsense"], "MALFORMED_ID"), (["a00000000000009AAA"], "INVALID_CROSS_REFERENCE_KEY")],
)
def test_deleting_what_is_not_there_is_refused(work, ids, code):
    assert work.delete(ids)[0].errors[0].status_code == code


def test_a_deleted_row_says_so(work):
    row = saved(work, Key__c="k")
    work.delete([row])
    assert work.delete([row])[0].errors[0].status_code == "ENTITY_IS_DELETED"
    assert work.update("Thing__c", [{"Id": row}])[0].errors[0].status_code == "ENTITY_IS_DELETED"
    assert work.undelete([row])[0].success
    assert work.undelete([row])[0].errors[0].status_code == "UNDELETE_FAILED"


def test_a_new_rows_lookup_to_a_deleted_row_is_refused(work):
    account = saved(work, "Account", Name="Acme")
    work.delete([account])
    assert refusal(work, Account__c=account).status_code == "INVALID_CROSS_REFERENCE_KEY"


def test_hooks_see_saved_rows_before_and_after_and_may_refuse_some(org, work):
    seen = []

    def hook(transaction, batch):
        if batch.sobject.api_name != "Thing__c":
            return
        bad = [row_id for row_id, row in zip(batch.ids, batch.new, strict=True) if row["Number__c"] == 13]
        if bad:
            raise RowsRefused(dict.fromkeys(bad, RowError("CANNOT_EXECUTE_FLOW_TRIGGER", "not thirteen")))
        seen.append((batch.operation, [row["Number__c"] for row in batch.new], [row["Number__c"] for row in batch.old]))

    org.saved_hooks.append(hook)
    results = work.insert("Thing__c", [{"Number__c": 12}, {"Number__c": 13}, {"Number__c": 14}])
    assert [result.success for result in results] == [True, False, True]
    assert results[1].errors[0].message == "not thirteen"
    [changed, kept] = work.update(
        "Thing__c", [{"Id": results[0].id, "Number__c": 13}, {"Id": results[2].id, "Number__c": 1}]
    )
    assert (changed.success, kept.success) == (False, True)
    assert seen == [(Operation.INSERT, [12.0, 14.0], []), (Operation.UPDATE, [1.0], [14.0])]
    assert [r["Number__c"] for r in work.query("SELECT Number__c FROM Thing__c ORDER BY Id")] == [12.0, 1.0]


def test_committed_hooks_hear_of_what_was_kept_once_it_is(tmp_path, clock):
    org = Org.create(tmp_path, alias="x", number=1, clock=clock)
    heard = []
    org.committed_hooks.append(lambda told, batches: heard.append([batch.sobject.api_name for batch in batches]))
    with org.transaction(org.admin_context()) as transaction:
        transaction.insert("Account", [{"Name": "a"}])
        savepoint = transaction.savepoint()
        transaction.insert("Contact", [{"LastName": "b"}])
        transaction.roll_back(savepoint)
        assert heard == []
    assert heard == [["Account"]]
    org.close()


def test_tracked_fields_leave_history(work):
    tracked = work.schema.object("Thing__c")
    number = tracked.get("Number__c").altered(tracked=True)
    work.save_object(tracked.with_field(number).altered(history="Thing__History"))
    work.save_object(history_object(work.schema.object("Thing__c")))
    row = saved(work, Number__c=1)
    work.update("Thing__c", [{"Id": row, "Number__c": 2, "Key__c": "not tracked"}])
    work.update("Thing__c", [{"Id": row, "Number__c": 2}])
    records = work.query("SELECT ParentId, Field, OldValue, NewValue FROM Thing__History ORDER BY Id")
    assert [tuple(record.values()) for record in records] == [
        (row, "created", None, None),
        (row, "Number__c", "1.0", "2.0"),
    ]
    [parent] = work.query("SELECT Id, (SELECT Field FROM Histories) FROM Thing__c")
    assert len(parent["Histories"]) == 2


def test_a_row_without_a_name_goes_by_its_id(work):
    row = saved(work, Key__c="k")
    assert one(work, "SELECT Name FROM Thing__c")["Name"] == row[:15]


def test_auto_numbers_count_up_in_their_shape(work):
    number = custom_field("Number_As_Text__c", FieldType.STRING, auto_number="T-{YYYY}-{0000}/x")
    work.save_field("Thing__c", number)
    work.insert("Thing__c", [{}, {"Nope": 1}, {}])
    saved(work)
    assert [r["Number_As_Text__c"] for r in work.query("SELECT Number_As_Text__c FROM Thing__c ORDER BY Id")] == [
        "T-2026-0001/x",
        "T-2026-0002/x",
        "T-2026-0003/x",
    ]


def test_a_purged_row_is_gone_for_good(work):
    row, binned = saved(work, Key__c="k"), saved(work, Key__c="l")
    work.delete([binned])
    assert all(result.success for result in work.purge([row, binned]))
    assert work.query("SELECT COUNT() FROM Thing__c", include_deleted=True).total_size == 0
    assert work.undelete([row])[0].errors[0].status_code == "INVALID_CROSS_REFERENCE_KEY"


@pytest.mark.parametrize(("given", "stored"), [("a\x00b", "ab"), ("\ud83d\ude00", "😀"), ("x\ud800", "x\ufffd")])
def test_text_that_no_database_keeps_is_mended(work, given, stored):
    saved(work, Key__c=given)
    assert one(work, "SELECT Key__c FROM Thing__c")["Key__c"] == stored


def test_an_upsert_key_is_compared_as_it_would_be_stored(work):
    saved(work, Key__c="k")
    [result] = work.upsert("Thing__c", "Key__c", [{"Key__c": " k ", "Number__c": 1}])
    assert (result.success, result.created) == (True, False)
