import pytest

from localorg.errors import OrgError
from localorg.org import Org


def names(transaction, soql="SELECT Name FROM Account"):
    return [record["Name"] for record in transaction.query(soql)]


def test_what_a_transaction_wrote_is_there_after_the_org_is_opened_again(tmp_path, clock):
    org = Org.create(tmp_path, alias="acme", number=7, clock=clock)
    with org.transaction(org.admin_context()) as transaction:
        [saved] = transaction.insert("Account", [{"Name": "Acme"}])
    org.close()
    again = Org.open(tmp_path, "acme", clock=clock)
    with again.snapshot(again.admin_context()) as transaction:
        assert [dict(record) for record in transaction.query("SELECT Id, Name FROM Account")] == [
            {"Id": saved.id, "Name": "Acme"}
        ]
    again.close()


def test_an_exception_undoes_the_whole_transaction(org):
    def failing():
        with org.transaction(org.admin_context()) as transaction:
            transaction.insert("Account", [{"Name": "Acme"}])
            assert names(transaction) == ["Acme"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with org.snapshot(org.admin_context()) as transaction:
        assert names(transaction) == []


def test_rolling_back_to_a_savepoint_keeps_what_was_before_it(admin):
    admin.insert("Account", [{"Name": "before"}])
    savepoint = admin.savepoint()
    admin.insert("Account", [{"Name": "after"}])
    admin.roll_back(savepoint)
    assert names(admin) == ["before"]


def test_a_snapshot_refuses_to_write(org):
    with org.snapshot(org.admin_context()) as transaction, pytest.raises(OrgError):
        transaction.insert("Account", [{"Name": "Acme"}])
