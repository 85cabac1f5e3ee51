import zoneinfo
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from localorg.clock import Clock
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


def test_days_are_counted_in_a_users_zone_where_the_system_knows_none(tmp_path):
    """A bare Debian has no time zones of its own: the package brings them."""
    zoneinfo.reset_tzpath([])
    zoneinfo.ZoneInfo.clear_cache()
    try:
        evening = Clock(lambda: datetime(2026, 11, 24, 20, 0, tzinfo=UTC))
        org = Org.create(tmp_path, alias="bare", number=3, clock=evening)
        with org.transaction(org.admin_context()) as work:
            work.insert("Account", [{"Name": "Acme"}])
        tokyo = replace(org.admin_context(), time_zone="Asia/Tokyo")
        with org.transaction(tokyo) as work:
            assert work.query("SELECT Id FROM Account WHERE CreatedDate = 2026-11-24T20:00:00Z").total_size == 1
            assert work.settings().today.isoformat() == "2026-11-25"
        org.close()
    finally:
        zoneinfo.reset_tzpath()
        zoneinfo.ZoneInfo.clear_cache()
