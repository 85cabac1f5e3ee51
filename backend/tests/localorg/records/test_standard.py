"""What the platform works out by itself on standard objects."""

from datetime import timedelta

import pytest

from localorg.errors import OrgError
from localorg.records import LeadConversion
from localorg.schema import RecordType, custom_object


@pytest.fixture
def work(org):
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        yield transaction


def saved(transaction, name, **values):
    [result] = transaction.insert(name, [values])
    assert result.success, result.errors
    return result.id


def changed(transaction, name, row, **values):
    [result] = transaction.update(name, [{"Id": row, **values}])
    assert result.success, result.errors


def one(transaction, soql):
    [record] = transaction.query(soql)
    return dict(record)


def deal(transaction, **values):
    return saved(
        transaction, "Opportunity", **{"Name": "d", "StageName": "Prospecting", "CloseDate": "2026-12-31", **values}
    )


def test_a_persons_name_is_made_of_its_parts(work):
    contact = saved(work, "Contact", FirstName="Ada", LastName="Lovelace")
    assert one(work, "SELECT Name FROM Contact")["Name"] == "Ada Lovelace"
    changed(work, "Contact", contact, FirstName=None)
    assert one(work, "SELECT Name FROM Contact")["Name"] == "Lovelace"


@pytest.mark.parametrize(
    ("stage", "closed", "won", "probability", "forecast"),
    [
        ("Prospecting", False, False, 10.0, "Pipeline"),
        ("negotiation/review", False, False, 90.0, "Pipeline"),
        ("Closed Won", True, True, 100.0, "Closed"),
        ("Closed Lost", True, False, 0.0, "Omitted"),
    ],
)
def test_a_stage_decides_what_an_opportunity_is(work, stage, closed, won, probability, forecast):
    deal(work, StageName=stage, Amount=200)
    assert one(work, "SELECT IsClosed, IsWon, Probability, ForecastCategory, ExpectedRevenue FROM Opportunity") == {
        "IsClosed": closed,
        "IsWon": won,
        "Probability": probability,
        "ForecastCategory": forecast,
        "ExpectedRevenue": 2 * probability,
    }


def test_a_probability_set_by_hand_stays_until_the_stage_moves(work):
    row = deal(work, Probability=33)
    changed(work, "Opportunity", row, Amount=10)
    assert one(work, "SELECT Probability FROM Opportunity")["Probability"] == 33.0
    changed(work, "Opportunity", row, StageName="Qualification")
    assert one(work, "SELECT Probability FROM Opportunity")["Probability"] == 10.0


def test_every_move_of_an_opportunity_is_in_its_history(org, work):
    row = deal(work, Amount=100)
    org.clock.move(timedelta(days=1))
    changed(work, "Opportunity", row, StageName="Closed Won", Amount=150)
    changed(work, "Opportunity", row, NextStep="nothing of a forecast")
    history = work.query(
        "SELECT StageName, FromStageName, Amount, PrevAmount, CreatedDate FROM OpportunityHistory ORDER BY CreatedDate"
    )
    assert [tuple(record.values()) for record in history] == [
        ("Prospecting", None, 100.0, None, "2026-11-24T12:00:00.000+0000"),
        ("Closed Won", "Prospecting", 150.0, 100.0, "2026-11-25T12:00:00.000+0000"),
    ]
    fields = work.query("SELECT Field, OldValue, NewValue FROM OpportunityFieldHistory ORDER BY Id")
    assert [tuple(record.values()) for record in fields] == [
        ("created", None, None),
        ("StageName", "Prospecting", "Closed Won"),
        ("Amount", "100.0", "150.0"),
    ]


def test_a_history_cannot_be_written_by_hand_but_by_the_platform(org, work):
    with pytest.raises(OrgError) as refused:
        work.insert("OpportunityHistory", [{}])
    assert refused.value.code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    row = deal(work)
    platform = work.acting_as(org.admin_context().as_platform())
    values = {"OpportunityId": row, "StageName": "Prospecting", "CreatedDate": "2020-01-01T00:00:00Z"}
    assert platform.insert("OpportunityHistory", [values])[0].success


def test_a_case_is_numbered_and_knows_when_it_was_closed(org, work):
    first, second = saved(work, "Case", Subject="a"), saved(work, "Case", Subject="b", Status="Closed")
    org.clock.move(timedelta(hours=2))
    changed(work, "Case", first, Status="closed")
    assert [dict(r) for r in work.query("SELECT CaseNumber, IsClosed, ClosedDate FROM Case ORDER BY CaseNumber")] == [
        {"CaseNumber": "00000001", "IsClosed": True, "ClosedDate": "2026-11-24T14:00:00.000+0000"},
        {"CaseNumber": "00000002", "IsClosed": True, "ClosedDate": "2026-11-24T12:00:00.000+0000"},
    ]
    changed(work, "Case", second, Status="Working")
    assert one(work, f"SELECT IsClosed, ClosedDate FROM Case WHERE Id = '{second}'") == {
        "IsClosed": False,
        "ClosedDate": None,
    }


