import pytest

from localorg.errors import OrgError
from localorg.schema import FieldType, SharingModel, custom_field, custom_object


class Team:
    """An org whose accounts are private, with a user who has no rights but those of a permission set."""

    def __init__(self, org):
        self.org = org
        self.system = org.admin_context().in_system_mode()
        with org.transaction(self.system) as work:
            for name in ("Account", "Opportunity", "Contact"):
                work.save_object(work.schema.object(name).altered(sharing=SharingModel.PRIVATE))
            contact = work.schema.object("Contact")
            work.save_object(contact.altered(sharing=SharingModel.CONTROLLED_BY_PARENT, master_field="AccountId"))
            work.save_field("Account", custom_field("Secret__c", FieldType.STRING))
            [profile] = work.query("SELECT Id FROM Profile WHERE Name = 'Minimum Access - Salesforce'")
            self.users = [
                saved.id
                for saved in work.insert(
                    "User",
                    [
                        {
                            "Username": f"{name}@example.com", "LastName": name, "Alias": name, "Email": "a@b.example",
                            "ProfileId": profile["Id"], "IsActive": True,
                        }
                        for name in ("ann", "bob")
                    ],
                )
            ]  # fmt: skip
            [self.set_id] = [saved.id for saved in work.insert("PermissionSet", [{"Name": "Some", "Label": "Some"}])]
            work.insert("PermissionSetAssignment", [{"PermissionSetId": self.set_id, "AssigneeId": self.users[0]}])

    def ann(self):
        return self.org.context_for(self.users[0])

    def grant(self, object_name, letters, *fields, view_all=False, modify_all=False):
        with self.org.transaction(self.system) as work:
            rights = {
                "ParentId": self.set_id,
                "SobjectType": object_name,
                "PermissionsRead": "r" in letters,
                "PermissionsCreate": "c" in letters,
                "PermissionsEdit": "e" in letters,
                "PermissionsDelete": "d" in letters,
                "PermissionsViewAllRecords": view_all,
                "PermissionsModifyAllRecords": modify_all,
            }
            results = work.insert("ObjectPermissions", [rights])
            results += work.insert(
                "FieldPermissions",
                [
                    {
                        "ParentId": self.set_id,
                        "SobjectType": object_name,
                        "Field": f"{object_name}.{name.rstrip('!')}",
                        "PermissionsRead": True,
                        "PermissionsEdit": name.endswith("!"),
                    }
                    for name in fields
                ],
            )
            assert all(saved.success for saved in results)

    def account(self, name, owner=None, **more):
        with self.org.transaction(self.system) as work:
            [saved] = work.insert("Account", [{"Name": name, **({"OwnerId": owner} if owner else {}), **more}])
            assert saved.success, saved
            return saved.id


@pytest.fixture
def team(org):
    return Team(org)


def code(team, soql):
    with team.org.snapshot(team.ann()) as work, pytest.raises(OrgError) as refused:
        list(work.query(soql))
    return refused.value.code


def names(team, soql="SELECT Name FROM Account ORDER BY Name", context=None):
    with team.org.snapshot(context or team.ann()) as work:
        return [record["Name"] for record in work.query(soql)]


def test_an_object_without_read_access_does_not_exist_for_the_user(team):
    assert code(team, "SELECT Id FROM Account") == "INVALID_TYPE"
    with team.org.snapshot(team.ann()) as work:
        with pytest.raises(OrgError) as refused:
            work.describe("Account", "67.0")
        assert refused.value.status == 404
        assert "Account" not in {item["name"] for item in work.describe_global("67.0")["sobjects"]}


