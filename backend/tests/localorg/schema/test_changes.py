from dataclasses import replace

import pytest

from localorg.errors import OrgError
from localorg.org import Org
from localorg.schema import (
    FieldType,
    ObjectKind,
    PicklistValue,
    RecordType,
    Schema,
    SharingModel,
    ValidationRule,
    custom_field,
    custom_object,
    standard_objects,
)
from localorg.schema.codec import from_json, to_json


@pytest.fixture
def work(org):
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        yield transaction


def make(work, name="Thing__c", *fields, **more):
    made = custom_object(name, work.new_key_prefix(), label=name.split("__")[-2], **more)
    for item in fields:
        made = made.with_field(item)
    work.save_object(made)
    return made


def test_every_standard_object_survives_being_written_down():
    for sobject in standard_objects():
        assert from_json(to_json(sobject)) == sobject


def test_a_definition_with_everything_survives_being_written_down():
    picklist = custom_field(
        "P__c", FieldType.PICKLIST, restricted=True, picklist=(PicklistValue("a", "A", default=True),)
    )
    made = (
        custom_object("ns__X__c", "a00", label="X", sharing=SharingModel.PRIVATE)
        .with_field(picklist)
        .altered(
            record_types=(RecordType("One", "One", "012000000000001AAA", picklists={"P__c": ("a",)}),),
            validation_rules=(ValidationRule("R", "TRUE", "no", "P__c"),),
        )
    )
    assert from_json(to_json(made)) == made
    assert made.namespace == "ns"


def test_a_schema_never_changes_under_its_reader():
    schema = Schema(standard_objects())
    changed = schema.with_object(custom_object("X__c", "a00", label="X"))
    assert schema.get("X__c") is None
    assert changed.get("x__C").api_name == "X__c"
    assert changed.without_object("X__c").get("X__c") is None


def test_names_resolve_with_and_without_the_orgs_namespace():
    made = custom_object("fedcrm__Block__c", "a00", label="Block").with_field(
        custom_field(
            "fedcrm__Account__c", FieldType.REFERENCE, reference_to=("Account",), child_relationship_name="Blocks"
        )
    )
    own = Schema([*standard_objects(), made], namespace="fedcrm")
    assert own.object("Block__c") is made
    assert own.field(made, "account__c").api_name == "fedcrm__Account__c"
    assert own.parent(made, "Account__r").api_name == "fedcrm__Account__c"
    assert own.child(own.object("Account"), "Blocks__r").child is made
    subscriber = Schema([*standard_objects(), made])
    assert subscriber.get("Block__c") is None
    assert subscriber.get("fedcrm__Block__c") is made
    assert subscriber.get("Block__c", within="fedcrm") is made
    assert subscriber.child(subscriber.object("Account"), "fedcrm__Blocks__r").child is made


def test_a_packages_code_means_its_own_object_where_the_org_has_one_of_that_name(work):
    make(work, "Thing__c")
    make(work, "pkg__Thing__c", custom_field("pkg__Key__c", FieldType.STRING, external_id=True))
    inside = work.acting_as(replace(work.context, namespace="pkg"))
    assert inside.insert("Thing__c", [{"Name": "theirs", "Key__c": "k"}])[0].success
    assert inside.upsert("Thing__c", "Key__c", [{"Key__c": "k", "Name": "again"}])[0].success
    work.insert("Thing__c", [{"Name": "ours"}])
    [record] = inside.query("SELECT Name, Key__c FROM Thing__c WHERE Key__c = 'k'")
    assert dict(record) == {"Name": "again", "pkg__Key__c": "k"}
    assert [r["Name"] for r in work.query("SELECT Name FROM Thing__c")] == ["ours"]
    assert [r["Name"] for r in work.query("SELECT Name FROM pkg__Thing__c")] == ["again"]


def test_a_field_is_added_changed_and_dropped_with_the_rows_there(work):
    make(work)
    work.insert("Thing__c", [{"Name": "a"}])
    work.save_field("Thing__c", custom_field("Flag__c", FieldType.BOOLEAN, default=True))
    work.save_field("Thing__c", custom_field("Text__c", FieldType.STRING))
    [record] = work.query("SELECT Flag__c, Text__c FROM Thing__c")
    assert dict(record) == {"Flag__c": True, "Text__c": None}
    work.update("Thing__c", [{"Id": work.query("SELECT Id FROM Thing__c").take(1)[0]["Id"], "Text__c": "12.5"}])
    work.save_field("Thing__c", custom_field("Text__c", FieldType.DOUBLE, precision=6, scale=1))
    assert [r["Text__c"] for r in work.query("SELECT Text__c FROM Thing__c WHERE Text__c > 12")] == [12.5]
    work.drop_field("Thing__c", "Text__c")
    with pytest.raises(OrgError):
        work.query("SELECT Text__c FROM Thing__c")