def test_a_task_belongs_to_the_account_of_what_it_is_about(work):
    account = saved(work, "Account", Name="a")
    contact = saved(work, "Contact", LastName="c", AccountId=account)
    row = deal(work, AccountId=account)
    saved(work, "Task", Subject="1", WhatId=row, ActivityDate="2026-11-20", Status="Completed")
    saved(work, "Task", Subject="2", WhoId=contact, ActivityDate="2026-11-30")
    saved(work, "Event", Subject="3", WhatId=account, ActivityDateTime="2026-11-22T09:00:00Z", DurationInMinutes=30)
    assert [r["AccountId"] for r in work.query("SELECT AccountId FROM Task")] == [account, account]
    event = one(work, "SELECT AccountId, StartDateTime, EndDateTime, ActivityDate FROM Event")
    assert event == {
        "AccountId": account,
        "StartDateTime": "2026-11-22T09:00:00.000+0000",
        "EndDateTime": "2026-11-22T09:30:00.000+0000",
        "ActivityDate": "2026-11-22",
    }


def test_the_last_activity_is_the_latest_one_that_is_done(work):
    account = saved(work, "Account", Name="a")
    row = deal(work, AccountId=account)
    saved(work, "Task", Subject="1", WhatId=row, ActivityDate="2026-11-20", Status="Completed")
    saved(work, "Task", Subject="open", WhatId=row, ActivityDate="2026-11-23")
    saved(work, "Event", Subject="2", WhatId=account, ActivityDateTime="2026-11-22T09:00:00Z", DurationInMinutes=30)
    assert one(work, "SELECT LastActivityDate FROM Account")["LastActivityDate"] == "2026-11-22"
    assert one(work, "SELECT LastActivityDate FROM Opportunity")["LastActivityDate"] == "2026-11-20"


def lead(transaction, **values):
    return saved(transaction, "Lead", **{"LastName": "Hopper", "Company": "Navy", "Email": "g@navy.example", **values})


def test_a_converted_lead_becomes_contact_account_and_opportunity(org, work):
    row = lead(work, FirstName="Grace", Industry="Government", City="Arlington", LeadSource="Web", DoNotCall=True)
    task = saved(work, "Task", Subject="call", WhoId=row)
    made = work.convert_lead(LeadConversion(row, "Closed - Converted"))
    assert one(work, "SELECT Name, Industry, BillingCity, AccountSource FROM Account") == {
        "Name": "Navy",
        "Industry": "Government",
        "BillingCity": "Arlington",
        "AccountSource": "Web",
    }
    assert one(work, "SELECT Name, Email, MailingCity, DoNotCall, AccountId FROM Contact") == {
        "Name": "Grace Hopper",
        "Email": "g@navy.example",
        "MailingCity": "Arlington",
        "DoNotCall": True,
        "AccountId": made.account,
    }
    assert one(work, "SELECT Name, StageName, CloseDate, AccountId FROM Opportunity") == {
        "Name": "Navy-",
        "StageName": "Prospecting",
        "CloseDate": "2026-12-31",
        "AccountId": made.account,
    }
    converted = one(work, "SELECT IsConverted, ConvertedDate, ConvertedContactId, ConvertedOpportunityId FROM Lead")
    assert converted == {
        "IsConverted": True,
        "ConvertedDate": "2026-11-24",
        "ConvertedContactId": made.contact,
        "ConvertedOpportunityId": made.opportunity,
    }
    assert one(work, f"SELECT WhoId FROM Task WHERE Id = '{task}'")["WhoId"] == made.contact
    assert [r["Field"] for r in work.query("SELECT Field FROM LeadHistory ORDER BY Id")] == [
        "created", "Status", "leadConverted",
    ]  # fmt: skip
    [result] = work.update("Lead", [{"Id": row, "Rating": "Hot"}])
    assert result.errors[0].status_code == "CANNOT_UPDATE_CONVERTED_LEAD"