def test_a_field_without_read_access_does_not_exist_for_the_user(team):
    team.grant("Account", "r", "Industry")
    for soql in (
        "SELECT Rating FROM Account",
        "SELECT Id FROM Account WHERE Rating = 'Hot'",
        "SELECT Id FROM Account ORDER BY Rating",
        "SELECT COUNT(Id) FROM Account GROUP BY Rating",
        "SELECT Id, Parent.Name FROM Account",
    ):
        assert code(team, soql) == "INVALID_FIELD"
    team.account("mine", owner=team.users[0], Industry="Banking")
    with team.org.snapshot(team.ann()) as work:
        assert [dict(r) for r in work.query("SELECT Name, Industry FROM Account")] == [
            {"Name": "mine", "Industry": "Banking"}
        ]
        [record] = work.query("SELECT FIELDS(ALL) FROM Account LIMIT 1")
        shown = {item["name"] for item in work.describe("Account", "67.0")["fields"]}
    assert "Industry" in record
    assert "Rating" not in record
    assert "Industry" in shown
    assert "Rating" not in shown


def test_a_parts_right_is_the_right_on_its_address(team):
    team.grant("Account", "r", "BillingAddress")
    assert names(team, "SELECT Name, BillingCity, BillingAddress FROM Account") == []


def test_a_user_sees_the_private_rows_they_own(team):
    team.account("hers", owner=team.users[0])
    team.account("his", owner=team.users[1])
    team.grant("Account", "r")
    assert names(team) == ["hers"]


def test_view_all_shows_the_rows_of_others_and_changes_none(team):
    his = team.account("his", owner=team.users[1])
    team.grant("Account", "re", view_all=True)
    assert names(team) == ["his"]
    with team.org.transaction(team.ann()) as work:
        [saved] = work.update("Account", [{"Id": his, "Name": "hers now"}])
    assert saved.errors[0].status_code == "INSUFFICIENT_ACCESS_OR_READONLY"


def test_modify_all_changes_the_rows_of_others(team):
    his = team.account("his", owner=team.users[1])
    team.grant("Account", "red", view_all=True, modify_all=True)
    with team.org.transaction(team.ann()) as work:
        [saved] = work.update("Account", [{"Id": his, "Name": "hers now"}])
        [gone] = work.delete([his])
    assert saved.success
    assert gone.success


def test_a_child_controlled_by_its_parent_is_seen_with_it(team):
    hers, his = team.account("hers", owner=team.users[0]), team.account("his", owner=team.users[1])
    team.grant("Account", "r")
    team.grant("Contact", "r", "AccountId")
    with team.org.transaction(team.system) as work:
        work.insert("Contact", [{"LastName": "seen", "AccountId": hers}, {"LastName": "hidden", "AccountId": his}])
    assert names(team, "SELECT Name FROM Contact") == ["seen"]
    assert names(team, "SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact)") == ["hers"]


def test_rows_of_a_queue_are_seen_by_its_members(team):
    with team.org.transaction(team.system) as work:
        [queue] = work.insert("Group", [{"Name": "Q", "Type": "Queue"}])
        work.insert("GroupMember", [{"GroupId": queue.id, "UserOrGroupId": team.users[0]}])
        prefix = work.new_key_prefix()
        work.save_object(custom_object("Job__c", prefix, label="Job", sharing=SharingModel.PRIVATE))
        work.insert("Job__c", [{"Name": "queued", "OwnerId": queue.id}, {"Name": "other"}])
    team.grant("Job__c", "r")
    assert names(team, "SELECT Name FROM Job__c") == ["queued"]


def test_system_mode_passes_over_rights_and_sharing_may_stay(team):
    team.account("hers", owner=team.users[0])
    team.account("his", owner=team.users[1])
    system = team.ann().in_system_mode()
    assert names(team, context=system) == ["hers", "his"]
    assert names(team, context=team.ann().in_system_mode(sharing=True)) == ["hers"]


def test_with_user_mode_holds_system_code_to_the_users_rights(team):
    team.account("his", owner=team.users[1])
    team.grant("Account", "r")
    system = team.ann().in_system_mode()
    assert names(team, "SELECT Name FROM Account WITH USER_MODE", context=system) == []
    for clause in ("USER_MODE", "SECURITY_ENFORCED"):
        with team.org.snapshot(system) as work, pytest.raises(OrgError):
            work.query(f"SELECT Rating FROM Account WITH {clause}")