def test_a_schema_that_fails_halfway_is_as_it_was(org):
    def failing():
        with org.transaction(org.admin_context().in_system_mode()) as work:
            make(work)
            work.save_field("Account", custom_field("X__c", FieldType.STRING))
            work.insert("Thing__c", [{"Name": "a"}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert org.schema.get("Thing__c") is None
    assert org.schema.object("Account").get("X__c") is None
    with org.transaction(org.admin_context().in_system_mode()) as work:
        make(work)
        work.insert("Account", [{"Name": "fine"}])


def test_a_savepoint_takes_the_schema_back_too(work):
    savepoint = work.savepoint()
    make(work)
    work.roll_back(savepoint)
    assert work.schema.get("Thing__c") is None
    make(work)
    assert work.insert("Thing__c", [{"Name": "a"}])[0].success


def test_the_schema_is_there_when_the_org_is_opened_again(tmp_path, clock):
    org = Org.create(tmp_path, alias="a", number=1, namespace="fedcrm", clock=clock)
    with org.transaction(org.admin_context().in_system_mode()) as work:
        make(work, "fedcrm__Thing__c", custom_field("fedcrm__Key__c", FieldType.STRING, external_id=True))
        work.save_field("Account", custom_field("Local__c", FieldType.DATE))
    before = org.schema
    org.close()
    again = Org.open(tmp_path, "a", clock=clock)
    assert list(again.schema) == list(before)
    with again.transaction(again.admin_context().in_system_mode()) as work:
        assert work.insert("Thing__c", [{"Key__c": "k"}])[0].success
        [record] = work.query("SELECT Name, Key__c FROM Thing__c")
        assert set(record) == {"Name", "fedcrm__Key__c"}
    again.close()


def test_a_dropped_object_is_gone_with_its_rows_and_its_name_is_free(work):
    make(work)
    work.insert("Thing__c", [{"Name": "a"}])
    work.drop_object("Thing__c")
    with pytest.raises(OrgError):
        work.query("SELECT Id FROM Thing__c")
    make(work)
    assert work.query("SELECT COUNT() FROM Thing__c").total_size == 0


def test_custom_metadata_and_settings_have_the_platforms_fields(work):
    make(work, "Rule__mdt", custom_field("Value__c", FieldType.STRING), kind=ObjectKind.CUSTOM_METADATA)
    make(work, "Keys__c", kind=ObjectKind.CUSTOM_SETTING, setting_type="Hierarchy")
    with pytest.raises(OrgError) as refused:
        work.insert("Rule__mdt", [{"DeveloperName": "A", "MasterLabel": "A"}])
    assert refused.value.code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    platform = work.acting_as(work.context.as_platform())
    rows = [{"DeveloperName": "A", "MasterLabel": "The A", "Value__c": "1"}]
    assert platform.upsert("Rule__mdt", "DeveloperName", rows)[0].created
    assert not platform.upsert("Rule__mdt", "DeveloperName", rows)[0].created
    [record] = work.query("SELECT QualifiedApiName, Label, Value__c FROM Rule__mdt")
    assert dict(record) == {"QualifiedApiName": "A", "Label": "The A", "Value__c": "1"}
    assert work.insert("Keys__c", [{}])[0].success
    [setting] = work.query("SELECT SetupOwnerId FROM Keys__c")
    assert setting["SetupOwnerId"] == work.org.org_id


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda w: make(w, "thing one__c"), "FIELD_INTEGRITY_EXCEPTION"),
        (lambda w: make(w, "A__B__c__c"), "FIELD_INTEGRITY_EXCEPTION"),
        (lambda w: make(w, "T" * 41 + "__c"), "FIELD_INTEGRITY_EXCEPTION"),
        (lambda w: w.save_field("Account", custom_field("9__c", FieldType.DATE)), "FIELD_INTEGRITY_EXCEPTION"),
        (lambda w: w.save_field("Account", custom_field("X_", FieldType.DATE)), "FIELD_INTEGRITY_EXCEPTION"),
        (lambda w: w.save_field("Account", custom_field("X__c", FieldType.REFERENCE)), "FIELD_INTEGRITY_EXCEPTION"),
        (
            lambda w: w.save_field("Account", custom_field("X__c", FieldType.REFERENCE, reference_to=("No__c",))),
            "INVALID_FIELD_OR_REFERENCE",
        ),
        (
            lambda w: w.save_field("Account", custom_field("X__c", FieldType.STRING, length=0)),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            lambda w: w.save_field("Account", custom_field("X__c", FieldType.DOUBLE, precision=19, scale=0)),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
        (
            lambda w: w.save_field(
                "Account",
                custom_field("X__c", FieldType.PICKLIST, picklist=(PicklistValue("a"), PicklistValue("A"))),
            ),
            "DUPLICATE_VALUE",
        ),
        (lambda w: w.drop_field("Account", "Industry"), "INVALID_CROSS_REFERENCE_KEY"),
        (lambda w: w.drop_field("Account", "Nope__c"), "INVALID_CROSS_REFERENCE_KEY"),
        (lambda w: w.drop_object("Account"), "INVALID_CROSS_REFERENCE_KEY"),
        (lambda w: w.drop_object("Nope__c"), "INVALID_TYPE"),
        (
            lambda w: w.save_field("Account", w.schema.object("Account").get("Industry").altered(type=FieldType.DATE)),
            "FIELD_INTEGRITY_EXCEPTION",
        ),
    ],
)
def test_a_change_the_platform_refuses_changes_nothing(work, change, code):
    before = list(work.schema)
    with pytest.raises(OrgError) as refused:
        change(work)
    assert refused.value.code == code
    assert list(work.schema) == before


def test_an_object_that_others_look_up_cannot_go(work):
    make(work)
    field = custom_field(
        "Thing__c", FieldType.REFERENCE, reference_to=("Thing__c",), child_relationship_name="Accounts"
    )
    work.save_field("Account", field)
    with pytest.raises(OrgError) as refused:
        work.drop_object("Thing__c")
    assert refused.value.code == "DELETE_FAILED"
    work.drop_field("Account", "Thing__c")
    work.drop_object("Thing__c")


def test_two_relationships_of_one_name_are_refused(work):
    def lookup(name):
        return custom_field(name, FieldType.REFERENCE, reference_to=("Account",), child_relationship_name="Things")

    make(work, "Thing__c", lookup("A__c"))
    with pytest.raises(OrgError) as refused:
        work.save_field("Thing__c", lookup("B__c"))
    assert refused.value.code == "DUPLICATE_DEVELOPER_NAME"