def test_a_lead_may_join_an_account_that_is_there_and_leave_the_opportunity_out(work):
    account = saved(work, "Account", Name="there")
    made = work.convert_lead(LeadConversion(lead(work), "Closed - Converted", account=account, opportunity=False))
    assert made.account == account
    assert made.opportunity is None
    assert work.query("SELECT COUNT() FROM Opportunity").total_size == 0


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda row: LeadConversion(row, "Working - Contacted"), "INVALID_STATUS"),
        (lambda row: LeadConversion("00Q000000000009EAA", "Closed - Converted"), "INVALID_CROSS_REFERENCE_KEY"),
        (lambda row: LeadConversion("x", "Closed - Converted"), "INVALID_ID_FIELD"),
        (
            lambda row: LeadConversion(row, "Closed - Converted", account="001000000000009AAA"),
            "INVALID_CROSS_REFERENCE_KEY",
        ),
        (lambda row: LeadConversion(row, "Closed - Converted", contact="003000000000009AAA"), "REQUIRED_FIELD_MISSING"),
    ],
)
def test_a_conversion_that_cannot_be_leaves_no_trace(work, make, code):
    row = lead(work)
    with pytest.raises(OrgError) as refused:
        work.convert_lead(make(row))
    assert refused.value.code == code
    assert not one(work, "SELECT IsConverted FROM Lead")["IsConverted"]
    assert work.query("SELECT COUNT() FROM Contact").total_size == 0


def test_a_lead_is_converted_once(work):
    row = lead(work)
    work.convert_lead(LeadConversion(row, "Closed - Converted"))
    with pytest.raises(OrgError):
        work.convert_lead(LeadConversion(row, "Closed - Converted"))


def test_a_record_type_has_a_row_a_place_in_describe_and_may_be_the_default(work):
    prefix = work.new_key_prefix()
    work.save_object(custom_object("Thing__c", prefix, label="Thing"))
    plain = work.save_record_type("Thing__c", RecordType("Plain", "Plain thing", ""))
    usual = work.save_record_type("Thing__c", RecordType("Usual", "Usual thing", "", default=True))
    again = work.save_record_type("Thing__c", RecordType("Plain", "Renamed", ""))
    assert again.id == plain.id
    saved(work, "Thing__c", Name="a")
    saved(work, "Thing__c", Name="b", RecordTypeId=plain.id)
    assert [r["RecordType"]["Name"] for r in work.query("SELECT RecordType.Name FROM Thing__c ORDER BY Name")] == [
        "Usual thing",
        "Renamed",
    ]
    infos = {item["developerName"]: item for item in work.describe("Thing__c", "67.0")["recordTypeInfos"]}
    assert infos["Usual"]["recordTypeId"] == usual.id
    assert infos["Usual"]["defaultRecordTypeMapping"]
    assert not infos["Master"]["defaultRecordTypeMapping"]


def test_line_items_take_over_from_the_price_book_and_add_up(work):
    product = saved(work, "Product2", Name="Pump", ProductCode="P1", IsActive=True)
    book = one(work, "SELECT Id FROM Pricebook2 WHERE IsStandard = true")["Id"]
    entry = saved(work, "PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=50, IsActive=True)
    assert one(work, "SELECT Name, ProductCode FROM PricebookEntry") == {"Name": "Pump", "ProductCode": "P1"}
    row = deal(work, Amount=1)
    item = {"OpportunityId": row, "PricebookEntryId": entry}
    first = saved(work, "OpportunityLineItem", **item, Quantity=2, UnitPrice=40)
    saved(work, "OpportunityLineItem", **item, Quantity=1, UnitPrice=50, Discount=10)
    assert one(
        work, f"SELECT Name, ListPrice, TotalPrice, Product2Id FROM OpportunityLineItem WHERE Id = '{first}'"
    ) == {
        "Name": "d Pump",
        "ListPrice": 50.0,
        "TotalPrice": 80.0,
        "Product2Id": product,
    }
    sums = "SELECT Amount, HasOpportunityLineItem, ExpectedRevenue FROM Opportunity"
    assert one(work, sums) == {"Amount": 125.0, "HasOpportunityLineItem": True, "ExpectedRevenue": 12.5}
    changed(work, "OpportunityLineItem", first, Quantity=3)
    assert one(work, sums)["Amount"] == 165.0
    work.delete([first])
    assert one(work, sums)["Amount"] == 45.0


def test_a_quote_adds_up_its_lines(work):
    product = saved(work, "Product2", Name="Pump")
    book = one(work, "SELECT Id FROM Pricebook2 WHERE IsStandard = true")["Id"]
    entry = saved(work, "PricebookEntry", Pricebook2Id=book, Product2Id=product, UnitPrice=50)
    quote = saved(work, "Quote", Name="q", OpportunityId=deal(work), Tax=5)
    saved(work, "QuoteLineItem", QuoteId=quote, PricebookEntryId=entry, Quantity=2, UnitPrice=50, Discount=20)
    assert one(work, "SELECT Subtotal, TotalPrice, Discount, GrandTotal, LineItemCount FROM Quote") == {
        "Subtotal": 100.0,
        "TotalPrice": 80.0,
        "Discount": 20.0,
        "GrandTotal": 85.0,
        "LineItemCount": 1,
    }