@pytest.mark.parametrize(
    ("letters", "act", "code"),
    [
        ("r", "insert", "INSUFFICIENT_ACCESS_OR_READONLY"),
        ("rc", "update", "INSUFFICIENT_ACCESS_OR_READONLY"),
        ("rce", "delete", "INSUFFICIENT_ACCESS_OR_READONLY"),
    ],
)
def test_a_write_needs_its_right_on_the_object(team, letters, act, code):
    mine = team.account("mine", owner=team.users[0])
    team.grant("Account", letters)
    with team.org.transaction(team.ann()) as work:
        if act == "delete":
            assert work.delete([mine])[0].errors[0].status_code == code
            return
        with pytest.raises(OrgError) as refused:
            work.insert("Account", [{"Name": "x"}]) if act == "insert" else work.update("Account", [{"Id": mine}])
        assert refused.value.code == code


def test_a_field_that_may_only_be_read_is_refused_on_writing(team):
    team.grant("Account", "rce", "Industry", "Rating!")
    with team.org.transaction(team.ann()) as work:
        refused, invisible, good = work.insert(
            "Account",
            [{"Name": "a", "Industry": "Banking"}, {"Name": "b", "Site": "x"}, {"Name": "c", "Rating": "Hot"}],
        )
    assert refused.errors[0].status_code == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert refused.errors[0].fields == ("Industry",)
    assert invisible.errors[0].status_code == "INVALID_FIELD"
    assert good.success


def test_a_new_custom_field_is_invisible_until_someone_grants_it_even_to_the_administrator(team):
    """So it is on the platform: a deployment brings a field, not the right to see it."""
    with team.org.snapshot(team.org.admin_context()) as work, pytest.raises(OrgError):
        work.query("SELECT Secret__c FROM Account")


def test_an_assignment_that_is_taken_away_takes_the_rights_along(team):
    team.account("mine", owner=team.users[0])
    team.grant("Account", "r")
    assert names(team) == ["mine"]
    with team.org.transaction(team.system) as work:
        [assignment] = work.query("SELECT Id FROM PermissionSetAssignment")
        work.delete([assignment["Id"]])
        with pytest.raises(OrgError):
            work.acting_as(team.ann()).query("SELECT Name FROM Account")
    assert code(team, "SELECT Id FROM Account") == "INVALID_TYPE"


def test_an_inactive_user_has_no_context(team):
    with team.org.transaction(team.system) as work:
        work.update("User", [{"Id": team.users[0], "IsActive": False}])
    with pytest.raises(OrgError) as refused:
        team.ann()
    assert (refused.value.code, refused.value.status) == ("INVALID_SESSION_ID", 401)


def test_a_read_only_row_count_with_view_all_data_is_the_whole_table(team):
    team.account("his", owner=team.users[1])
    with team.org.transaction(team.system) as work:
        work.update("PermissionSet", [{"Id": team.set_id, "PermissionsViewAllData": True}])
    assert names(team) == ["his"]


def test_a_row_cannot_be_hung_on_a_parent_that_the_user_does_not_see(team):
    his = team.account("his", owner=team.users[1])
    team.grant("Account", "r")
    team.grant("Contact", "rc", "AccountId!")
    with team.org.transaction(team.ann()) as work:
        [result] = work.insert("Contact", [{"LastName": "x", "AccountId": his}])
    assert result.errors[0].status_code == "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"


def test_a_time_zone_nobody_knows_is_utc(team):
    with team.org.transaction(team.system) as work:
        work.update("User", [{"Id": team.users[0], "TimeZoneSidKey": "Mars/Olympus"}])
    assert team.ann().time_zone == "UTC"
